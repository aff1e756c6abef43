//! Hostile HTTP/2: frames by hand behind a good TLS handshake.

use firstcheck::outcome::CheckKind;

use super::server::Server;
use super::trial::{IDENTITY, Row, Trial, row};

/// A frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_HEADERS: u8 = 4;

/// `:status: 200`, indexed (RFC 7541 appendix A).
const OK: &[u8] = &[0x88];

/// No answer came of it, or one that broke.
const NO_ANSWER: &[&str] = &["timeout", "reset", "bad_body"];

/// Says the settings and these frames, and then those again and again; nothing again is an end.
fn speaks(name: &'static str, first: Vec<u8>, again: Vec<u8>, expected: &'static [&'static str]) -> Row {
    row(name, async move {
        let server = Server::behind_tls(&IDENTITY, &["h2"], move |mut connection| {
            let (first, again) = (first.clone(), again.clone());
            async move {
                // Settings, window and the request: a client that has said nothing waits for us.
                let mut read = Vec::new();
                if !connection.hears(&mut read).await || !connection.say(&frame(SETTINGS, 0, 0, &[])).await {
                    return;
                }
                while !read.windows(9).any(|it| it[3] == HEADERS && it[5..] == [0, 0, 0, 1]) {
                    if !connection.hears(&mut read).await {
                        return;
                    }
                }
                if !connection.say(&first).await {
                    return;
                }
                if again.is_empty() {
                    connection.leave().await;
                } else {
                    connection.flood(&again).await;
                }
            }
        });
        Trial::new(CheckKind::Http, server.secure_url("/")).ends(expected).await?;
        server.was_left_in_time()
    })
}

pub(super) fn rows() -> Vec<Row> {
    let answered = frame(HEADERS, END_HEADERS, 1, OK);
    let long_header = [&[0x00, 0x01, b'a', 0x7f, 0x81, 0x7e], vec![b'b'; 16_000].as_slice()].concat();
    // A header of 4000 bytes goes into the dynamic table, and is then named by one byte each time.
    let bomb = [&[0x40, 0x01, b'a', 0x7f, 0xa1, 0x1e], vec![b'c'; 4000].as_slice(), &[0xbe; 8000]].concat();
    vec![
        speaks("SETTINGS without an end", Vec::new(), frame(SETTINGS, 0, 0, &[]), NO_ANSWER),
        speaks(
            "SETTINGS of 2000 values without an end",
            Vec::new(),
            frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255].repeat(2000)),
            NO_ANSWER,
        ),
        speaks("PING without an end", Vec::new(), frame(PING, 0, 0, &[7; 8]), NO_ANSWER),
        speaks(
            "empty CONTINUATION without an end",
            frame(HEADERS, 0, 1, OK),
            frame(CONTINUATION, 0, 1, &[]),
            NO_ANSWER,
        ),
        speaks(
            "CONTINUATION of 16 KB without an end",
            frame(HEADERS, 0, 1, OK),
            frame(CONTINUATION, 0, 1, &long_header),
            NO_ANSWER,
        ),
        speaks(
            "a header list that one byte repeats",
            frame(HEADERS, END_HEADERS, 1, &[OK, &bomb].concat()),
            Vec::new(),
            &["reset", "bad_body", "timeout", "ok"],
        ),
        speaks("GOAWAY at once", frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0]), Vec::new(), &["reset"]),
        speaks(
            "GOAWAY of 16 KB of words without an end",
            Vec::new(),
            frame(GOAWAY, 0, 0, &[0x1b; 16_000]),
            &["reset", "timeout"],
        ),
        speaks("RST_STREAM at once", frame(RST_STREAM, 0, 1, &[0, 0, 0, 7]), Vec::new(), &["reset"]),
        speaks(
            "RST_STREAM of other streams without an end",
            Vec::new(),
            frame(RST_STREAM, 0, 3, &[0, 0, 0, 8]),
            NO_ANSWER,
        ),
        speaks(
            "WINDOW_UPDATE that overflows",
            frame(WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255]).repeat(2),
            Vec::new(),
            NO_ANSWER,
        ),
        speaks(
            "WINDOW_UPDATE of zero without an end",
            Vec::new(),
            frame(WINDOW_UPDATE, 0, 1, &[0; 4]),
            NO_ANSWER,
        ),
        speaks(
            "PUSH_PROMISE without an end",
            Vec::new(),
            frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82]),
            NO_ANSWER,
        ),
        speaks(
            "interim answers without an end",
            Vec::new(),
            frame(HEADERS, END_HEADERS, 1, &[0x08, 0x03, b'1', b'0', b'3']),
            NO_ANSWER,
        ),
        speaks("empty DATA without an end", answered.clone(), frame(DATA, 0, 1, &[]), NO_ANSWER),
        speaks(
            "DATA without an end and beyond the window",
            answered.clone(),
            frame(DATA, 0, 1, &[b'a'; 16_000]),
            &["ok", "reset"],
        ),
        speaks(
            "DATA of padding alone without an end",
            answered,
            frame(DATA, 8, 1, &[&[255], [0; 255].as_slice()].concat()),
            &["ok", "reset", "timeout"],
        ),
        speaks("DATA before a head", frame(DATA, 0, 1, b"hello"), Vec::new(), NO_ANSWER),
        speaks("a frame of 16 MB", [255, 255, 255, DATA, 0, 0, 0, 0, 1].to_vec(), vec![0; 16_000], NO_ANSWER),
        speaks("a head without a status", frame(HEADERS, END_HEADERS | 1, 1, &[0x82]), Vec::new(), NO_ANSWER),
        speaks(
            "a head that is no HPACK",
            frame(HEADERS, END_HEADERS | 1, 1, &[0xff; 200]),
            Vec::new(),
            NO_ANSWER,
        ),
        speaks(
            "frames of unknown kinds without an end",
            Vec::new(),
            frame(0xfa, 0xff, 0, &[1; 1000]),
            NO_ANSWER,
        ),
        speaks("garbage", (0..=255).collect(), Vec::new(), NO_ANSWER),
        speaks(
            "HTTP/1.1 where HTTP/2 was agreed",
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
            Vec::new(),
            NO_ANSWER,
        ),
        speaks("nothing but the settings", Vec::new(), Vec::new(), &["reset", "timeout"]),
    ]
}
