//! A proxy for connections to a server. It counts what the server sends, and can lose a commit, the answer to it, or
//! everything.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use eg_tests::postgres::Postgres;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What it does with the next commit.
pub(super) const PASS: u8 = 0;
pub(super) const LOSE_THE_ANSWER: u8 = 1;
pub(super) const LOSE_THE_COMMIT: u8 = 2;

#[derive(Debug, Default)]
pub(super) struct Proxy {
    pub(super) next_commit: AtomicU8,
    /// The bytes that the server has sent.
    pub(super) sent: AtomicUsize,
    /// Whether it loses everything, as a network that is cut does.
    pub(super) is_cut: AtomicBool,
}

impl Proxy {
    /// Starts a proxy. Returns it with the URL of the database behind it.
    pub(super) async fn start(server: &Postgres, database: &str) -> (Arc<Self>, String) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (from, to) = (server.port, listener.local_addr().unwrap().port());
        let url = server.over_tcp(database).replace(&format!(":{from}/"), &format!(":{to}/"));
        let proxy = Arc::<Self>::default();
        let passing = Arc::clone(&proxy);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let passing = Arc::clone(&passing);
                tokio::spawn(async move { passing.pass(client, from).await });
            }
        });
        (proxy, url)
    }

    /// Passes on what both sides of a connection send, until the next commit is to be lost.
    async fn pass(&self, mut client: TcpStream, server: u16) {
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await.unwrap();
        let (mut sent, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
        loop {
            tokio::select! {
                read = client.read(&mut sent) => {
                    let chunk = &sent[..read.unwrap_or(0)];
                    if self.is_cut.load(Ordering::SeqCst) && !chunk.is_empty() {
                        continue;
                    }
                    let how =
                        if is_commit(chunk) { self.next_commit.swap(PASS, Ordering::SeqCst) } else { PASS };
                    if chunk.is_empty() || how == LOSE_THE_COMMIT || server.write_all(chunk).await.is_err() {
                        return;
                    }
                    if how == LOSE_THE_ANSWER {
                        // The server has committed once it says so.
                        let mut lost = Vec::new();
                        while !is_commit(&lost) {
                            match server.read(&mut answered).await {
                                Ok(read) if read > 0 => lost.extend_from_slice(&answered[..read]),
                                _ => return,
                            }
                        }
                        return;
                    }
                }
                read = server.read(&mut answered) => {
                    let chunk = &answered[..read.unwrap_or(0)];
                    self.sent.fetch_add(chunk.len(), Ordering::SeqCst);
                    if chunk.is_empty() || client.write_all(chunk).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Returns whether the messages contain a commit, or the answer to one.
fn is_commit(messages: &[u8]) -> bool {
    messages.windows(7).any(|bytes| bytes == b"COMMIT\0")
}
