//! A failing request as people paste it: a curl command, a HAR entry, a raw HTTP message or a log line.
