//! Determines where the requests on a connection begin and end, and refuses requests whose boundaries are ambiguous.
//! `screen` applies it to a connection, before hyper reads the bytes.
//!
//! # Threat
//! The gateway may be behind a proxy that checks requests: paths, keys, spaces. If proxy and gateway disagree about where a
//! request ends, a client can hide a second request in the body of the first, and the proxy does not check it (request
//! smuggling). So the gateway accepts only requests that all readers of RFC 9112 frame in the same way. This module reads
//! what frames a message and nothing else: line ends, methods that have no body, `Content-Length`, `Transfer-Encoding` and
//! chunk sizes.
//!
//! # When to remove it
//! hyper refuses most ambiguous requests itself. This module and `screen` can go when hyper also refuses
//! 1. lines that end with a bare line feed,
//! 2. `Content-Length` beside `Transfer-Encoding`,
//! 3. a `Transfer-Encoding` other than a single `chunked`,
//! 4. several `Content-Length` headers, even with equal values,
//! 5. a body with a method whose requests have none,
//! 6. names that some readers take for the two headers, such as `Transfer_Encoding`.
//!
//! hyper 1.12 accepts all six. The test `hyper_alone_accepts_these` fails as soon as it refuses one of them.

use memchr::memchr2;

/// Number of bytes kept of each line. A line that frames a message is never longer.
const SEEN: usize = 128;

/// The methods whose requests have no body.
const BODILESS: [&[u8]; 4] = [b"GET", b"HEAD", b"TRACE", b"CONNECT"];

/// Follows the bytes that a client sends.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    state: State,
    /// The beginning of the current line, without its line end.
    line: Vec<u8>,
    /// Whether the line is longer than `line`.
    cut: bool,
    /// The last byte was a carriage return.
    carriage_return: bool,
    head: Head,
    /// The number of complete heads.
    heads: u64,
}

/// The reason why a request is refused. The connection cannot be used afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ambiguous {
    #[error("a line ends with a bare line feed")]
    BareLineFeed,
    #[error("a line contains a carriage return")]
    BareCarriageReturn,
    #[error("a header has no valid name")]
    HeaderName,
    #[error("Content-Length is not a plain number, or is given more than once")]
    ContentLength,
    #[error("Transfer-Encoding is not exactly `chunked`")]
    TransferEncoding,
    #[error("Content-Length and Transfer-Encoding are both given")]
    BothLengths,
    #[error("a request with this method has no body")]
    Body,
    #[error("a chunk has no valid size")]
    ChunkSize,
    #[error("a chunk is longer than its size")]
    ChunkEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Before a request line; empty lines may come first.
    #[default]
    Start,
    Headers,
    /// In a body, with the number of bytes left.
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
}

/// What the current head says about the body.
#[derive(Debug, Default)]
struct Head {
    http_1_0: bool,
    /// Whether requests with this method have no body (RFC 9110 §9.3). Some readers do not look for one.
    bodiless: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    /// Reads the next bytes. An error comes with the number of bytes before the wrong one.
    pub(crate) fn look(&mut self, bytes: &[u8]) -> Result<(), (usize, Ambiguous)> {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Body(left) | State::Chunk(left) => {
                    let there = u64::try_from(bytes.len() - at).unwrap_or(u64::MAX);
                    let taken = left.min(there);
                    // `taken` is at most the length of `bytes`, which is a `usize`.
                    at += usize::try_from(taken).unwrap_or(usize::MAX);
                    self.state = match (self.state, left - taken) {
                        (State::Body(_), 0) => State::Start,
                        (State::Body(_), left) => State::Body(left),
                        (_, 0) => State::ChunkEnd,
                        (_, left) => State::Chunk(left),
                    };
                }
                _ => {
                    at += self.text(&bytes[at..]);
                    if let Some(byte) = bytes.get(at) {
                        self.byte(*byte).map_err(|wrong| (at, wrong))?;
                        at += 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads what comes before the end of the current line. Returns how many bytes that are.
    fn text(&mut self, bytes: &[u8]) -> usize {
        if self.carriage_return || self.state == State::ChunkEnd {
            return 0;
        }
        let length = memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
        let room = SEEN - self.line.len();
        self.line.extend_from_slice(&bytes[..length.min(room)]);
        self.cut |= length > room;
        length
    }

    /// Returns the number of the head that has begun and is not complete.
    pub(crate) fn open_head(&self) -> Option<u64> {
        let open = match self.state {
            State::Start => !self.line.is_empty() || self.carriage_return,
            State::Headers => true,
            _ => false,
        };
        open.then_some(self.heads)
    }

    /// Reads the next byte of a line: one that [`text`](Self::text) has not read.
    fn byte(&mut self, byte: u8) -> Result<(), Ambiguous> {
        match (self.carriage_return, byte) {
            (true, b'\n') => {
                self.carriage_return = false;
                let next = self.line_ended()?;
                self.line.clear();
                self.cut = false;
                self.state = next;
            }
            (true, _) => return Err(Ambiguous::BareCarriageReturn),
            (false, b'\n') => return Err(Ambiguous::BareLineFeed),
            (false, b'\r') => self.carriage_return = true,
            (false, _) if self.state == State::ChunkEnd => return Err(Ambiguous::ChunkEnd),
            // `text` has read the others.
            (false, _) => {}
        }
        Ok(())
    }

    /// Handles a complete line, and returns the next state.
    fn line_ended(&mut self) -> Result<State, Ambiguous> {
        match self.state {
            State::Start if self.line.is_empty() => Ok(State::Start),
            State::Start => {
                let method = self.line.split(|byte| *byte == b' ').next().unwrap_or_default();
                self.head = Head {
                    http_1_0: !self.cut && self.line.ends_with(b"HTTP/1.0"),
                    bodiless: BODILESS.contains(&method),
                    ..Head::default()
                };
                Ok(State::Headers)
            }
            State::Headers if self.line.is_empty() => {
                self.heads += 1;
                self.head.body()
            }
            State::Headers => {
                self.header()?;
                Ok(State::Headers)
            }
            State::ChunkSize => match chunk_size(&self.line).filter(|_| !self.cut) {
                Some(0) => Ok(State::Trailers),
                Some(size) => Ok(State::Chunk(size)),
                None => Err(Ambiguous::ChunkSize),
            },
            State::ChunkEnd => Ok(State::ChunkSize),
            State::Trailers if self.line.is_empty() => Ok(State::Start),
            // Bodies are not read by lines.
            State::Trailers | State::Body(_) | State::Chunk(_) => Ok(self.state),
        }
    }

    fn header(&mut self) -> Result<(), Ambiguous> {
        let colon = self.line.iter().position(|byte| *byte == b':').ok_or(Ambiguous::HeaderName)?;
        let (name, value) = (&self.line[..colon], self.line[colon + 1..].trim_ascii());
        // A name with a leading blank continues the line before; one with a trailing blank is ignored by some readers.
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(Ambiguous::HeaderName);
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = number(value, 10).filter(|_| !self.cut && self.head.length.is_none());
            self.head.length = Some(length.ok_or(Ambiguous::ContentLength)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let alone = !self.head.chunked && !self.head.http_1_0 && !self.cut;
            if !alone || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Ambiguous::TransferEncoding);
            }
            self.head.chunked = true;
        } else if resembles(name, b"contentlength") || resembles(name, b"transferencoding") {
            return Err(Ambiguous::HeaderName);
        }
        Ok(())
    }
}

impl Head {
    /// Returns the state after the head.
    fn body(&self) -> Result<State, Ambiguous> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Ambiguous::BothLengths),
            (Some(1..), false) | (None, true) if self.bodiless => Err(Ambiguous::Body),
            (None, true) => Ok(State::ChunkSize),
            (Some(0) | None, false) => Ok(State::Start),
            (Some(length), false) => Ok(State::Body(length)),
        }
    }
}

/// Returns the size in a line `<hex>[;extensions]`.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let size = line.split(|byte| *byte == b';').next()?;
    number(size.trim_ascii_end(), 16)
}

/// Returns the number that `text` consists of: digits only, and within 64 bits.
fn number(text: &[u8], radix: u32) -> Option<u64> {
    let digits = |byte: &u8| char::from(*byte).is_digit(radix);
    if text.is_empty() || !text.iter().all(digits) {
        return None;
    }
    // The check for digits also refuses `+`, which the parser accepts.
    u64::from_str_radix(std::str::from_utf8(text).ok()?, radix).ok()
}

/// Returns whether a name consists of these letters and of other characters that some readers drop or take for dashes.
fn resembles(name: &[u8], letters: &[u8]) -> bool {
    let mut rest = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    letters.iter().all(|letter| rest.next().is_some_and(|byte| byte.eq_ignore_ascii_case(letter)))
        && rest.next().is_none()
}

/// Whether a header's name may contain the byte (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use hyper::body::Incoming;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Whether the bytes end where a request may begin, or why they are refused. Reads `step` bytes at a time.
    fn framed(bytes: &[u8], step: usize) -> Result<bool, Ambiguous> {
        let mut framing = Framing::default();
        for part in bytes.chunks(step) {
            framing.look(part).map_err(|(_, wrong)| wrong)?;
        }
        Ok(framing.state == State::Start && framing.line.is_empty())
    }

    #[test]
    fn framings() {
        let head = |headers: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        let chunked = |body: &str| head("Transfer-Encoding: Chunked\r\n") + body;
        let long = "x".repeat(10 * SEEN);
        for (text, expected) in [
            (head(""), Ok(true)),
            ("\r\n\r\n".to_owned() + &head(""), Ok(true)),
            (head("") + &head(""), Ok(true)),
            (head(&format!("Long: {long}\r\n")), Ok(true)),
            ("GET / HTTP/1.1\r\nHost".to_owned(), Ok(false)),
            // A body may contain anything, and a new head follows it.
            (head("Content-Length: 4\r\n") + "\n\n\r!" + &head(""), Ok(true)),
            (head("content-length:4\r\n") + "\n\n\r", Ok(false)),
            (head("Content-Length: 4\r\n") + "1234\n", Err(Ambiguous::BareLineFeed)),
            (chunked("0\r\n\r\n") + &head(""), Ok(true)),
            (chunked("2\r\n\n\n\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"), Ok(true)),
            (chunked("2\r\nab\r\n"), Ok(false)),
            ("GET / HTTP/1.1\nHost: a\r\n\r\n".to_owned(), Err(Ambiguous::BareLineFeed)),
            (head("A: b\n"), Err(Ambiguous::BareLineFeed)),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n".to_owned(), Err(Ambiguous::BareLineFeed)),
            (head("A: b\rC: d\r\n"), Err(Ambiguous::BareCarriageReturn)),
            (head(&format!("A: {long}\nC: d\r\n")), Err(Ambiguous::BareLineFeed)),
            (head("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"), Err(Ambiguous::BothLengths)),
            (head("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), Err(Ambiguous::BothLengths)),
            (head("Transfer-Encoding: gzip, chunked\r\n"), Err(Ambiguous::TransferEncoding)),
            (head("Transfer-Encoding: identity\r\n"), Err(Ambiguous::TransferEncoding)),
            (
                head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
                Err(Ambiguous::TransferEncoding),
            ),
            (
                "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
                Err(Ambiguous::TransferEncoding),
            ),
            (head("Content-Length: 4\r\nContent-Length: 4\r\n"), Err(Ambiguous::ContentLength)),
            (head("Content-Length: 4, 4\r\n"), Err(Ambiguous::ContentLength)),
            (head("Content-Length: +4\r\n"), Err(Ambiguous::ContentLength)),
            (head("Content-Length: 0x4\r\n"), Err(Ambiguous::ContentLength)),
            (head("Content-Length:\r\n"), Err(Ambiguous::ContentLength)),
            (head("Content-Length: 99999999999999999999\r\n"), Err(Ambiguous::ContentLength)),
            (head(&format!("Content-Length: {}4\r\n", " ".repeat(SEEN))), Err(Ambiguous::ContentLength)),
            (head("Content-Length : 4\r\n"), Err(Ambiguous::HeaderName)),
            (head("A: b\r\n Transfer-Encoding: chunked\r\n"), Err(Ambiguous::HeaderName)),
            (head("no header\r\n"), Err(Ambiguous::HeaderName)),
            (chunked("\r\n"), Err(Ambiguous::ChunkSize)),
            (chunked("+2\r\nab\r\n"), Err(Ambiguous::ChunkSize)),
            (chunked(" 2\r\nab\r\n"), Err(Ambiguous::ChunkSize)),
            (chunked("2\nab\r\n"), Err(Ambiguous::BareLineFeed)),
            (chunked("fffffffffffffffff\r\n"), Err(Ambiguous::ChunkSize)),
            (chunked(&format!("2;{long}\r\n")), Err(Ambiguous::ChunkSize)),
            (chunked("2\r\nabc\r\n"), Err(Ambiguous::ChunkEnd)),
        ] {
            for step in [1, 7, usize::MAX] {
                assert_eq!(framed(text.as_bytes(), step), expected, "{text:?} by {step}");
            }
        }
    }

    /// Returns the status line of what hyper answers to these bytes without this module; its handler reads the body and
    /// answers 200.
    async fn hyper_alone(bytes: &str) -> String {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let service = service_fn(async |request: Request<Incoming>| {
            let body = request.into_body().collect().await;
            body.map(|_| Response::new(String::new()))
        });
        let connection =
            http1::Builder::new().half_close(true).serve_connection(TokioIo::new(server), service);
        let serve = tokio::spawn(connection);
        client.write_all(bytes.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        // A request that hyper refuses is an error of the connection.
        let _ = serve.await.unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }

    /// The reasons for this module. When hyper refuses one of them, take it off the list in the header; when none is left,
    /// remove the module.
    #[tokio::test]
    async fn hyper_alone_accepts_these() {
        let post =
            |headers: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}");
        let empty = "0\r\n\r\n";
        for (text, wrong) in [
            ("GET / HTTP/1.1\nHost: a\r\n\r\n".to_owned(), Ambiguous::BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n".to_owned(), Ambiguous::BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n".to_owned(), Ambiguous::BareLineFeed),
            (post("Content-Length: 5\r\nTransfer-Encoding: chunked", empty), Ambiguous::BothLengths),
            (post("Transfer-Encoding: chunked\r\nContent-Length: 5", empty), Ambiguous::BothLengths),
            (post("Transfer-Encoding: gzip, chunked", empty), Ambiguous::TransferEncoding),
            (
                post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", empty),
                Ambiguous::TransferEncoding,
            ),
            (post("Content-Length: 1\r\nContent-Length: 1", "1"), Ambiguous::ContentLength),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1".to_owned(), Ambiguous::Body),
            (post("Transfer_Encoding: chunked", ""), Ambiguous::HeaderName),
        ] {
            assert_eq!(framed(text.as_bytes(), usize::MAX), Err(wrong), "{text:?}");
            assert_eq!(hyper_alone(&text).await, "HTTP/1.1 200 OK", "hyper refuses {text:?} now");
        }
        for text in
            [post("Transfer-Encoding: xchunked", empty), post("Content-Length: 1\r\nContent-Length: 2", "1")]
        {
            assert_eq!(hyper_alone(&text).await, "HTTP/1.1 400 Bad Request", "{text:?}");
        }
    }
}
