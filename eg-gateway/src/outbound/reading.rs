//! Reads the bodies of responses: all of one, within the memory that is reserved for it, or only its beginning. Also tells
//! whether a call failed because the gateway itself lacked something.

use std::error::Error;
use std::io;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use rustix::io::Errno;

use super::SendError;
use crate::budget::Reservation;

/// The part of a response that is kept if nobody waits for it. It holds the error report of a function.
const EXCERPT: usize = 64 * 1024;

/// Memory for each byte of a response: the byte itself, and its copy in the answer for the emitter.
const COPIES: usize = 2;

/// How much of a response is kept.
#[derive(Clone, Copy)]
pub(crate) enum Reading<'a> {
    /// All of it. Its memory is added to the reservation as it arrives.
    All(&'a Reservation),
    /// Its beginning, which says why a call failed. The rest is read and dropped.
    Excerpt,
}

/// The gateway has no memory for a response.
#[derive(Debug, thiserror::Error)]
#[error("the gateway has no memory left for the reply")]
struct NoMemory;

impl Reading<'_> {
    /// Reads a body of at most `limit` bytes.
    pub(super) async fn read(self, body: Incoming, limit: usize) -> Result<Bytes, SendError> {
        let mut reserved = 0;
        let read = self.collect(Limited::new(body, limit), &mut reserved).await;
        if let (Self::All(room), Err(_)) = (self, &read) {
            room.shrink(reserved);
        }
        read
    }

    async fn collect(self, mut body: Limited<Incoming>, reserved: &mut usize) -> Result<Bytes, SendError> {
        let (mut first, mut all) = (Bytes::new(), BytesMut::new());
        while !body.is_end_stream() {
            let Some(frame) = body.frame().await else { break };
            let Ok(mut data) = frame?.into_data() else { continue };
            match self {
                Self::All(room) => *reserved += reserve(room, data.len())?,
                Self::Excerpt => data.truncate(EXCERPT.saturating_sub(first.len() + all.len())),
            }
            // Most responses arrive in one piece, which need not be copied.
            if first.is_empty() && all.is_empty() {
                first = data;
                continue;
            }
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
        Ok(if all.is_empty() { first } else { all.freeze() })
    }
}

/// Adds the memory for some bytes of a response to a reservation. Returns how much that is.
pub(crate) fn reserve(room: &Reservation, bytes: usize) -> Result<usize, SendError> {
    room.grow(COPIES * bytes).map_err(|_| NoMemory)?;
    Ok(COPIES * bytes)
}

/// Returns whether a call failed because the gateway lacked file descriptors, ports or memory, which says nothing about
/// the function.
pub(crate) fn is_exhausted(error: &(dyn Error + 'static)) -> bool {
    const LACKING: [Errno; 5] =
        [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS, Errno::ADDRNOTAVAIL];
    let lacking =
        |error: &io::Error| Errno::from_io_error(error).is_some_and(|errno| LACKING.contains(&errno));
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<NoMemory>() || error.downcast_ref().is_some_and(lacking) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_gateway_lacks() {
        #[derive(Debug, thiserror::Error)]
        #[error("connect")]
        struct Connect(#[source] io::Error);
        for (errno, expected) in [
            (Errno::MFILE, true),
            (Errno::NFILE, true),
            (Errno::NOMEM, true),
            (Errno::ADDRNOTAVAIL, true),
            (Errno::CONNREFUSED, false),
            (Errno::TIMEDOUT, false),
        ] {
            assert_eq!(is_exhausted(&Connect(errno.into())), expected, "{errno}");
        }
        assert!(is_exhausted(&NoMemory));
        assert!(!is_exhausted(&io::Error::other("closed")));
    }
}
