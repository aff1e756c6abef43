//! Files that come with words: a long paste is one. A small text is read; everything else is left where it is, and said so.
//!
//! Only Discord's own hosts are asked, and at most so many bytes are read, whatever the message says of the size.

use std::time::Duration;

use serenity::all::Attachment;
use serenity_reqwest::Client;
use url::Url;

use super::Session;

/// Bytes of a file that counts as words: a failing request with its headers and a long body fits many times.
const MOST: u32 = 256 * 1024;
/// How long a file may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where Discord keeps files (Discord's documentation, reference, image formatting and attachments).
const HOSTS: [&str; 2] = ["cdn.discordapp.com", "media.discordapp.net"];

/// The words with the text of what is attached, when something is and it is meant.
///
/// # Errors
/// Why it cannot be taken, for whoever sent it.
pub(super) async fn with_text(
    session: &Session,
    words: String,
    files: &[Attachment],
    is_meant: bool,
) -> Result<String, String> {
    let Some(file) = files.first().filter(|_| is_meant) else { return Ok(words) };
    let kept = "The message stays in the thread.";
    let is_text = file.content_type.as_deref().is_none_or(|kind| {
        kind.starts_with("text/")
            || kind.starts_with("application/json")
            || kind.starts_with("application/xml")
    });
    if !is_text {
        return if words.is_empty() {
            Err(format!("Only a text file can be an answer, and this is something else. {kept}"))
        } else {
            Ok(words)
        };
    }
    if file.size > MOST {
        return Err(format!(
            "That file has {} KiB, and an answer takes {} KiB at most. Send the failing request alone: its lines, headers and \
             status. {kept}",
            file.size / 1024,
            MOST / 1024
        ));
    }
    let text = fetch(session, &file.url)
        .await
        .map_err(|why| format!("The file could not be read: {why}. {kept}"))?;
    Ok(if words.is_empty() { text } else { format!("{words}\n{text}") })
}

async fn fetch(session: &Session, url: &str) -> Result<String, String> {
    let url = Url::parse(url).map_err(|_| "its address makes no sense".to_owned())?;
    if !is_discords(&url, session.config.api_url.as_ref()) {
        return Err("it is not kept by Discord".to_owned());
    }
    let failed = |error: serenity_reqwest::Error| {
        // The address is signed: it is a secret for a day.
        tracing::warn!(error = %error.without_url(), "a file could not be fetched from Discord");
        "Discord did not give it".to_owned()
    };
    let client = Client::builder()
        .use_rustls_tls()
        .timeout(PATIENCE)
        .redirect(serenity_reqwest::redirect::Policy::none())
        .build()
        .map_err(failed)?;
    let mut answer = client
        .get(url)
        .send()
        .await
        .and_then(serenity_reqwest::Response::error_for_status)
        .map_err(failed)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST as usize {
            return Err("it is larger than it was said to be".to_owned());
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether Discord keeps files there, or the place that stands in for it.
fn is_discords(url: &Url, api: Option<&Url>) -> bool {
    let is_host = url.scheme() == "https" && url.host_str().is_some_and(|host| HOSTS.contains(&host));
    is_host || api.is_some_and(|api| api.origin() == url.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_discords_own_hosts_are_asked() {
        let url = |text: &str| Url::parse(text).unwrap();
        let api = url("http://127.0.0.1:4040");
        assert!(is_discords(&url("https://cdn.discordapp.com/attachments/1/2/message.txt?ex=1"), None));
        assert!(is_discords(&url("http://127.0.0.1:4040/attachments/1"), Some(&api)));
        for other in [
            "http://cdn.discordapp.com/x",
            "https://cdn.discordapp.com.evil.example/x",
            "http://169.254.169.254/",
        ] {
            assert!(!is_discords(&url(other), Some(&api)), "{other}");
        }
    }
}
