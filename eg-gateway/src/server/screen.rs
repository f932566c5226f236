//! A connection that hides ambiguous requests from hyper; `framing` has the rules, the threat, and the condition for
//! removing both modules. It replaces the wrong byte by one that hyper answers with a 400, so that responses keep their
//! order.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::Framing;

/// A byte that is invalid in every line.
const WRONG: u8 = 0;

/// A connection whose incoming bytes are checked.
#[derive(Debug)]
pub(super) struct Screened<S> {
    stream: S,
    framing: Framing,
    /// Whether a request was refused. After that, nothing more is read.
    ended: bool,
}

impl<S> Screened<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, framing: Framing::default(), ended: false }
    }

    /// Returns the number of the head that has begun and is not complete.
    pub(super) fn open_head(&self) -> Option<u64> {
        self.framing.open_head()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Screened<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if let Err((clean, why)) = self.framing.look(&buffer.filled()[before..]) {
            tracing::debug!(%why, "refused a request");
            self.ended = true;
            let wrong = before + clean;
            buffer.filled_mut()[wrong] = WRONG;
            buffer.set_filled(wrong + 1);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Screened<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }
}
