//! The Runtime and Extensions APIs by hand, for what no library says to them.
#![allow(dead_code, reason = "each example uses its part")]

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// An answer. Its head is in lower case.
pub(crate) struct Answer {
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Makes a call with a whole body.
pub(crate) fn call(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Answer, Failure> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    send(&format!("{method} {path} HTTP/1.1\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()))
}

/// Sends a request as it stands, apart from the headers that say where to and that it is the last one.
pub(crate) fn send(request: &str) -> Result<Answer, Failure> {
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API")?;
    let mut stream = TcpStream::connect(&address)?;
    let (line, rest) = request.split_once("\r\n").ok_or("a request has lines")?;
    write!(stream, "{line}\r\nhost: {address}\r\nconnection: close\r\n{rest}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer has a head")?;
    Ok(Answer { head: head.to_lowercase(), body: body.to_owned() })
}
