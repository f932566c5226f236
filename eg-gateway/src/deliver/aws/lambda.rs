//! Calls functions of the `awslambda` provider through the Invoke API, with AWS's own client. `clients` provides the
//! client.

use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvokeWithResponseStreamResponseEvent as Event, LogType};
use bytes::Bytes;
use eg_sdk::TraceContext;
use eg_sdk::config::Aws;
use futures_util::stream;

use super::clients::{Clients, Shared, refused};
use crate::budget::Reservation;
use crate::decide::{delivery, trace};
use crate::deliver::streams::{self, Answered, broken_off, ended};
use crate::deliver::{CallError, PERMANENT_OF_LAMBDA};
use crate::recent::Notes;

/// Calls Lambda functions.
pub(super) struct LambdaCaller {
    clients: Clients<Client>,
    /// Maximum size of an answer in bytes.
    reply_limit: usize,
}

impl LambdaCaller {
    pub(super) fn new(shared: &Arc<Shared>, endpoint: Option<String>, reply_limit: usize) -> Self {
        Self { clients: Clients::new(shared, endpoint), reply_limit }
    }

    pub(super) async fn call(
        &self,
        arn: &str,
        aws: &Aws,
        event: Bytes,
        span: &TraceContext,
        notes: &Notes,
    ) -> Result<Bytes, CallError> {
        let client = self.clients.get(aws, Client::new).await;
        let invoke = client.invoke().function_name(arn).payload(Blob::new(event));
        let invoke = invoke.set_log_type(notes.are_kept().then_some(LogType::Tail));
        let x_ray = trace::x_ray(span);
        let invoke = invoke.customize().mutate_request(move |request| {
            request.headers_mut().insert("x-amzn-trace-id", x_ray.clone());
        });
        let output = invoke.send().await.map_err(|e| refused(&e, &PERMANENT_OF_LAMBDA))?;
        if let Some(log) = &output.log_result {
            notes.log(log);
        }
        let payload = output.payload.map(|payload| Bytes::from(payload.into_inner())).unwrap_or_default();
        match output.function_error {
            None => Ok(payload),
            Some(error) => Err(CallError::Failed(delivery::of_lambda_error(&error, &payload))),
        }
    }

    /// Invokes a function that may stream its answer. Returns the answer, or the beginning of a stream.
    pub(super) async fn converse(
        &self,
        arn: &str,
        aws: &Aws,
        event: Bytes,
        span: &TraceContext,
        (room, notes): (&Reservation, &Notes),
    ) -> Result<Answered, CallError> {
        let client = self.clients.get(aws, Client::new).await;
        let invoke = client
            .invoke_with_response_stream()
            .function_name(arn)
            .client_context(streams::CLIENT_CONTEXT.as_str())
            .set_log_type(notes.are_kept().then_some(LogType::Tail))
            .payload(Blob::new(event));
        let x_ray = trace::x_ray(span);
        let invoke = invoke.customize().mutate_request(move |request| {
            request.headers_mut().insert("x-amzn-trace-id", x_ray.clone());
        });
        let output = invoke.send().await.map_err(|e| refused(&e, &PERMANENT_OF_LAMBDA))?;
        let pieces =
            stream::try_unfold((output.event_stream, notes.clone()), |(mut events, notes)| async move {
                loop {
                    match events.recv().await.map_err(|e| refused(&e, &PERMANENT_OF_LAMBDA))? {
                        Some(Event::PayloadChunk(part)) => {
                            let part = part.payload.map(Blob::into_inner).unwrap_or_default();
                            return Ok(Some((Bytes::from(part), (events, notes))));
                        }
                        Some(Event::InvokeComplete(end)) => {
                            if let Some(log) = &end.log_result {
                                notes.log(log);
                            }
                            ended(end.error_code.as_deref(), end.error_details.as_deref())?;
                            return Ok(None);
                        }
                        // Later versions may have more kinds.
                        Some(_) => {}
                        None => return Err(broken_off()),
                    }
                }
            });
        streams::read(Box::pin(pieces), true, self.reply_limit, room).await
    }
}
