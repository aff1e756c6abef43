//! Arguments to a command to an exit status; nothing here is worth testing.

use std::process::ExitCode;

fn main() -> ExitCode {
    firstcheck::commands::main()
}
