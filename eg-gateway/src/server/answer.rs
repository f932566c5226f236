//! The body of an answer: reports to its connection when the HTTP library has all of it, and keeps the memory that was
//! reserved for it until it is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use super::connections::Slot;
use crate::budget::Reservation;

/// The body of an answer, which belongs to a connection.
pub(super) struct Answer {
    body: Body,
    slot: Arc<Slot>,
    room: Option<Arc<Reservation>>,
}

impl Answer {
    /// Creates the body of an answer for which `room` is reserved.
    pub(super) fn new(body: Body, slot: Arc<Slot>, room: Option<Arc<Reservation>>) -> Self {
        Self { body, slot, room }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.slot.answered(self.room.take());
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
