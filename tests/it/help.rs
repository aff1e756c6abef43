//! The help texts, as a newcomer reads them: a change to one of them is seen in review.

use std::process::Command;

fn help(command: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_firstcheck")).args(command).arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_help_of_the_program_and_of_each_command() {
    const COMMANDS: [&str; 11] = [
        "drill", "triage", "check", "replay", "explain", "evidence", "record", "redact", "runbook", "serve",
        "source",
    ];
    insta::assert_snapshot!("help", help(&[]));
    for command in COMMANDS {
        insta::assert_snapshot!(format!("help-{command}"), help(&[command]));
    }
}

#[test]
fn no_command_at_all_is_wrong_usage_with_the_help() {
    let output = Command::new(env!("CARGO_BIN_EXE_firstcheck")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("firstcheck drill"));
}
