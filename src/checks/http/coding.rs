//! Content codings: what a client must undo before it can read a body (RFC 9110 §8.4). Pure, and bounded: a few bytes can stand for
//! gigabytes.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// What became of a body's coding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decoded {
    /// There was none.
    Plain,
    /// It is undone.
    Undone(Vec<u8>),
    /// What it stands for is longer than the bound; this is its start.
    Long(Vec<u8>),
    /// The body is not what its coding says.
    Broken,
    /// A coding that is not undone here, such as `br`: nothing can be said of the body.
    Unknown,
}

/// Undoes the codings of a body up to `most` bytes.
pub(super) fn decode(codings: &str, body: &[u8], most: usize) -> Decoded {
    let codings: Vec<String> = codings
        .split(',')
        .map(|it| it.trim().to_ascii_lowercase())
        .filter(|it| !it.is_empty() && it != "identity")
        .collect();
    // An empty body under a coding is what proxies make of answers without one.
    let [coding] = codings.as_slice() else {
        return if codings.is_empty() { Decoded::Plain } else { Decoded::Unknown };
    };
    if body.is_empty() {
        return Decoded::Plain;
    }
    match coding.as_str() {
        "gzip" | "x-gzip" => undo(MultiGzDecoder::new(body), most),
        // The standard means zlib's frame; some servers send the bare stream.
        "deflate" => match undo(ZlibDecoder::new(body), most) {
            Decoded::Broken => undo(DeflateDecoder::new(body), most),
            undone => undone,
        },
        _ => Decoded::Unknown,
    }
}

fn undo(decoder: impl Read, most: usize) -> Decoded {
    let mut body = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    match decoder.take(limit).read_to_end(&mut body) {
        Err(_) => Decoded::Broken,
        Ok(_) if body.len() > most => {
            body.truncate(most);
            Decoded::Long(body)
        }
        Ok(_) => Decoded::Undone(body),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn codings_are_undone() {
        let undone = Decoded::Undone(b"hello".to_vec());
        assert_eq!(decode("gzip", &gzip(b"hello"), 100), undone);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(b"hello").unwrap();
        assert_eq!(decode("deflate", &zlib.finish().unwrap(), 100), undone);
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        bare.write_all(b"hello").unwrap();
        assert_eq!(decode("Deflate", &bare.finish().unwrap(), 100), undone);
        assert_eq!(decode("identity", b"hello", 100), Decoded::Plain);
        assert_eq!(decode("", b"hello", 100), Decoded::Plain);
        assert_eq!(decode("br", b"hello", 100), Decoded::Unknown);
        assert_eq!(decode("gzip, gzip", b"hello", 100), Decoded::Unknown);
        assert_eq!(decode("gzip", b"", 100), Decoded::Plain);
    }

    #[test]
    fn what_is_no_gzip_is_broken() {
        assert_eq!(decode("gzip", b"hello", 100), Decoded::Broken);
        let half = gzip(b"hello hello hello");
        assert_eq!(decode("gzip", &half[..half.len() - 6], 100), Decoded::Broken);
    }

    #[test]
    fn a_bomb_goes_off_up_to_the_bound() {
        let bomb = gzip(&vec![0; 8 * 1024 * 1024]);
        assert!(bomb.len() < 16 * 1024);
        assert_eq!(decode("gzip", &bomb, 1000), Decoded::Long(vec![0; 1000]));
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(coding in "(gzip|deflate|br|.{0,9})", body in proptest::collection::vec(0u8.., 0..200)) {
            let _ = decode(&coding, &body, 64);
        }
    }
}
