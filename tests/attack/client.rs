//! Connections of the attackers. They come from another loopback address than everybody else, so the gateway takes them
//! for another client.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};

use crate::Result;

/// The attackers' address.
const SOURCE: [u8; 4] = [127, 0, 0, 2];

/// How many connections are opened at once.
const AT_ONCE: usize = 256;

/// Opens a connection.
pub(crate) async fn connect(to: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((SOURCE, 0)))?;
    Ok(timeout(Duration::from_secs(10), socket.connect(to)).await??)
}

/// Opens so many connections, and sends these bytes on each as far as the gateway takes them. Connections that the gateway
/// refuses are missing.
pub(crate) async fn crowd(to: SocketAddr, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    while crowd.len() < count {
        let wanted = AT_ONCE.min(count - crowd.len());
        let open = join_all((0..wanted).map(async |_| {
            let mut stream = connect(to).await?;
            // A gateway may stop reading, or close the connection.
            let _ = timeout(Duration::from_secs(1), stream.write_all(bytes)).await;
            Result::Ok(stream)
        }));
        let before = crowd.len();
        crowd.extend(open.await.into_iter().flatten());
        if crowd.len() == before {
            break;
        }
    }
    crowd
}

/// Returns how many of the connections the gateway closes within this time. What it answers is read and dropped.
pub(crate) async fn closed(crowd: Vec<TcpStream>, within: Duration) -> usize {
    read(crowd, within).await.into_iter().filter(|(_, closed)| *closed).count()
}

/// Reads from each connection for this time. Returns how many bytes came, and whether the gateway closed it.
pub(crate) async fn read(crowd: Vec<TcpStream>, within: Duration) -> Vec<(usize, bool)> {
    let until = Instant::now() + within;
    join_all(crowd.into_iter().map(async |mut stream| {
        let (mut buffer, mut all) = (vec![0; 64 * 1024], 0);
        let end = async {
            while let Ok(read) = stream.read(&mut buffer).await
                && read > 0
            {
                all += read;
            }
        };
        let closed = timeout_at(until, end).await.is_ok();
        (all, closed)
    }))
    .await
}

/// Sends a request on a connection of its own and returns the status.
pub(crate) async fn ask(to: SocketAddr, request: &[u8], within: Duration) -> Result<u16> {
    let exchange = async {
        let mut stream = connect(to).await?;
        stream.write_all(request).await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        Result::Ok(std::str::from_utf8(&answer[9..])?.parse()?)
    };
    timeout(within, exchange).await?
}

/// Returns a POST of this body.
pub(crate) fn post(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
