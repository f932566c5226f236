//! Reads the bodies of requests. Memory is reserved as the bytes arrive, for as long as the request needs them, and a body
//! that arrives too slowly is refused.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::Extensions;
use axum::http::request::Parts;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use super::ApiState;
use super::errors::ApiError;
use crate::budget::{Holder, Reservation};
use crate::server::Peer;

/// How long a client may take to send a body of any length.
const ALL: Duration = Duration::from_secs(60);

/// How long a client may take before the rate counts.
const START: Duration = Duration::from_secs(10);

/// The rate at which a body must arrive after that, in bytes per second.
const RATE: u32 = 1024;

/// Memory of a request besides a body that is not small: its head, its task, its place in the queue.
const OVERHEAD: usize = 6 * 1024;

/// The length of a body that is part of that.
const SMALL: usize = 1024;

/// Memory for each byte of a body: the byte itself, and its copy in the event.
const COPIES: usize = 2;

/// The body of a request, and the memory that is reserved for it.
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) room: Reservation,
}

impl Received {
    /// Reads a body, for a client and a space if it is known.
    pub(super) async fn read(
        app: &ApiState,
        holders: [Option<Holder>; 2],
        mut body: Body,
    ) -> Result<Self, ApiError> {
        let limit = app.body_limit;
        let declared = body.size_hint().exact().map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        if declared.is_some_and(|size| size > limit) {
            return Err(ApiError::body_too_large(limit));
        }
        // A body that has no room now is refused before the client has sent it.
        let expected = declared.unwrap_or_default();
        if expected > SMALL {
            app.memory.check(holders, OVERHEAD + COPIES * expected).map_err(ApiError::no_memory)?;
        }
        let room = app.memory.reserve(holders, OVERHEAD).map_err(ApiError::no_memory)?;
        let (began, mut first, mut all) = (Instant::now(), Bytes::new(), BytesMut::new());
        while !body.is_end_stream() {
            // Most of a body has arrived already, and needs no timer.
            let frame = match body.frame().now_or_never() {
                Some(frame) => frame,
                None => {
                    let arrived = u32::try_from(first.len() + all.len()).unwrap_or(u32::MAX);
                    let allowed = (START + Duration::from_secs(1) * arrived / RATE).min(ALL);
                    let frame = timeout_at(began + allowed, body.frame()).await;
                    frame.map_err(|_| ApiError::body_too_slow(allowed))?
                }
            };
            let Some(frame) = frame else { break };
            let Ok(data) = frame.map_err(|error| ApiError::body_broken(&error))?.into_data() else {
                continue;
            };
            if first.len() + all.len() + data.len() > limit {
                return Err(ApiError::body_too_large(limit));
            }
            if first.len() + all.len() + data.len() > SMALL {
                room.grow(COPIES * data.len()).map_err(ApiError::no_memory)?;
            }
            // Most bodies arrive in one piece, which need not be copied.
            if first.is_empty() && all.is_empty() {
                first = data;
                continue;
            }
            if all.is_empty() {
                all.reserve(expected.max(first.len() + data.len()));
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
        let bytes = if all.is_empty() { first } else { all.freeze() };
        Ok(Self { bytes, room })
    }
}

impl Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads the body of a request to the Config API.
impl FromRequest<Arc<ApiState>> for Received {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<ApiState>) -> Result<Self, ApiError> {
        let client = client(request.extensions());
        Self::read(app, [Some(client), None], request.into_body()).await
    }
}

/// The client that sent a request.
pub(super) struct Client(pub(super) Holder);

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(client(&parts.extensions)))
    }
}

/// Returns the client that sent a request.
pub(super) fn client(extensions: &Extensions) -> Holder {
    let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    Holder::client(extensions.get::<Peer>().map_or(nobody, |peer| peer.0.ip()))
}
