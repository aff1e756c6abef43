//! Kills, full disks and locks: what was accepted stays, nothing happens twice, and what cannot be done is said.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::programs::{Program, ask, send};
use crate::worlds::Folder;

/// How often the bot is killed in [`kills_at_any_moment_lose_nothing_and_repeat_nothing`].
const KILLS: usize = 60;

fn firstcheck(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_firstcheck")).args(arguments).current_dir(folder).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn configured(word: &str, more: &str) -> Folder {
    let folder = Folder::new(word);
    let config = format!("listen: 127.0.0.1:0\negress: {{allow: [loopback]}}\n{more}");
    std::fs::write(folder.0.join("firstcheck.yaml"), config).unwrap();
    folder
}

fn alert(service: &str) -> String {
    json!({"title": "503s", "service": service, "endpoint": "http://127.0.0.1:1/", "fingerprint": service})
        .to_string()
}

/// The incident a delivery was accepted into; nothing when it was not accepted.
fn accepted(at: SocketAddr, service: &str) -> Option<String> {
    let (head, body) = send(at, "POST", "/alerts/generic", &alert(service))?;
    head.contains(" 202 ").then(|| {
        let body: Value = serde_json::from_str(&body).unwrap();
        body["incidents"][0]["id"].as_str().unwrap().to_owned()
    })
}

#[test]
#[ignore = "needs a minute"]
fn kills_at_any_moment_lose_nothing_and_repeat_nothing() {
    let folder = configured("kills", "");
    let kept: Mutex<BTreeSet<(String, String)>> = Mutex::default();
    for round in 0..KILLS {
        let (bot, at) = Program::serve(&folder.0);
        let bot = Mutex::new(Some(bot));
        let done = AtomicUsize::new(0);
        // The moment moves from "before anything" to "in the middle of the work on twenty incidents".
        let moment = (round * 7) % 21;
        std::thread::scope(|scope| {
            for sender in 0..4 {
                let (bot, done, kept) = (&bot, &done, &kept);
                scope.spawn(move || {
                    for number in 0..6 {
                        if done.load(Ordering::SeqCst) >= moment {
                            drop(bot.lock().unwrap().take());
                        }
                        // Some of them repeat what an earlier round sent.
                        let service = format!("service-{}-{sender}-{number}", round / 2);
                        if let Some(id) = accepted(at, &service) {
                            kept.lock().unwrap().insert((service, id));
                            done.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
    }
    let (bot, at) = Program::serve(&folder.0);
    let kept = kept.into_inner().unwrap();
    let services: BTreeSet<&String> = kept.iter().map(|(service, _)| service).collect();
    assert!(services.len() > KILLS, "only {} deliveries were accepted", services.len());
    assert_eq!(services.len(), kept.len(), "a service has two open incidents");
    for (service, id) in &kept {
        let document = ask(at, "GET", &format!("/api/incidents/{id}"), "");
        assert_eq!(document["alerts"].as_array().unwrap().len(), 1, "{service}: {document:#}");
        // The senders repeat themselves, the bot does not.
        let lines = document["timeline"].as_array().unwrap().iter().map(|it| it["what"].as_str().unwrap());
        let lines: Vec<&str> = lines.filter(|line| !line.starts_with("alert from")).collect();
        let distinct: BTreeSet<&&str> = lines.iter().collect();
        assert_eq!(lines.len(), distinct.len(), "{service} tells something twice: {lines:#?}");
    }
    assert!(bot.end("TERM"));
    let checked = firstcheck(&folder.0, &["store", "check", "--json"]);
    assert!(checked.status.success(), "{}", said(&checked));
}

/// A file system of two megabytes; needs root.
struct SmallDisk(Folder);

impl SmallDisk {
    fn new(options: &str) -> Self {
        let folder = Folder::new("disk");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&folder.0).status();
        assert!(mounted.unwrap().success(), "mounting needs root");
        Self(folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0.0).status().ok();
    }
}

#[test]
#[ignore = "needs root"]
fn a_full_disk_is_told_and_recovered_from_without_a_restart() {
    let disk = SmallDisk::new("size=2m");
    let folder = configured("full", &format!("store: {}\n", disk.0.0.join("bot.db").display()));
    let (bot, at) = Program::serve(&folder.0);
    let first = accepted(at, "before").unwrap();
    let filler = disk.0.0.join("filler");
    let full =
        Command::new("dd").args(["if=/dev/zero", "bs=4k"]).arg(format!("of={}", filler.display())).output();
    assert!(!full.unwrap().status.success(), "the disk takes everything");
    // What SQLite has in its log already may take a few more.
    let refused = (0..2000).find_map(|number| {
        let (head, _) = send(at, "POST", "/alerts/generic", &alert(&format!("s{number}"))).unwrap();
        (!head.contains(" 202 ")).then_some(head)
    });
    let refused = refused.expect("a full disk takes alerts").to_ascii_lowercase();
    assert!(refused.contains(" 503 ") && refused.contains("retry-after:"), "{refused}");
    let (head, _) = send(at, "GET", "/readyz", "").unwrap();
    assert!(head.contains(" 503 "), "{head}");
    assert_eq!(ask(at, "GET", "/healthz", "")["status"], "ok");
    assert_eq!(ask(at, "GET", &format!("/api/incidents/{first}"), "")["service"], "before");
    bot.says("full");
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(ask(at, "GET", "/readyz", "")["status"], "ready");
    assert!(accepted(at, "after").is_some());
    assert!(bot.end("TERM"));
}

#[test]
#[ignore = "needs root"]
fn a_read_only_disk_is_told_at_the_start() {
    let disk = SmallDisk::new("ro");
    let folder = configured("read-only", &format!("store: {}\n", disk.0.0.join("bot.db").display()));
    let output = firstcheck(&folder.0, &["serve"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(said(&output).to_lowercase().contains("read-only file system"), "{}", said(&output));
    let doctor = firstcheck(&folder.0, &["doctor"]);
    assert_eq!(doctor.status.code(), Some(1), "{}", said(&doctor));
    assert!(said(&doctor).contains("BROKEN store"), "{}", said(&doctor));
}

/// A file system of its own in a file; needs root and a loop device.
struct OwnDisk {
    folder: Folder,
    device: String,
}

impl OwnDisk {
    fn run(program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// `None` where there is no loop device to be had (in most containers).
    fn new() -> Option<Self> {
        let can = Command::new("losetup").arg("--find").output();
        if !can.is_ok_and(|it| it.status.success()) {
            return None;
        }
        let folder = Folder::new("own-disk");
        let image = folder.0.join("image");
        std::fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
        std::fs::create_dir(folder.0.join("disk")).unwrap();
        let image = image.to_str().unwrap();
        Self::run("mkfs.ext4", &["-q", image]);
        let device = Self::run("losetup", &["--find", "--show", image]);
        let disk = Self { folder, device };
        disk.mount();
        Some(disk)
    }

    fn at(&self) -> std::path::PathBuf {
        self.folder.0.join("disk")
    }

    fn mount(&self) {
        Self::run("mount", &["-o", "errors=remount-ro", &self.device, self.at().to_str().unwrap()]);
    }

    /// What the kernel does on an error of the disk: nothing more is written to it, by whoever has it open.
    fn turn_read_only(&self) {
        let name = self.device.rsplit('/').next().unwrap();
        std::fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1").unwrap();
    }

    /// What an operator does about it: nothing that the kernel has given up is written to again before it was looked through.
    fn mend(&self) {
        Self::run("umount", &[self.at().to_str().unwrap()]);
        let looked = Command::new("fsck.ext4").args(["-y", &self.device]).output().unwrap();
        assert!(looked.status.code().is_some_and(|code| code < 4), "{}", said(&looked));
        self.mount();
    }
}

impl Drop for OwnDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.at()).status().ok();
        Command::new("losetup").args(["--detach", &self.device]).status().ok();
    }
}

#[test]
#[ignore = "needs root and a loop device"]
fn a_disk_that_turns_read_only_is_told_and_loses_nothing_that_was_accepted() {
    let Some(disk) = OwnDisk::new() else {
        return eprintln!("not tried: this machine has no loop device");
    };
    let folder = configured("turned", &format!("store: {}\n", disk.at().join("bot.db").display()));
    let (bot, at) = Program::serve(&folder.0);
    let before = accepted(at, "before").unwrap();
    disk.turn_read_only();
    for number in 0..3 {
        let (head, body) = send(at, "POST", "/alerts/generic", &alert(&format!("s{number}"))).unwrap();
        let head = head.to_ascii_lowercase();
        assert!(head.contains(" 503 ") && head.contains("retry-after:"), "{head}\n{body}");
    }
    assert!(send(at, "GET", "/readyz", "").unwrap().0.contains(" 503 "), "it is not ready");
    assert_eq!(ask(at, "GET", "/healthz", "")["status"], "ok");
    assert_eq!(ask(at, "GET", &format!("/api/incidents/{before}"), "")["service"], "before", "it is read");
    bot.says("readonly");
    bot.end("TERM");

    disk.mend();
    let (bot, at) = Program::serve(&folder.0);
    assert_eq!(ask(at, "GET", "/readyz", "")["status"], "ready");
    assert_eq!(accepted(at, "before").as_ref(), Some(&before), "what was accepted is known");
    assert!(accepted(at, "s0").is_some());
    assert!(bot.end("TERM"));
    assert!(firstcheck(&folder.0, &["store", "check"]).status.success());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a minute"]
async fn a_locked_database_is_told_and_taken_up_again() {
    let folder = configured("locked", "");
    let (bot, at) = Program::serve(&folder.0);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.0.join("firstcheck.db"));
    let mut other = options.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let (head, _) = send(at, "POST", "/alerts/generic", &alert("locked")).unwrap();
    assert!(head.contains(" 503 "), "{head}");
    bot.says("locked");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    assert!(accepted(at, "locked").is_some());
}

#[test]
fn a_store_is_backed_up_while_the_bot_runs_and_restored_when_it_does_not() {
    let folder = configured("backup", "");
    let (bot, at) = Program::serve(&folder.0);
    let id = accepted(at, "shop").unwrap();
    let backup = firstcheck(&folder.0, &["store", "backup", "copy.db"]);
    assert!(backup.status.success(), "{}", said(&backup));
    assert_eq!(
        firstcheck(&folder.0, &["store", "backup", "copy.db"]).status.code(),
        Some(3),
        "no copy is overwritten"
    );
    let later = accepted(at, "mail").unwrap();
    let busy = firstcheck(&folder.0, &["store", "restore", "copy.db", "--replace"]);
    assert_eq!(busy.status.code(), Some(3));
    assert!(said(&busy).contains("in use by another firstcheck"), "{}", said(&busy));
    assert!(bot.end("TERM"));
    let careful = firstcheck(&folder.0, &["store", "restore", "copy.db"]);
    assert_eq!(careful.status.code(), Some(3));
    assert!(said(&careful).contains("--replace"), "{}", said(&careful));
    let restored = firstcheck(&folder.0, &["store", "restore", "copy.db", "--replace"]);
    assert!(restored.status.success(), "{}", said(&restored));
    let (_bot, at) = Program::serve(&folder.0);
    assert_eq!(ask(at, "GET", &format!("/api/incidents/{id}"), "")["service"], "shop");
    assert!(send(at, "GET", &format!("/api/incidents/{later}"), "").unwrap().0.contains(" 404 "));
}

#[test]
fn a_backup_under_load_holds_everything_that_was_accepted_before_it() {
    let folder = configured("backup-under-load", "");
    let (bot, at) = Program::serve(&folder.0);
    let before: Vec<String> =
        (0..20).map(|number| accepted(at, &format!("before-{number}")).unwrap()).collect();
    let copied = AtomicUsize::new(0);
    let backup = std::thread::scope(|scope| {
        for sender in 0..4 {
            let copied = &copied;
            scope.spawn(move || {
                for number in 0.. {
                    if copied.load(Ordering::SeqCst) > 0 {
                        break;
                    }
                    // New ones, and repeats of the ones before.
                    accepted(at, &format!("during-{sender}-{number}")).unwrap();
                    accepted(at, &format!("before-{}", number % 20)).unwrap();
                }
            });
        }
        let backup = firstcheck(&folder.0, &["store", "backup", "copy.db"]);
        copied.fetch_add(1, Ordering::SeqCst);
        backup
    });
    assert!(backup.status.success(), "{}", said(&backup));
    assert!(bot.end("TERM"));
    let sound = firstcheck(&folder.0, &["store", "check", "copy.db", "--json"]);
    assert!(sound.status.success(), "{}", said(&sound));
    assert!(firstcheck(&folder.0, &["store", "restore", "copy.db", "--replace"]).status.success());
    let (_bot, at) = Program::serve(&folder.0);
    for id in before {
        assert_eq!(ask(at, "GET", &format!("/api/incidents/{id}"), "")["id"], id.as_str());
    }
}

#[test]
fn damage_while_the_bot_runs_is_told_and_recovered_from_when_the_file_is_sound_again() {
    let folder = configured("damaged-at-work", "");
    let file = folder.0.join("firstcheck.db");
    let (bot, at) = Program::serve(&folder.0);
    for number in 0..20 {
        accepted(at, &format!("service-{number}")).unwrap();
    }
    assert!(bot.end("TERM"));
    // A copy is one file; what the bot leaves has its newest pages in the log beside it.
    assert!(firstcheck(&folder.0, &["store", "backup", "copy.db"]).status.success());
    assert!(firstcheck(&folder.0, &["store", "restore", "copy.db", "--replace"]).status.success());
    let sound = std::fs::read(&file).unwrap();
    let (bot, at) = Program::serve(&folder.0);
    assert_eq!(ask(at, "GET", "/readyz", "")["status"], "ready");
    // Everything but the first page, which says that it is a database: the tables' pages are nonsense now.
    let mut broken = sound.clone();
    broken[4096..].fill(0x5a);
    write_over(&file, &broken);
    let refused = (0..50).find_map(|number| {
        let (head, body) = send(at, "POST", "/alerts/generic", &alert(&format!("new-{number}"))).unwrap();
        (!head.contains(" 202 ")).then_some((head, body))
    });
    let (head, body) = refused.expect("a damaged database takes alerts");
    assert!(head.contains(" 503 "), "{head}\n{body}");
    bot.says("firstcheck store check");
    assert!(send(at, "GET", "/readyz", "").unwrap().0.contains(" 503 "), "it is not ready");
    assert_eq!(ask(at, "GET", "/healthz", "")["status"], "ok");
    write_over(&file, &sound);
    assert_eq!(ask(at, "GET", "/readyz", "")["status"], "ready");
    assert!(accepted(at, "after").is_some());
    assert!(bot.end("TERM"));
}

/// Puts these bytes into the file that the bot has open.
fn write_over(file: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    let mut open = std::fs::File::options().write(true).open(file).unwrap();
    open.write_all(bytes).unwrap();
    open.set_len(bytes.len() as u64).unwrap();
}

#[test]
fn damage_is_found_and_no_damaged_copy_is_restored() {
    let folder = configured("damage", "");
    let (bot, at) = Program::serve(&folder.0);
    for number in 0..20 {
        accepted(at, &format!("service-{number}")).unwrap();
    }
    assert!(bot.end("TERM"));
    let sound = firstcheck(&folder.0, &["store", "check", "--json"]);
    assert!(sound.status.success(), "{}", said(&sound));
    let document: Value = serde_json::from_slice(&sound.stdout).unwrap();
    assert_eq!((&document["incidents"], &document["damage"]), (&json!(20), &json!([])));
    assert!(firstcheck(&folder.0, &["store", "backup", "copy.db"]).status.success());
    let mut bytes = std::fs::read(folder.0.join("copy.db")).unwrap();
    let third = bytes.len() / 3;
    bytes[third..2 * third].fill(0x5a);
    std::fs::write(folder.0.join("broken.db"), bytes).unwrap();
    let damaged = firstcheck(&folder.0, &["store", "check", "broken.db"]);
    assert_eq!(damaged.status.code(), Some(1), "{}", said(&damaged));
    assert!(said(&damaged).contains("damaged: "), "{}", said(&damaged));
    let restored = firstcheck(&folder.0, &["store", "restore", "broken.db", "--replace"]);
    assert_eq!(restored.status.code(), Some(3), "{}", said(&restored));
    assert!(firstcheck(&folder.0, &["store", "check"]).status.success());
}

#[test]
fn a_store_is_looked_after_where_the_bots_other_secrets_are_not() {
    let sources = "sources:\n  grafana: {secret_env: NOT_SET_ANYWHERE}\n";
    let folder = configured("elsewhere", &format!("store: here.db\n{sources}"));
    let checked = firstcheck(&folder.0, &["store", "check"]);
    assert_eq!(checked.status.code(), Some(3), "{}", said(&checked));
    assert!(said(&checked).contains("here.db"), "{}", said(&checked));
    let folder = configured("elsewhere", &format!("store: {{url_env: NOT_SET_ANYWHERE}}\n{sources}"));
    let checked = firstcheck(&folder.0, &["store", "check"]);
    assert_eq!(checked.status.code(), Some(2), "{}", said(&checked));
    assert!(said(&checked).contains("firstcheck.yaml:3:9:"), "{}", said(&checked));
}

#[test]
fn the_doctor_tells_what_works_and_what_to_do_about_the_rest() {
    let folder = configured("doctor", "tracker: {folder: in-the-way}\nchecks: {resolvers: [127.0.0.1:1]}\n");
    std::fs::write(folder.0.join("in-the-way"), "a file where a folder should be").unwrap();
    let doctor = firstcheck(&folder.0, &["doctor", "--json"]);
    assert_eq!(doctor.status.code(), Some(1), "{}", said(&doctor));
    let document: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let state = |part: &str| {
        let found = document["findings"].as_array().unwrap().iter().find(|it| it["part"] == part);
        found.unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (state("store"), state("chat"), state("runbooks")),
        ("works".into(), "works".into(), "works".into())
    );
    assert_eq!((state("tracker"), state("resolvers")), ("broken".into(), "broken".into()));
    std::fs::remove_file(folder.0.join("in-the-way")).unwrap();
    std::fs::write(folder.0.join("firstcheck.yaml"), "listen: 127.0.0.1:0\n").unwrap();
    let well = firstcheck(&folder.0, &["doctor"]);
    assert!(well.status.success(), "{}", said(&well));
    assert!(said(&well).contains("takes a transaction"), "{}", said(&well));
    std::fs::write(folder.0.join("firstcheck.yaml"), "stoar: x\n").unwrap();
    assert_eq!(firstcheck(&folder.0, &["doctor"]).status.code(), Some(2));
}

#[test]
#[ignore = "needs prometheus"]
fn prometheus_reads_the_metrics_and_the_sample_rules() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/alerts/firstcheck.rules.yml");
    let checked = Command::new("promtool").args(["check", "rules", rules]).output().unwrap();
    assert!(checked.status.success(), "{}", said(&checked));
    let folder = configured("metrics", "");
    let (_bot, at) = Program::serve(&folder.0);
    let id = accepted(at, "shop").unwrap();
    ask(at, "POST", &format!("/api/incidents/{id}/resolve"), "{\"by\": \"test\"}");
    let (_, metrics) = send(at, "GET", "/metrics", "").unwrap();
    let file = folder.0.join("metrics.txt");
    std::fs::write(&file, &metrics).unwrap();
    let input = std::fs::File::open(&file).unwrap();
    let checked = Command::new("promtool").args(["check", "metrics"]).stdin(input).output().unwrap();
    assert!(checked.status.success(), "{}\n{metrics}", said(&checked));
    assert!(metrics.contains("firstcheck_mttr_seconds_count"), "{metrics}");
}
