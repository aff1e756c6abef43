//! Planted secrets and harmless look-alikes in the texts in which they come, and how the gate does on them.
//!
//! The data stands in `corpus/*.txt`: documents under a line `=== name`, in which `«…»` is what nobody may read afterwards and
//! `‹…›` is what must still be readable. A document marked `[crlf]` has the line ends of HTTP. All values are drawn at random.
//! `planted.txt` and `harmless.txt` were written before the rules (first run of the rules that were: 82 of 422 survived);
//! `held_out.txt` after them, for other carriers (first run: 8 of 85 survived, 12 of 105 look-alikes unreadable);
//! `held_out_2.txt` for tools and vendors that neither has (first run: 29 of 180 survived, 16 of 200 unreadable).

use std::collections::BTreeSet;

use super::{Gate, scan};

/// One document: what the gate reads, what must go, what must stay.
struct Document {
    name: &'static str,
    text: String,
    /// The secrets, a part for each line of them.
    gone: Vec<String>,
    kept: Vec<String>,
    /// The text without its secrets: what occurs there is no secret's.
    rest: String,
}

fn documents(corpus: &'static str) -> Vec<Document> {
    corpus
        .split("=== ")
        .filter(|section| !section.is_empty())
        .map(|section| {
            let (name, body) = section.split_once('\n').unwrap();
            let body = if name.ends_with("[crlf]") { body.replace('\n', "\r\n") } else { body.to_owned() };
            let between = |open: char, close: char| -> Vec<String> {
                let parts = body.split(open).skip(1);
                parts
                    .map(|part| part.split_once(close).unwrap().0.replace(['‹', '›', '«', '»'], ""))
                    .collect()
            };
            let lines =
                |secret: &String| secret.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
            let gone = between('«', '»').iter().flat_map(lines).filter(|line| line.len() > 2).collect();
            let rest = body
                .split('«')
                .map(|part| part.split_once('»').map_or(part, |(_, rest)| rest))
                .collect::<Vec<_>>()
                .join("\u{1f}")
                .replace(['‹', '›'], "");
            Document {
                name,
                text: body.replace(['«', '»', '‹', '›'], ""),
                gone,
                kept: between('‹', '›'),
                rest,
            }
        })
        .collect()
}

impl Document {
    /// Whether more of a secret is in the output than anybody should read: all of a short one, or half of a long one (twelve characters at most).
    fn survives(&self, secret: &str, output: &str) -> bool {
        let characters: Vec<char> = secret.chars().collect();
        let run = (characters.len() / 2).clamp(6, 12).min(characters.len());
        characters.windows(run).any(|window| {
            let window: String = window.iter().collect();
            output.contains(&window) && !self.rest.contains(&window)
        })
    }
}

/// How the gate did: `(secrets, survivors, look-alikes, unreadable)`. Survivors and unreadable are printed.
#[expect(clippy::print_stdout, reason = "what survived is for whoever mends the rules")]
fn measure(corpus: &'static str) -> (usize, usize, usize, usize) {
    let (mut secrets, mut look_alikes) = (0, 0);
    let (mut survivors, mut unreadable) = (BTreeSet::new(), BTreeSet::new());
    for document in documents(corpus) {
        secrets += document.gone.len();
        look_alikes += document.kept.len();
        let gate = Gate::new([7; 32]);
        for (door, output) in
            [("document", gate.document(&document.text)), ("text", gate.text(&document.text))]
        {
            for secret in &document.gone {
                if document.survives(secret, &output) {
                    println!("SURVIVES {door:<8} {}: {secret}", document.name);
                    survivors.insert((document.name, secret.clone()));
                }
            }
            for word in &document.kept {
                if !output.contains(word.as_str()) {
                    println!("HIDDEN   {door:<8} {}: {word}", document.name);
                    unreadable.insert((document.name, word.clone()));
                }
            }
            for leak in scan(&output) {
                println!(
                    "LEAKS    {door:<8} {}: {} {}",
                    document.name,
                    leak.kind,
                    &output[leak.start..leak.end]
                );
            }
        }
    }
    println!(
        "{} of {secrets} planted secrets survive, {} of {look_alikes} look-alikes are unreadable",
        survivors.len(),
        unreadable.len()
    );
    (secrets, survivors.len(), look_alikes, unreadable.len())
}

#[test]
fn no_planted_secret_survives_and_look_alikes_stay_readable() {
    let corpora = [include_str!("corpus/planted.txt"), include_str!("corpus/harmless.txt")];
    for (_, survivors, look_alikes, unreadable) in corpora.map(measure) {
        assert_eq!(survivors, 0);
        assert!(unreadable * 20 <= look_alikes);
    }
}

#[test]
fn texts_of_other_carriers_do_nearly_as_well() {
    let (secrets, survivors, look_alikes, unreadable) = measure(include_str!("corpus/held_out.txt"));
    assert!(survivors * 20 <= secrets, "{survivors}");
    assert!(unreadable * 10 <= look_alikes, "{unreadable}");
}

#[test]
fn tools_of_the_trade_and_vendors_do_as_well() {
    let (secrets, survivors, look_alikes, unreadable) = measure(include_str!("corpus/held_out_2.txt"));
    assert_eq!(survivors, 0, "of {secrets}");
    assert!(unreadable * 20 <= look_alikes, "{unreadable}");
}
