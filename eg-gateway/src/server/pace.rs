//! A connection that ends when its client is too slow: when a request's head takes too long, or when the client does not
//! read an answer. `api` limits the time for bodies.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::connections::Slot;
use super::screen::Screened;
use crate::budget::{Budget, Holder, Reservation};

/// How long a client may take to send the head of a request, from its first byte.
pub(super) const HEAD: Duration = Duration::from_secs(10);

/// How long a client that does not read may keep the gateway waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// The rate at which reading regains that time, in bytes per second. A client that reads more slowly loses it.
const RATE: u64 = 1024;

/// The part of a head that is not counted; nearly all heads are shorter.
const SHORT: usize = 4 * 1024;

/// A connection with time limits.
pub(super) struct Paced<S> {
    stream: Screened<S>,
    slot: Arc<Slot>,
    memory: Budget,
    client: Holder,
    /// The head that is arriving.
    head: Option<Head>,
    reader: Reader,
    /// Ends the wait for the client. Made when the gateway waits for the first time.
    timer: Option<Pin<Box<Sleep>>>,
}

struct Head {
    number: u64,
    began: Instant,
    bytes: usize,
    /// The memory of a head that is not short.
    room: Option<Reservation>,
}

/// How much longer the gateway waits for a client that does not read.
#[derive(Debug)]
struct Reader {
    left: Duration,
    /// Since when the gateway waits.
    waiting: Option<Instant>,
}

impl Reader {
    /// Returns the time until which the gateway waits.
    fn limit(&mut self, now: Instant) -> Instant {
        *self.waiting.get_or_insert(now) + self.left
    }

    /// Returns whether the gateway has waited for the client.
    fn is_behind(&self) -> bool {
        self.waiting.is_some() || self.left < PATIENCE
    }

    /// Records that the client made room for some bytes.
    fn read(&mut self, bytes: usize, now: Instant) {
        let waited = self.waiting.take().map_or(Duration::ZERO, |since| now - since);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let regained = Duration::from_millis(bytes.saturating_mul(1000) / RATE);
        self.left = self.left.saturating_sub(waited).saturating_add(regained).min(PATIENCE);
    }
}

impl<S> Paced<S> {
    pub(super) fn new(stream: Screened<S>, slot: Arc<Slot>, memory: Budget, client: Holder) -> Self {
        let reader = Reader { left: PATIENCE, waiting: None };
        Self { stream, slot, memory, client, head: None, reader, timer: None }
    }

    /// Returns ready at `limit`.
    fn poll_limit(&mut self, limit: Instant, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(limit)));
        if timer.deadline() != limit {
            timer.as_mut().reset(limit);
        }
        timer.as_mut().poll(context)
    }

    /// Follows the head of a request, of which this many bytes have just arrived.
    fn follow(&mut self, bytes: usize) -> io::Result<()> {
        let number = self.stream.open_head();
        self.head = self.head.take().filter(|head| Some(head.number) == number);
        let Some(number) = number else { return Ok(()) };
        let new = || Head { number, began: Instant::now(), bytes: 0, room: None };
        let head = self.head.get_or_insert_with(new);
        head.bytes += bytes;
        if head.bytes > SHORT {
            let reserved = match &head.room {
                Some(room) => room.grow(bytes),
                None => self
                    .memory
                    .reserve([Some(self.client), None], head.bytes)
                    .map(|room| head.room = Some(room)),
            };
            reserved.map_err(|_| io::Error::other("no memory is left for the head of a request"))?;
        }
        Ok(())
    }

    /// Follows the answer that is being sent.
    fn wrote<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        match polled {
            Poll::Ready(Ok(done)) => {
                if self.reader.is_behind() {
                    self.reader.read(bytes(&done), Instant::now());
                }
                Poll::Ready(Ok(done))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let limit = self.reader.limit(Instant::now());
                ready!(self.poll_limit(limit, context));
                Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the client does not read the answer",
                )))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                // An error comes without bytes.
                let followed = self.follow(buffer.filled().len() - before);
                Poll::Ready(followed.inspect_err(|_| buffer.set_filled(before)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                // While a request is being served, the next one is not waited for.
                let began = self.head.as_ref().map(|head| head.began).filter(|_| self.slot.waits());
                let Some(began) = began else { return Poll::Pending };
                ready!(self.poll_limit(began + HEAD, context));
                let slow = io::Error::new(io::ErrorKind::TimedOut, "the head of a request takes too long");
                Poll::Ready(Err(slow))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(polled, |written| *written, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.slot.flushed();
        }
        self.wrote(polled, |()| 0, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.wrote(polled, |()| 0, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.wrote(polled, |written| *written, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;
    use crate::server::connections::Connections;

    /// A connection of a gateway with this much memory, and the client's end of it. The pipe holds 1 KiB.
    fn connection(memory: usize) -> (Paced<DuplexStream>, DuplexStream) {
        let (server, client) = tokio::io::duplex(1024);
        let address = std::net::IpAddr::from([10, 0, 0, 1]);
        let open = Connections::new(10).admit(address).unwrap();
        let (slot, holder) = (Arc::clone(open.slot()), Holder::client(address));
        (Paced::new(Screened::new(server), slot, Budget::new(memory), holder), client)
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_ten_seconds_from_its_first_byte() {
        let (mut server, mut client) = connection(1 << 20);
        let began = Instant::now();
        let send = async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            for byte in [b'G', b'E', b'T'] {
                client.write_all(&[byte]).await.unwrap();
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
            std::future::pending::<()>().await;
        };
        let mut read = Vec::new();
        let error = tokio::select! {
            read = server.read_to_end(&mut read) => read.unwrap_err(),
            () = send => unreachable!(),
        };
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, Duration::from_secs(40)));
        assert_eq!(read, b"GET");
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_head_is_not_waited_for_while_a_request_is_served() {
        let (mut server, mut client) = connection(1 << 20);
        client.write_all(b"GET / HTTP/1.1\r\n\r\nGET").await.unwrap();
        assert!(server.slot.requested());
        let mut buffer = [0; 64];
        assert_eq!(server.read(&mut buffer).await.unwrap(), 21);
        let more = tokio::time::timeout(Duration::from_secs(60), server.read(&mut buffer)).await;
        assert!(more.is_err(), "{more:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_head_takes_memory() {
        let (mut server, mut client) = connection(8 * 1024);
        // Somebody else has something, so this connection is not alone.
        let _other = server.memory.reserve([None, None], 1).unwrap();
        let head = format!("GET / HTTP/1.1\r\nLong: {}", "x".repeat(64 * 1024));
        let mut read = Vec::new();
        let error = tokio::select! {
            read = server.read_to_end(&mut read) => read.unwrap_err(),
            _ = client.write_all(head.as_bytes()) => unreachable!("the head is refused before its end"),
        };
        assert_eq!(error.to_string(), "no memory is left for the head of a request");
        assert!(read.len() <= 8 * 1024, "{}", read.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_must_read_its_answer() {
        for (pause, kept) in [(Duration::from_millis(900), true), (Duration::from_millis(1500), false)] {
            let (mut server, mut client) = connection(1 << 20);
            let read = async {
                let mut buffer = [0; 1024];
                for _ in 0..100 {
                    tokio::time::sleep(pause).await;
                    client.read_exact(&mut buffer).await?;
                }
                Ok::<_, io::Error>(())
            };
            let answer = vec![b'x'; 100 * 1024];
            let written = tokio::select! {
                written = server.write_all(&answer) => written.map_err(|error| error.kind()),
                read = read => { read.unwrap(); Ok(()) }
            };
            assert_eq!(written, if kept { Ok(()) } else { Err(io::ErrorKind::TimedOut) }, "{pause:?}");
        }
    }
}
