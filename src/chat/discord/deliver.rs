//! Messages on their way: posted once, edited in place, and long ones in parts or as a file; never cut in silence.

use serde::Deserialize;
use serde_json::{Value, json};
use serenity::all::{ChannelId, CreateActionRow, CreateAllowedMentions, MessageId, RoleId};
use serenity::http::{LightMethod, Route};

use super::split::{self, MESSAGE};
use super::wire::{FILE, Failure, File};
use super::{ARCHIVED, MISSING_PERMISSION, Session, TOO_LARGE, nobody, nonce};
use crate::chat::ChatError;

/// More parts than this are a file: nobody scrolls through ten messages in an incident.
const PARTS: usize = 4;
/// Files that go with one message: two of 10 MiB stay below the 25 MiB of a request.
pub(super) const FILES: usize = 2;
/// Messages that stand in for a file at most: whoever wants more of it lets the bot attach it.
const STAND_INS: usize = 20;
/// Said in place of what is in a file.
const ATTACHED: &str = "-# … the whole text is attached.";
/// Said when files are not taken.
pub(super) const NO_FILES: &str =
    "-# (The bot lacks Attach Files here: pictures are left out, and a text follows in messages.)";
/// Said of files without words of their own.
pub(super) const CONTINUED: &str = "-# (continued)";

/// A message to be posted.
#[derive(Default)]
pub(super) struct Letter<'a> {
    pub(super) text: &'a str,
    pub(super) rows: Vec<CreateActionRow>,
    pub(super) files: Vec<File>,
    /// Who is notified.
    pub(super) calls: CreateAllowedMentions,
    /// The message it replies to, in the same channel.
    pub(super) replies_to: Option<MessageId>,
    /// The same key twice, within Discord's memory of a few minutes, is once.
    pub(super) key: &'a str,
}

#[derive(Deserialize)]
struct Posted {
    id: MessageId,
}

impl Session {
    /// Posts a message of at most 2000 characters. A thread that was archived is opened again.
    pub(super) async fn post(&self, channel: ChannelId, letter: &Letter<'_>) -> Result<MessageId, Failure> {
        match self.post_once(channel, letter).await {
            Err(failure) if failure.code == Some(ARCHIVED) => {
                self.open_again(channel).await?;
                self.post_once(channel, letter).await
            }
            Err(failure) if !letter.files.is_empty() && takes_no_files(&failure) => {
                self.wire.believe_in(LightMethod::Post, Route::ChannelMessages { channel_id: channel });
                self.post_bare(channel, letter).await
            }
            other => other,
        }
    }

    /// The words matter more than the picture, and a text that was to be attached is said.
    async fn post_bare(&self, channel: ChannelId, letter: &Letter<'_>) -> Result<MessageId, Failure> {
        let text = format!("{}\n{NO_FILES}", letter.text);
        let text = if text.chars().count() <= MESSAGE { text } else { letter.text.to_owned() };
        let key = format!("{} bare", letter.key);
        let (rows, calls) = (letter.rows.clone(), letter.calls.clone());
        let bare =
            Letter { text: &text, files: Vec::new(), rows, calls, key: &key, replies_to: letter.replies_to };
        let posted = self.post_once(channel, &bare).await?;
        for (place, text) in in_place_of(&letter.files).iter().enumerate() {
            let key = format!("{key} {place}");
            self.post_once(channel, &Letter { text, key: &key, ..Letter::default() }).await?;
        }
        Ok(posted)
    }

    async fn post_once(&self, channel: ChannelId, letter: &Letter<'_>) -> Result<MessageId, Failure> {
        let mut body = json!({
            "content": letter.text,
            "components": letter.rows,
            "nonce": nonce(letter.key),
            "enforce_nonce": true,
            "allowed_mentions": letter.calls,
            "attachments": described(&letter.files),
        });
        if let Some(message) = letter.replies_to {
            // Somebody may have deleted it meanwhile.
            body["message_reference"] =
                json!({"message_id": message.to_string(), "fail_if_not_exists": false});
        }
        let route = Route::ChannelMessages { channel_id: channel };
        let posted: Posted =
            self.wire.send_with_files(LightMethod::Post, route, &body, &letter.files).await?;
        Ok(posted.id)
    }

    /// Posts a text of any length: in parts, or its beginning with the whole of it in a file. Files go with the first part,
    /// rows with the last; the last message's id comes back.
    pub(super) async fn post_all(
        &self,
        channel: ChannelId,
        letter: Letter<'_>,
    ) -> Result<MessageId, Failure> {
        let (texts, mut files) = laid_out(letter.text, letter.files);
        let mut rows = Some(letter.rows);
        let mut last = None;
        let count = texts.len().max(files.len().div_ceil(FILES)).max(1);
        for place in 0..count {
            let key = if place == 0 { letter.key.to_owned() } else { format!("{} {place}", letter.key) };
            let part = Letter {
                text: texts.get(place).map_or(CONTINUED, String::as_str),
                rows: if place + 1 == count { rows.take().unwrap_or_default() } else { Vec::new() },
                files: files.drain(..files.len().min(FILES)).collect(),
                calls: if place == 0 { letter.calls.clone() } else { nobody() },
                key: &key,
                replies_to: letter.replies_to.filter(|_| place == 0),
            };
            last = Some(self.post(channel, &part).await?);
        }
        last.ok_or_else(|| ChatError::never("nothing was to be said").into())
    }

    /// Edits a message; a thread that was archived meanwhile is opened again. What was allowed when the message was posted does
    /// not count for its edits, so whoever it calls is named once more.
    pub(super) async fn edit(
        &self,
        (channel, message): (ChannelId, MessageId),
        text: &str,
        rows: Option<Vec<CreateActionRow>>,
        calls: CreateAllowedMentions,
    ) -> Result<(), Failure> {
        let mut body = json!({"content": text, "allowed_mentions": calls});
        if let Some(rows) = rows {
            body["components"] = json!(rows);
        }
        let route = Route::ChannelMessage { channel_id: channel, message_id: message };
        match self.wire.tell(LightMethod::Patch, route, &body).await {
            Err(failure) if failure.code == Some(ARCHIVED) => {
                self.open_again(channel).await?;
                self.wire.tell(LightMethod::Patch, route, &body).await
            }
            other => other,
        }
    }

    async fn open_again(&self, thread: ChannelId) -> Result<(), Failure> {
        let open = json!({"archived": false});
        self.wire.tell(LightMethod::Patch, Route::Channel { channel_id: thread }, &open).await
    }
}

/// Mentions this role, where there is one, and nobody else, whatever the text says.
pub(super) fn role(role: Option<u64>) -> CreateAllowedMentions {
    role.map_or_else(nobody, |role| nobody().roles([RoleId::new(role)]))
}

/// What Discord is told of the files that come with a message.
pub(super) fn described(files: &[File]) -> Value {
    let described = |(place, file): (usize, &File)| json!({"id": place.to_string(), "filename": file.name, "description": file.alt});
    files.iter().enumerate().map(described).collect()
}

/// Whether it was the files that Discord did not take.
pub(super) fn takes_no_files(failure: &Failure) -> bool {
    matches!(failure.code, Some(MISSING_PERMISSION | TOO_LARGE))
}

/// What the texts among these files say, in messages; what is left out is told.
pub(super) fn in_place_of(files: &[File]) -> Vec<String> {
    let texts = files.iter().filter(|file| file.kind.starts_with("text/"));
    let mut parts: Vec<String> =
        texts.flat_map(|file| split::split(&String::from_utf8_lossy(&file.bytes), MESSAGE)).collect();
    if parts.len() > STAND_INS {
        let left_out = parts.len() - STAND_INS;
        parts.truncate(STAND_INS);
        parts.push(format!(
            "-# … {left_out} more messages of this text are left out; let the bot attach files here."
        ));
    }
    parts
}

/// The text as messages, and what goes with them as files.
pub(super) fn laid_out(text: &str, mut files: Vec<File>) -> (Vec<String>, Vec<File>) {
    let texts = split::split(text, MESSAGE);
    if texts.len() <= PARTS {
        return (texts, files);
    }
    let room = MESSAGE - ATTACHED.chars().count() - 1;
    let begins = split::split(text, room).into_iter().next().unwrap_or_default();
    files.extend(text_files("text", text));
    (vec![format!("{begins}\n{ATTACHED}")], files)
}

/// The text as Markdown files of this name, of a size that Discord takes.
pub(super) fn text_files(name: &str, text: &str) -> Vec<File> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(rest.floor_char_boundary(FILE));
        pieces.push(piece);
        rest = later;
    }
    let many = pieces.len() > 1;
    let file = |(place, piece): (usize, &str)| File {
        name: if many { format!("{name}-{}.md", place + 1) } else { format!("{name}.md") },
        alt: "The whole text of this message.".to_owned(),
        kind: "text/markdown; charset=utf-8",
        bytes: piece.as_bytes().to_vec(),
    };
    pieces.into_iter().enumerate().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_parts_are_messages_and_many_are_a_file() {
        let line = "a line of fifty characters, give or take a few now\n";
        let (texts, files) = laid_out(&line.repeat(100), Vec::new());
        assert_eq!((texts.len(), files.len()), (3, 0));
        let long = line.repeat(1000);
        let (texts, files) = laid_out(&long, Vec::new());
        assert!(texts.len() == 1 && texts[0].chars().count() <= MESSAGE && texts[0].ends_with(ATTACHED));
        assert_eq!(files[0].bytes, long.as_bytes(), "all of it is in the file");
    }

    #[test]
    fn a_text_larger_than_a_file_is_several_and_nothing_is_lost() {
        let text = "é".repeat(FILE / 2 + 10);
        let files = text_files("text", &text);
        assert_eq!(
            files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(),
            ["text-1.md", "text-2.md"]
        );
        assert!(files.iter().all(|file| file.bytes.len() <= FILE));
        assert_eq!(files.iter().flat_map(|file| file.bytes.clone()).collect::<Vec<_>>(), text.as_bytes());
    }

    #[test]
    fn what_stands_in_for_a_text_says_what_it_leaves_out() {
        let picture = File { name: "a.png".into(), alt: String::new(), kind: "image/png", bytes: vec![0x89] };
        let mut files = text_files("text", &"words ".repeat(1000));
        files.push(picture.clone());
        assert_eq!(in_place_of(&files).concat().matches("words").count(), 1000);
        let long = in_place_of(&text_files("text", &"words ".repeat(20_000)));
        assert_eq!(long.len(), STAND_INS + 1);
        assert!(long[STAND_INS].contains("more messages of this text are left out"), "{}", long[STAND_INS]);
        assert!(in_place_of(&[picture]).is_empty());
    }

    #[test]
    fn nobody_is_mentioned_but_the_role() {
        let said = |calls: CreateAllowedMentions| serde_json::to_value(calls).unwrap();
        assert_eq!(said(role(None))["parse"], json!([]));
        assert_eq!(
            (&said(role(Some(7)))["parse"], &said(role(Some(7)))["roles"]),
            (&json!([]), &json!(["7"]))
        );
    }
}
