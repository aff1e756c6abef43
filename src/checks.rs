//! The table of checks: kind, keys, deadline, report.
