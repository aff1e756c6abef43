//! The slash commands: their definition, whether Discord's copy differs, and what somebody typed.
//!
//! What is typed is validated here again: Discord does not hold people to what it suggested while they typed.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use serenity::all::{
    CommandData, CommandOptionType, CreateCommand, CreateCommandOption, InteractionContext, ResolvedOption,
    ResolvedValue,
};

use crate::bucket::Bucket;
use crate::chat::{Start, Suggest};
use crate::incident::{IncidentId, Person, Said};
use crate::outcome::CheckKind;
use crate::permission::Verb;

mod descriptions;

/// What somebody typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// `/triage start`
    Start(Start),
    /// `/triage status`; without an incident it is the thread's own.
    Status(Option<IncidentId>),
    /// `/triage list`
    List,
    /// `/incident close`, `reopen`, …; without an incident it is the thread's own.
    Say(Option<IncidentId>, Said, Option<String>),
    /// `/incident evidence`
    Evidence(Option<IncidentId>),
    /// `/check`
    Check { check: CheckKind, target: String, with: BTreeMap<String, String>, share: bool },
    /// `/runbook list`, or `show` with a name.
    Runbooks(Option<String>),
}

impl Typed {
    /// What somebody must be allowed to do.
    pub(super) fn verb(&self) -> Verb {
        match self {
            Self::Start(_) => Verb::Start,
            Self::Status(_) | Self::List | Self::Evidence(_) | Self::Runbooks(_) => Verb::Read,
            Self::Say(..) => Verb::Manage,
            Self::Check { .. } => Verb::Check,
        }
    }

    /// Whether only the person who typed it reads the answer.
    pub(super) fn is_private(&self) -> bool {
        !matches!(self, Self::Start(_) | Self::Check { share: true, .. })
    }
}

fn sub(command: &str, name: &str) -> CreateCommandOption {
    let key = format!("{command} {name}");
    let mut option =
        CreateCommandOption::new(CommandOptionType::SubCommand, name, descriptions::english(&key));
    for (locale, text) in descriptions::localized(&key) {
        option = option.description_localized(locale, text);
    }
    option
}

fn text(name: &str, description: &str, most: u16) -> CreateCommandOption {
    CreateCommandOption::new(CommandOptionType::String, name, description).max_length(most)
}

fn incident() -> CreateCommandOption {
    text("incident", "Its id; without it, this thread's", 20).set_autocomplete(true)
}

fn reason() -> CreateCommandOption {
    text("reason", "Why, for the timeline", 500)
}

fn command(name: &str) -> CreateCommand {
    let mut command = CreateCommand::new(name)
        .description(descriptions::english(name))
        .contexts(vec![InteractionContext::Guild]);
    for (locale, text) in descriptions::localized(name) {
        command = command.description_localized(locale, text);
    }
    command
}

/// The definitions that are registered. What is compared must come back as it was sent.
pub(super) fn definitions() -> Vec<CreateCommand> {
    let status = CreateCommandOption::new(CommandOptionType::Integer, "status", "The HTTP status people see")
        .min_int_value(100)
        .max_int_value(599);
    let triage = command("triage")
        .add_option(
            sub("triage", "start")
                .add_sub_option(text("service", "The service that fails", 100).set_autocomplete(true))
                .add_sub_option(text("endpoint", "URL, path or host that fails", 500))
                .add_sub_option(status)
                .add_sub_option(text("title", "The problem in one line", 200)),
        )
        .add_option(sub("triage", "status").add_sub_option(incident()))
        .add_option(sub("triage", "list"));
    let mut bucket =
        CreateCommandOption::new(CommandOptionType::String, "bucket", "The boundary it really was")
            .required(true);
    for it in Bucket::ALL {
        bucket = bucket.add_string_choice(it.id(), it.id());
    }
    let span = text("for", "How long, such as 30m, 2h or 1d", 20).required(true).set_autocomplete(true);
    let to = CreateCommandOption::new(CommandOptionType::User, "to", "Whose it is now").required(true);
    let about = |name: &str| sub("incident", name);
    let closing = |option: CreateCommandOption| option.add_sub_option(incident()).add_sub_option(reason());
    let incidents = command("incident")
        .add_option(closing(about("close")))
        .add_option(closing(about("reopen")))
        .add_option(closing(about("reclassify").add_sub_option(bucket)))
        .add_option(closing(about("snooze").add_sub_option(span)))
        .add_option(closing(about("assign").add_sub_option(to)))
        .add_option(closing(about("file")))
        .add_option(about("evidence").add_sub_option(incident()));
    let mut kind =
        CreateCommandOption::new(CommandOptionType::String, "kind", "The kind of check").required(true);
    for it in CheckKind::ALL {
        kind = kind.add_string_choice(it.id(), it.id());
    }
    let share =
        CreateCommandOption::new(CommandOptionType::Boolean, "share", "Whether everybody here reads it");
    let check = command("check")
        .add_option(kind)
        .add_option(
            text("target", "A URL, host, host:port or vendor", 500).required(true).set_autocomplete(true),
        )
        .add_option(text("with", "Its keys, such as method=HEAD slow_after=2s", 1000))
        .add_option(share);
    let name = text("name", "A runbook or a cause", 100).required(true).set_autocomplete(true);
    let runbook = command("runbook")
        .add_option(sub("runbook", "list"))
        .add_option(sub("runbook", "show").add_sub_option(name));
    vec![triage, incidents, check, runbook]
}

/// Whether the registered commands are exactly the wanted ones. Discord adds fields of its own; what we said must be there.
pub(super) fn is_registered(registered: &[Value], wanted: &[CreateCommand]) -> bool {
    let wanted: Vec<Value> = wanted.iter().filter_map(|command| serde_json::to_value(command).ok()).collect();
    registered.len() == wanted.len()
        && wanted.iter().all(|command| registered.iter().any(|known| says(known, command)))
}

/// Whether `known` says everything that `wanted` says; an absent field is the same as null, false or nothing.
fn says(known: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(fields) => fields.iter().all(|(name, value)| says(&known[name], value)),
        Value::Array(items) if items.is_empty() => known.as_array().is_none_or(Vec::is_empty),
        Value::Array(items) => known.as_array().is_some_and(|known| {
            known.len() == items.len() && known.iter().zip(items).all(|(known, wanted)| says(known, wanted))
        }),
        Value::Null => known.is_null(),
        Value::Bool(false) => known.is_null() || known == false,
        other => known == other,
    }
}

/// What somebody gave a command.
struct Given<'a>(&'a [ResolvedOption<'a>]);

impl Given<'_> {
    /// A text with something in it.
    fn text(&self, wanted: &str) -> Option<String> {
        let text = self.0.iter().find_map(|option| match option.value {
            ResolvedValue::String(text) if option.name == wanted => Some(text.trim().to_owned()),
            _ => None,
        });
        text.filter(|text| !text.is_empty())
    }

    fn needed(&self, wanted: &str) -> Result<String, String> {
        self.text(wanted).ok_or_else(|| format!("say `{wanted}` too"))
    }

    fn incident(&self) -> Result<Option<IncidentId>, String> {
        self.text("incident").map(|id| IncidentId::parse(&id).map_err(|error| error.to_string())).transpose()
    }

    fn person(&self) -> Option<Person> {
        self.0.iter().find_map(|option| match option.value {
            ResolvedValue::User(user, member) if option.name == "to" => {
                let nick = member.and_then(|member| member.nick.clone());
                let name = nick.or_else(|| user.global_name.clone()).unwrap_or_else(|| user.name.clone());
                Some(Person { name, mention: Some(user.id.to_string()) })
            }
            _ => None,
        })
    }

    fn start(&self) -> Result<Typed, String> {
        let status = self.0.iter().find_map(|option| match option.value {
            ResolvedValue::Integer(number) if option.name == "status" => Some(number),
            _ => None,
        });
        let status =
            status.map(u16::try_from).transpose().map_err(|_| "a status is from 100 to 599".to_owned())?;
        let start = Start {
            title: self.text("title"),
            service: self.text("service"),
            endpoint: self.text("endpoint"),
            status,
        };
        if start == Start::default() {
            return Err("say at least a service, an endpoint, a status or a title".to_owned());
        }
        Ok(Typed::Start(start))
    }

    fn check(&self) -> Result<Typed, String> {
        let kind = self.needed("kind")?;
        let check = kind.parse().map_err(|error: crate::outcome::UnknownCheck| error.to_string())?;
        let share = self
            .0
            .iter()
            .any(|option| option.name == "share" && matches!(option.value, ResolvedValue::Boolean(true)));
        let with = self.text("with").map(|text| keys(&text)).transpose()?.unwrap_or_default();
        Ok(Typed::Check { check, target: self.needed("target")?, with, share })
    }
}

/// `key=value` pairs between blanks; a value with blanks stands in double quotes, and so does the whole pair.
fn keys(text: &str) -> Result<BTreeMap<String, String>, String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for letter in text.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            blank if blank.is_whitespace() && !is_quoted => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    words.push(word);
    let pair = |word: String| match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{word}` is no `key=value`")),
    };
    words.into_iter().filter(|word| !word.is_empty()).map(pair).collect()
}

/// A span such as `30m`, `2h` or `1d`, from this moment on.
fn until(span: &str, at: Timestamp) -> Result<Timestamp, String> {
    let days = span.strip_suffix('d').and_then(|days| days.trim().parse::<i32>().ok());
    let span_of = days.map(|days| SignedDuration::from_hours(24 * i64::from(days)));
    let span_of = span_of.or_else(|| span.parse().ok());
    let until = span_of.and_then(|span| at.checked_add(span).ok());
    until.ok_or_else(|| format!("`{span}` is no span of time such as `30m`, `2h` or `1d`"))
}

/// Reads what somebody typed at this moment.
///
/// # Errors
/// What is wrong, for the person who typed it.
pub(super) fn read(data: &CommandData, at: Timestamp) -> Result<Typed, String> {
    let options = data.options();
    let (sub, given) = match options.first() {
        Some(ResolvedOption { name, value: ResolvedValue::SubCommand(given), .. }) => {
            (*name, given.as_slice())
        }
        _ => ("", options.as_slice()),
    };
    let given = Given(given);
    let say = |said: Said| Ok(Typed::Say(given.incident()?, said, given.text("reason")));
    match (data.name.as_str(), sub) {
        ("triage", "start") => given.start(),
        ("triage", "status") => Ok(Typed::Status(given.incident()?)),
        ("triage", "list") => Ok(Typed::List),
        ("incident", "close") => say(Said::Close),
        ("incident", "reopen") => say(Said::Reopen),
        ("incident", "file") => say(Said::File),
        ("incident", "reclassify") => {
            let bucket = given.needed("bucket")?;
            say(Said::Reclassify(
                bucket.parse().map_err(|error: crate::bucket::UnknownBucket| error.to_string())?,
            ))
        }
        ("incident", "snooze") => say(Said::Snooze(until(&given.needed("for")?, at)?)),
        ("incident", "assign") => say(Said::Assign(given.person().ok_or("say `to` whom")?)),
        ("incident", "evidence") => Ok(Typed::Evidence(given.incident()?)),
        ("check", "") => given.check(),
        ("runbook", "list") => Ok(Typed::Runbooks(None)),
        ("runbook", "show") => Ok(Typed::Runbooks(Some(given.needed("name")?))),
        (name, sub) => {
            Err(format!("`/{}` is not known to this bot any more", format!("{name} {sub}").trim()))
        }
    }
}

/// What somebody is naming who types this option of this command; `None` when nothing can be suggested.
pub(super) fn suggests(data: &CommandData) -> Option<(Suggest, String)> {
    let focused = data.autocomplete()?;
    let options = data.options();
    let of = match options.first() {
        Some(ResolvedOption { name, value: ResolvedValue::SubCommand(_), .. }) => *name,
        _ => "",
    };
    let what = match (focused.name, of) {
        ("incident", "status" | "reopen" | "evidence" | "reclassify") => Suggest::Incidents,
        ("incident", _) => Suggest::OpenIncidents,
        ("service", _) => Suggest::Services,
        ("name", _) => Suggest::Runbooks,
        ("target", _) => {
            let kind = Given(&options).text("kind").and_then(|kind| kind.parse().ok());
            Suggest::Targets(kind)
        }
        _ => return None,
    };
    Some((what, focused.value.to_owned()))
}

/// The spans that are suggested for a snooze.
pub(super) const SPANS: [&str; 6] = ["30m", "1h", "4h", "12h", "1d", "7d"];

#[cfg(test)]
mod tests;
