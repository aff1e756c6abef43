//! The evidence pack: everything the next engineer needs; missing parts are named, never invented.
