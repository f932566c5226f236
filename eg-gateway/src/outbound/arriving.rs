//! The body of a response that is still arriving. It drives its connection while it is read, and gives the connection back
//! when the body has ended. `deliver` interprets what arrives.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body as _, Incoming};

use super::{Connection, Pool, SendError, drive};

/// A body and the connection that it arrives over. Dropping it before its end closes the connection.
pub(crate) struct Arriving {
    body: Incoming,
    /// `None` once the body has ended or failed.
    connection: Option<Connection>,
    pool: Arc<Pool>,
}

impl Arriving {
    pub(super) fn new(body: Incoming, connection: Connection, pool: Arc<Pool>) -> Self {
        Self { body, connection: Some(connection), pool }
    }
}

impl Stream for Arriving {
    type Item = Result<Bytes, SendError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // The second time, the driver reads what the body has just asked for.
        for _ in 0..2 {
            let Some(connection) = &mut this.connection else { return Poll::Ready(None) };
            drive(&mut connection.driver, context);
            while let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
                match frame {
                    Some(Ok(frame)) => {
                        // Nobody knows trailers here.
                        if let Ok(data) = frame.into_data() {
                            return Poll::Ready(Some(Ok(data)));
                        }
                    }
                    Some(Err(error)) => {
                        this.connection = None;
                        return Poll::Ready(Some(Err(error.into())));
                    }
                    None => {
                        if let Some(connection) = this.connection.take() {
                            this.pool.keep(connection);
                        }
                        return Poll::Ready(None);
                    }
                }
            }
        }
        Poll::Pending
    }
}
