//! One file per subcommand; wires settings, app and output together.
