//! Calls the function of a synchronous subscription, and turns its reply into the answer for the emitter. `emission` carries
//! the rest of the request, and `decide::reply` reads the reply.

use std::convert::Infallible;
use std::pin::pin;

use axum::body::{Body, HttpBody as _};
use axum::http::{Method, header};
use axum::response::Response;
use bytes::Bytes;
use eg_sdk::config::{Function, Subscription};
use tokio_util::sync::CancellationToken;

use super::emission::Emission;
use super::errors::ApiError;
use super::{answer, streamed};
use crate::activity::{Activity, LOG_OF_CALLS};
use crate::budget::Holder;
use crate::clock;
use crate::decide::delivery::Failure;
use crate::decide::event::Event;
use crate::decide::reply;
use crate::decide::snapshot::Snapshot;
use crate::decide::system::Call;
use crate::deliver::CallError;
use crate::deliver::streams::Answered;
use crate::recent::{Ended, Notes, Trigger};

/// A synchronous call that brought no answer of the function.
struct FailedCall {
    /// The answer for the emitter, without details.
    error: ApiError,
    /// The details, for the operator.
    reason: String,
}

impl<E: Into<ApiError> + std::fmt::Display> From<E> for FailedCall {
    fn from(cause: E) -> Self {
        Self { reason: cause.to_string(), error: cause.into() }
    }
}

impl Emission {
    /// Calls the function of a synchronous subscription and turns its reply into the answer. `holder` is that function.
    pub(super) async fn ask(
        &self,
        snapshot: &Snapshot,
        subscription: &Subscription,
        holder: Holder,
        event: &Event,
    ) -> Result<Response, ApiError> {
        let (space, ty) = (&subscription.space, &subscription.event_type);
        self.app.metrics.sync_received(space, ty);
        let (method, path) = (self.parts.method.as_str(), self.parts.uri.path());
        self.app.feed.publish(|| Activity::Asked {
            event_id: event.id().to_owned(),
            event_type: ty.clone(),
            method: method.to_owned(),
            path: path.to_owned(),
            cause: event.cause().map(str::to_owned),
        });
        let function = &subscription.function_id;
        let under_way = self.app.recent.under_way(space, function);
        let notes = self.app.recent.notes();
        let answer = self.call(snapshot, subscription, holder, event, &notes).await;
        drop(under_way);
        self.app.metrics.sync_processed(space, ty);
        let status = answer.as_ref().map_or_else(|failed| failed.error.status(), Response::status);
        let duration = self.started.elapsed();
        let error = match &answer {
            Err(failed) => Some(failed.reason.clone()),
            Ok(_) => status.is_server_error().then(|| format!("answered {}", status.as_u16())),
        };
        let ended = Ended {
            space,
            function,
            trigger: Trigger::Request { event_type: ty, method, path },
            event: Some((event.id(), ty)),
            attempt: None,
            duration,
            status: Some(status.as_u16()),
            error: error.as_deref(),
        };
        self.app.recent.called(ended, &notes, clock::timestamp());
        self.app.feed.publish(|| Activity::Answered {
            event_id: event.id().to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            event_type: ty.clone(),
            function: Some(function.clone()),
            status: status.as_u16(),
            duration,
            reason: answer.as_ref().err().map(|failed| failed.reason.clone()),
        });
        answer.map_err(|failed| failed.error)
    }

    async fn call(
        &self,
        snapshot: &Snapshot,
        subscription: &Subscription,
        holder: Holder,
        event: &Event,
        notes: &Notes,
    ) -> Result<Response, FailedCall> {
        let id = &subscription.function_id;
        let function = snapshot.catalog.table::<Function>().get(&subscription.space, id);
        let function =
            function.ok_or_else(|| CallError::Failed(Failure::Retry(format!("no function \"{id}\""))))?;
        let outgoing = event.outgoing();
        let call = Call { space: &function.space, function: id, event: &outgoing };
        let place = self.app.calls.reserve([Some(holder), None], 1).map_err(|_| FailedCall {
            error: ApiError::no_call(id),
            reason: "too many calls wait".to_owned(),
        })?;
        let invocation = pin!(self.app.invoker.answer(function, &outgoing, &self.room, notes));
        let answered = self.app.system_events.around(call, invocation).await.inspect_err(|error| {
            tracing::warn!(target: LOG_OF_CALLS, function = id, %error, "function call failed");
        })?;
        let reply = reply::read(answered.as_ref()).inspect_err(|error| {
            tracing::warn!(target: LOG_OF_CALLS, function = id, %error, "the reply is not an HTTP response");
        })?;
        let body = match answered {
            Answered::Streamed(_, pieces) if !reply.is_bodiless() => {
                self.room.grow(streamed::MEMORY).map_err(|refused| FailedCall {
                    error: ApiError::no_memory(refused),
                    reason: "no memory is left for the stream".to_owned(),
                })?;
                let is_endless = streamed::is_endless(&reply.headers);
                let stop = if is_endless { self.app.stop.clone() } else { CancellationToken::new() };
                streamed::body(pieces, id, place, stop)
            }
            _ => {
                notes.answer(&reply.body);
                Body::from(reply.body)
            }
        };
        let mut response = answer(reply.status, body);
        *response.headers_mut() = reply.headers;
        if self.parts.method == Method::HEAD && response.body().is_end_stream() {
            match reply.length {
                Some(length) => drop(response.headers_mut().insert(header::CONTENT_LENGTH, length.into())),
                // The length of the answer to GET is unknown, so this body has none.
                None => {
                    *response.body_mut() =
                        Body::from_stream(futures_util::stream::empty::<Result<Bytes, Infallible>>());
                }
            }
        }
        Ok(response)
    }
}
