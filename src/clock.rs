//! The only place that reads the system clock; everything else takes `now`.
