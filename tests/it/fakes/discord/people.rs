//! The people of the local Discord: who they are, what they do, and how it reaches a bot over the gateway or over HTTP.

use firstcheck::clock;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

use super::{Discord, GUILD, PERSON, Posted, ROLE, shapes};

/// The application's public key: that of RFC 8032, section 7.1, test 1.
pub(crate) const PUBLIC_KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
/// Its private key, in PKCS #8.
const PRIVATE_KEY: &str =
    "302e020100300506032b6570042204209d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
/// Somebody without a role and without rights.
pub(crate) const GUEST: u64 = 900_000_000_000_000_015;
/// `MANAGE_THREADS`, `MANAGE_GUILD` and all below the 32nd bit.
const ALL_RIGHTS: &str = "2147483647";
/// `VIEW_CHANNEL` and `SEND_MESSAGES`.
const FEW_RIGHTS: &str = "3072";

/// Hexadecimal digits as bytes.
pub(crate) fn bytes(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2)
        .map(|place| u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).unwrap())
        .collect()
}

/// Somebody who does something.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    id: u64,
    roles: Vec<u64>,
    rights: &'static str,
}

/// Somebody who is on call and moderates.
pub(crate) fn ada() -> Who {
    Who { id: PERSON, roles: vec![ROLE], rights: ALL_RIGHTS }
}

/// Somebody who may write here, and nothing more.
pub(crate) fn guest() -> Who {
    Who { id: GUEST, roles: Vec::new(), rights: FEW_RIGHTS }
}

impl Who {
    /// As they appear in an interaction.
    fn member(&self) -> Value {
        let mut member = shapes::member();
        member["roles"] = self.roles.iter().map(u64::to_string).collect();
        member["permissions"] = json!(self.rights);
        member["user"] = shapes::user(self.id);
        member
    }
}

/// A request of Discord's: its body and the two headers that prove it.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) body: String,
    pub(crate) timestamp: String,
    pub(crate) signature: String,
}

/// Signs a body as Discord does, at this many seconds from now.
pub(crate) fn signed(body: &Value, seconds: i64) -> Signed {
    let body = body.to_string();
    let timestamp = (clock::now().as_second() + seconds).to_string();
    let key = EncodingKey::from_ed_der(&bytes(PRIVATE_KEY));
    let signed = crypto::sign(format!("{timestamp}{body}").as_bytes(), &key, Algorithm::EdDSA).unwrap();
    let signature = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, signed).unwrap();
    let hex = |text: String, byte: &u8| format!("{text}{byte:02x}");
    let signature = signature.iter().fold(String::new(), hex);
    Signed { body, timestamp, signature }
}

impl Discord {
    /// Something this person does, not sent yet: its id and its JSON.
    pub(crate) fn begin(
        &self,
        who: &Who,
        kind: u8,
        channel: u64,
        data: &Value,
        message: Option<Value>,
    ) -> (u64, Value) {
        let (id, token) = self.begin_interaction();
        let mut interaction = shapes::interaction(id, &token, kind, channel, data, message);
        interaction["member"] = who.member();
        interaction["member"]["guild_id"] = json!(GUILD.to_string());
        (id, interaction)
    }

    /// This person types a command, and sends it.
    pub(crate) fn types(&self, who: &Who, channel: u64, name: &str, options: &Value) -> u64 {
        let (id, interaction) = self.begin(who, 2, channel, &command(name, options), None);
        self.dispatch("INTERACTION_CREATE", &interaction);
        id
    }

    /// This person is typing a command; gives what they are suggested.
    pub(crate) async fn is_typing(
        &self,
        who: &Who,
        channel: u64,
        name: &str,
        options: &Value,
    ) -> Vec<String> {
        let (id, interaction) = self.begin(who, 4, channel, &command(name, options), None);
        self.dispatch("INTERACTION_CREATE", &interaction);
        let callback = self.until("suggestions", |world| world.interactions[&id].callback.clone()).await;
        assert_eq!(callback["type"], 8);
        let choices = callback["data"]["choices"].as_array().unwrap();
        choices.iter().map(|choice| choice["value"].as_str().unwrap().to_owned()).collect()
    }

    /// This person clicks.
    pub(crate) fn clicks(&self, who: &Who, message: &Posted, custom_id: &str) -> u64 {
        let data = json!({"custom_id": custom_id, "component_type": 2});
        let (id, interaction) = self.begin(who, 3, message.channel, &data, Some(shapes::message(message)));
        self.dispatch("INTERACTION_CREATE", &interaction);
        id
    }

    /// This person picks from a menu.
    pub(crate) fn selects(&self, who: &Who, message: &Posted, custom_id: &str, values: &[&str]) -> u64 {
        let data = json!({"custom_id": custom_id, "component_type": 3, "values": values});
        let (id, interaction) = self.begin(who, 3, message.channel, &data, Some(shapes::message(message)));
        self.dispatch("INTERACTION_CREATE", &interaction);
        id
    }

    /// This person picks somebody from a menu of people.
    pub(crate) fn picks(&self, who: &Who, message: &Posted, custom_id: &str, whom: u64) -> u64 {
        let resolved = json!({"users": {whom.to_string(): shapes::user(whom)}});
        let data = json!({"custom_id": custom_id, "component_type": 5, "values": [whom.to_string()], "resolved": resolved});
        let (id, interaction) = self.begin(who, 3, message.channel, &data, Some(shapes::message(message)));
        self.dispatch("INTERACTION_CREATE", &interaction);
        id
    }

    /// What came back over HTTP as the first answer to an interaction; it counts as its callback.
    pub(crate) fn takes(&self, id: u64, answer: &Value) {
        let mut world = self.world();
        if let Some(wrong) = super::limits::of_callback(answer) {
            world.complaints.push(wrong);
        }
        let interaction = world.interactions.get_mut(&id).unwrap();
        assert_eq!(interaction.callback, None, "answered twice");
        interaction.callback = Some(answer.clone());
        if answer["type"] == 4 {
            interaction.original = Some(answer["data"].clone());
        }
        drop(world);
        self.note_change();
    }

    /// Waits for the first answer to an interaction.
    pub(crate) async fn first_answer(&self, id: u64) -> Value {
        self.until("a first answer", |world| world.interactions[&id].callback.clone()).await
    }

    /// A reply in a thread with a pasted text of this many bytes.
    pub(crate) fn pastes(
        &self,
        who: &Who,
        channel: u64,
        replies_to: u64,
        text: &str,
        said_bytes: usize,
    ) -> u64 {
        let (id, url) = {
            let mut world = self.world();
            let id = world.fresh_id();
            world.pastes.insert(format!("/attachments/{id}"), text.to_owned());
            (id, format!("http://{}/attachments/{id}", self.addr))
        };
        let mut message = json!({
            "id": id.to_string(), "channel_id": channel.to_string(), "author": shapes::user(who.id), "type": 19, "content": "",
            "mentions": [], "mention_roles": [], "mention_everyone": false, "embeds": [], "pinned": false, "tts": false,
            "timestamp": "2026-01-02T03:04:05.000000+00:00", "edited_timestamp": null, "flags": 0, "components": [],
            "guild_id": GUILD.to_string(),
            "message_reference": {"type": 0, "message_id": replies_to.to_string(), "channel_id": channel.to_string()},
            "attachments": [{
                "id": id.to_string(), "filename": "message.txt", "size": said_bytes, "url": url, "proxy_url": url,
                "content_type": "text/plain; charset=utf-8",
            }],
        });
        let mut member = who.member();
        member.as_object_mut().unwrap().remove("user");
        message["member"] = member;
        self.dispatch("MESSAGE_CREATE", &message);
        id
    }

    /// This person replies to a message.
    pub(crate) fn replies(&self, who: &Who, channel: u64, replies_to: u64, text: &str) {
        self.writes(who, channel, Some(replies_to), text);
    }

    /// This person writes into a channel, perhaps in reply to a message.
    pub(crate) fn writes(&self, who: &Who, channel: u64, replies_to: Option<u64>, text: &str) {
        let posted = {
            let mut world = self.world();
            let posted = Posted::by(who.id, world.fresh_id(), channel, text, replies_to);
            world.messages.insert(posted.id, posted.clone());
            posted
        };
        let mut member = who.member();
        member.as_object_mut().unwrap().remove("user");
        let mut message = shapes::message(&posted);
        message["guild_id"] = json!(GUILD.to_string());
        message["member"] = member;
        self.dispatch("MESSAGE_CREATE", &message);
    }
}

/// A command as it is sent; people it names are resolved.
pub(crate) fn command(name: &str, options: &Value) -> Value {
    let mut data = json!({"id": "900000000000000077", "name": name, "type": 1, "options": options});
    if options.to_string().contains(&GUEST.to_string()) {
        data["resolved"] = json!({"users": {GUEST.to_string(): shapes::user(GUEST)}});
    }
    data
}

/// A subcommand with these options.
pub(crate) fn under(sub: &str, options: &Value) -> Value {
    json!([{"name": sub, "type": 1, "options": options}])
}

/// An option with a text.
pub(crate) fn text(name: &str, value: &str) -> Value {
    json!({"name": name, "type": 3, "value": value})
}

/// An option that is being typed.
pub(crate) fn typing(name: &str, value: &str) -> Value {
    json!({"name": name, "type": 3, "value": value, "focused": true})
}
