//! Serves Lambda with AWS's own client of the Runtime API, the crate `lambda_runtime`, instead of `api`. Leaves payloads and
//! answers to the same functions; what differs is in the crate's documentation.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use futures_util::stream::poll_fn;
use http::{HeaderMap, HeaderName, HeaderValue};
use lambda_runtime::{
    Diagnostic, FunctionResponse, LambdaEvent, LambdaInvocation, MetadataPrelude, Runtime, SnapStartResource,
    StreamResponse, service_fn,
};
use serde_json::json;
use serde_json::value::RawValue;
use tower::Service as TowerService;
use tower::layer::layer_fn;

use super::hooks::{AfterAnswer, Hooks};
use super::{Answer, AskedToEnd, Handler, LambdaError, answer};
use crate::context::{CLIENT_CONTEXT, COGNITO_IDENTITY, INVOKED_FUNCTION_ARN, Invocation, TENANT_ID};
use crate::deadline::Deadline;
use crate::outcome::Failure;
use crate::stream::Streaming;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The parts of a streamed answer.
type Parts = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

/// Serves invocations until Lambda ends the process.
pub(super) async fn serve(handler: Handler, hooks: Hooks) -> Result<(), LambdaError> {
    let handler = Arc::new(handler);
    let handler = service_fn(move |event| handle(Arc::clone(&handler), event));
    let after_answer = hooks.after_answer.clone();
    let answering = layer_fn(move |inner| Answering { inner, after: after_answer.clone() });
    let snapshot = Arc::new(Snapshot(Mutex::new(hooks)));
    let runtime = Runtime::new(handler).layer(answering).register_snapstart_resource(snapshot);
    let mut asked_to_end = AskedToEnd::new();
    tokio::select! {
        () = asked_to_end.wait() => Ok(()),
        served = runtime.run_concurrent() => served.map_err(LambdaError::Aws),
    }
}

/// Answers an invocation.
async fn handle(
    handler: Arc<Handler>,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<FunctionResponse<Box<RawValue>, Parts>, Diagnostic> {
    let LambdaEvent { payload, context } = event;
    let deadline = Deadline::new(context.deadline, SystemTime::now(), Instant::now());
    let invocation = Arc::new(Invocation {
        headers: headers(&context),
        request_id: context.request_id,
        deadline,
        x_ray: context.xray_trace_id,
        ..Invocation::default()
    });
    match answer(&handler, payload.get().as_bytes(), &invocation).await {
        Ok(Answer::Whole(reply)) => {
            let reply =
                RawValue::from_string(reply).map_err(|error| diagnostic("Retry", error.to_string()))?;
            Ok(FunctionResponse::BufferedResponse(reply))
        }
        Ok(Answer::Stream(stream)) => Ok(FunctionResponse::StreamingResponse(streamed(stream))),
        Err(Failure { kind, message, .. }) => Err(diagnostic(kind.error_type(), message)),
    }
}

/// Returns the headers of the Runtime API that the client has read.
fn headers(context: &lambda_runtime::Context) -> HeaderMap {
    let client_context = context.client_context.as_ref().and_then(|value| serde_json::to_string(value).ok());
    let identity = context.identity.as_ref().map(|identity| {
        json!({ "cognitoIdentityId": identity.identity_id, "cognitoIdentityPoolId": identity.identity_pool_id }).to_string()
    });
    let values = [
        (INVOKED_FUNCTION_ARN, Some(context.invoked_function_arn.clone())),
        (TENANT_ID, context.tenant_id.clone()),
        (CLIENT_CONTEXT, client_context),
        (COGNITO_IDENTITY, identity),
    ];
    let header = |(name, value)| Some((HeaderName::from_static(name), HeaderValue::try_from(value?).ok()?));
    values.into_iter().filter_map(header).collect()
}

fn diagnostic(error_type: &str, error_message: String) -> Diagnostic {
    Diagnostic { error_type: error_type.to_owned(), error_message }
}

fn streamed(mut stream: Streaming) -> StreamResponse<Parts> {
    let (status_code, headers, cookies) = stream.take_head();
    let parts = poll_fn(move |context| stream.poll_part(context).map_err(|failure| failure.message.into()));
    StreamResponse {
        metadata_prelude: MetadataPrelude { status_code, headers, cookies },
        stream: Box::pin(parts),
    }
}

/// Runs the hooks around the snapshot.
struct Snapshot(Mutex<Hooks>);

impl Snapshot {
    /// Takes the hooks out. A lock must not be held while they run.
    fn take(&self) -> Hooks {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SnapStartResource for Snapshot {
    fn before_snapshot(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async {
            let mut hooks = self.take();
            let outcome = hooks.run_before_snapshot().await;
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = hooks;
            outcome.map_err(Into::into)
        })
    }

    fn after_restore(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async {
            let mut hooks = self.take();
            hooks.run_after_restore().await.map_err(Into::into)
        })
    }
}

/// Runs the hooks after an answer, which the inner service sends.
#[derive(Clone)]
struct Answering<S> {
    inner: S,
    after: AfterAnswer,
}

impl<S> TowerService<LambdaInvocation> for Answering<S>
where
    S: TowerService<LambdaInvocation, Response = (), Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<(), BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let deadline = Deadline::new(invocation.context.deadline, SystemTime::now(), Instant::now());
        let answered = self.inner.call(invocation);
        let after = self.after.clone();
        Box::pin(async move {
            let answered = answered.await;
            after.run(deadline).await;
            answered
        })
    }
}
