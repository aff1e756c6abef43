//! Arguments to a command to an exit status; nothing here is worth testing.
fn main() {}
