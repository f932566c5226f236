//! Messages whose limits, or whose host, two readers could see differently (RFC 9112 §§ 2–7, RFC 9110 §§ 7 and 9), and as many
//! that only look unusual. The gateway refuses every one of the first, on both APIs, and reads nothing after it.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{PATIENCE, TestGateway};

/// The head of a POST request, up to the wrong header.
const POST: &str = "POST / HTTP/1.1\r\nHost: localhost\r\n";

/// The head of a POST request with chunks.
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";

/// What an attacker hides behind a message.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A class of messages: its name, what stands before each of them, and the messages.
type Class = (&'static str, &'static str, &'static [&'static str]);

const AMBIGUOUS: &[Class] = &[
    (
        "ends of lines",
        "",
        &[
            "GET / HTTP/1.1\nHost: localhost\n\n",
            "GET / HTTP/1.1\nHost: localhost\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: localhost\n\r\n",
            "GET / HTTP/1.1\r\nHost: localhost\r\n\n",
            "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\r\n\r\n",
            "GET /\r HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ],
    ),
    (
        "request lines",
        "",
        &[
            "GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET\t/\tHTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET /\r\nHost: localhost\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: localhost\r\n\r\n",
            "GET / http/1.1\r\nHost: localhost\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: localhost\r\n\r\n",
            "G(ET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ],
    ),
    (
        "names of headers",
        POST,
        &[
            "Content-Length : 3\r\n\r\nabc",
            "Content-Length\t: 3\r\n\r\nabc",
            "X: a\r\n b\r\n\r\n",
            "X: a\r\n\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Content Length: 3\r\n\r\nabc",
            "Content-Length\x0b: 3\r\n\r\nabc",
            "no colon\r\n\r\n",
            ": 3\r\n\r\n",
            "Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Content_Length: 3\r\n\r\nabc",
            "TransferEncoding: chunked\r\n\r\n0\r\n\r\n",
        ],
    ),
    (
        "Content-Length",
        POST,
        &[
            "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            "Content-Length: 3\r\ncontent-length: 4\r\n\r\nabc",
            "Content-Length: 3, 3\r\n\r\nabc",
            "Content-Length: +3\r\n\r\nabc",
            "Content-Length: -3\r\n\r\nabc",
            "Content-Length: 0x3\r\n\r\nabc",
            "Content-Length: 3 3\r\n\r\nabc",
            "Content-Length:\r\n\r\n",
            "Content-Length: 99999999999999999999\r\n\r\nabc",
        ],
    ),
    (
        "Transfer-Encoding",
        POST,
        &[
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: identity\r\n\r\n",
            "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        ],
    ),
    (
        "chunks",
        CHUNKED,
        &[
            "\r\nabc\r\n0\r\n\r\n",
            "+3\r\nabc\r\n0\r\n\r\n",
            "0x3\r\nabc\r\n0\r\n\r\n",
            "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
            "3\nabc\r\n0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
        ],
    ),
    (
        "bodies of methods without",
        "",
        &[
            "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
            "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "HEAD / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
            "HEAD / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ],
    ),
    (
        "hosts",
        "",
        &[
            "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: user@localhost\r\nConnection: close\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: localhost/path\r\nConnection: close\r\n\r\n",
            "GET http://other.localhost/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "GET http://localhost/ HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
        ],
    ),
];

const UNUSUAL: &[Class] = &[
    (
        "ends of lines",
        "",
        &[
            "\r\nGET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        ],
    ),
    (
        "request lines",
        "",
        &[
            "GET /a%2Fb%20c HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "GET /?a=b?c=/d HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "GET //a/../b;c=d HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "GET http://LOCALHOST:80/ HTTP/1.1\r\nHost: localhost:80\r\nConnection: close\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n",
            "PURGE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "get / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        ],
    ),
    (
        "headers",
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
        &[
            "X:a\r\n\r\n",
            "X: \t a \t \r\n\r\n",
            "X:\r\n\r\n",
            "X: größe\r\n\r\n",
            "!#$%&'*+-.^_`|~: a\r\n\r\n",
            "X_Under: a\r\n\r\n",
            "X: a\r\nX: b\r\n\r\n",
            "X: a, b\r\n\r\n",
            "X: \"a\\\"b\"\r\n\r\n",
            "X: a: b\r\n\r\n",
            "Transfer: chunked\r\n\r\n",
            "Encoding: chunked\r\n\r\n",
            "Content: 3\r\n\r\n",
            "Length: 3\r\n\r\n",
            "X-Transfer-Encoding: chunked\r\n\r\n",
            "X-Content-Length: 3\r\n\r\n",
            "Content-Length-Limit: 3\r\n\r\n",
            "TE: trailers\r\n\r\n",
            "Content-Length: 0\r\n\r\n",
            "Upgrade: h2c\r\n\r\n",
        ],
    ),
    (
        "Content-Length",
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
        &[
            "\r\n",
            "Content-Length: 0\r\n\r\n",
            "Content-Length:3\r\n\r\nabc",
            "Content-Length: \t3\t \r\n\r\nabc",
            "CONTENT-LENGTH: 3\r\n\r\nabc",
            "Content-Length: 003\r\n\r\nabc",
            "Content-Length: 3\r\n\r\n\n\r\n",
            "Content-Length: 5\r\n\r\n0\r\n\r\n",
            "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
        ],
    ),
    (
        "chunks",
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
        &[
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "transfer-encoding:Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "Transfer-Encoding: \tCHUNKED \r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n00003\r\nabc\r\n000\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0;c\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3\r\nabc\r\n0\r\nX: a\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n3\r\n\n\r\n\r\n0\r\n\r\n",
        ],
    ),
    (
        "bodies of other methods",
        "",
        &[
            "DELETE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
            "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
            "PATCH / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "REPORT / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
        ],
    ),
    (
        "hosts",
        "",
        &[
            "GET / HTTP/1.1\r\nhost:LocalHost:4000\r\nConnection: close\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: [::1]:4000\r\nConnection: close\r\n\r\n",
        ],
    ),
];

/// The messages of all classes, with their class.
fn messages(classes: &'static [Class]) -> impl Iterator<Item = (&'static str, String)> {
    let of = |(class, before, messages): &'static Class| {
        messages.iter().map(move |message| (*class, format!("{before}{message}")))
    };
    classes.iter().flat_map(of)
}

/// Sends bytes and returns the statuses of everything that comes back until the gateway closes the connection.
async fn statuses(url: &str, bytes: &str) -> Vec<String> {
    let port = url.rsplit(':').next().unwrap();
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
    // The gateway may close the connection before it has read everything.
    let _ = stream.write_all(bytes.as_bytes()).await;
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "{bytes:?}: the connection stays open");
    let answer = String::from_utf8_lossy(&answer);
    let lines = answer.lines().filter_map(|line| line.strip_prefix("HTTP/1.")?.split(' ').nth(1));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn ambiguous_messages_are_refused() {
    assert_eq!(messages(AMBIGUOUS).count(), 58);
    let gateway = TestGateway::start().await;
    for (class, message) in messages(AMBIGUOUS) {
        for url in [&gateway.api.events, &gateway.api.config] {
            let found = statuses(url, &format!("{message}{HIDDEN}")).await;
            // The Config API has no such path, and answers before it reads the body. Nothing follows there, either.
            let before_the_body = *class == *"chunks" && *url == gateway.api.config;
            let expected = if before_the_body { ["404"] } else { ["400"] };
            assert_eq!(found, expected, "{class}: {message:?}");
        }
    }
}

#[tokio::test]
async fn unusual_messages_are_served() {
    assert_eq!(messages(UNUSUAL).count(), 58);
    let gateway = TestGateway::start().await;
    for (class, message) in messages(UNUSUAL) {
        let mut found = statuses(&gateway.api.events, &message).await;
        found.retain(|status| status != "100");
        assert!(found.len() == 1 && found[0] != "400", "{class}: {message:?}: {found:?}");
    }
}

/// The client waits for the 100 before it sends the body.
#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let gateway = TestGateway::start().await;
    let head = format!("{POST}Content-Length: 99000000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n");
    assert_eq!(statuses(&gateway.api.events, &head).await, ["413"]);
    let head = head.replace("POST / ", "POST /v1/spaces/default/functions ");
    assert_eq!(statuses(&gateway.api.config, &head).await, ["413"]);
}
