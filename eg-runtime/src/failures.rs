//! The failures queue, which keeps what functions reject, so that Lambda does not call them with it again. Leaves to `dispatch`
//! what is rejected, to `payload` how a batch is taken apart, and calls of SQS to the SDK.

use std::fmt;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::context::Invocation;
use crate::log::in_millis;
use crate::outcome::Failure;
use crate::payload;
use eg_grammar::variable::FAILURES_QUEUE;

/// Sends a message to the queue. Returns the reason if it cannot.
type Send = Box<dyn Fn(String) -> BoxFuture<'static, Result<(), String>> + std::marker::Send + Sync>;

/// The failures queue.
pub(crate) struct Failures {
    name: String,
    send: Send,
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Failures").field(&self.name).finish()
    }
}

impl Failures {
    /// Returns the queue that the environment names, if it names one.
    ///
    /// # Errors
    /// If the queue cannot be used.
    #[cfg(feature = "eventbridge")]
    pub(crate) fn from_env() -> Result<Option<Self>, eg_sdk::Error> {
        let queue = eg_sdk::__private::Queue::from_env(FAILURES_QUEUE)?.map(std::sync::Arc::new);
        Ok(queue.map(|queue| Self {
            name: queue.name().to_owned(),
            send: Box::new(move |message| {
                let queue = queue.clone();
                Box::pin(
                    async move { queue.send(&message).await.map_err(|e| crate::Error::from(e).to_string()) },
                )
            }),
        }))
    }

    /// Returns none.
    ///
    /// # Errors
    /// If the environment names one: this program cannot sign calls of AWS.
    #[cfg(not(feature = "eventbridge"))]
    pub(crate) fn from_env() -> Result<Option<Self>, eg_sdk::Error> {
        match std::env::var(FAILURES_QUEUE).ok().filter(|url| !url.is_empty()) {
            None => Ok(None),
            Some(value) => Err(eg_sdk::Error::Setting {
                variable: FAILURES_QUEUE,
                value,
                reason: "this program was built without the feature `eventbridge` of eg-runtime; turn it on",
            }),
        }
    }

    #[cfg(test)]
    pub(crate) fn of_test(
        name: &str,
        send: impl Fn(String) -> Result<(), String> + std::marker::Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            send: Box::new(move |message| {
                let sent = send(message);
                Box::pin(async { sent })
            }),
        }
    }
}

/// What the functions of one invocation reject.
#[derive(Debug)]
pub(crate) struct Rejections<'a> {
    pub(crate) failures: Option<&'a Failures>,
    /// The payload of the invocation.
    pub(crate) payload: &'a str,
    pub(crate) invocation: &'a Invocation,
}

/// A message of the queue, in the format of the records that Lambda itself sends to an on-failure destination. Source: AWS's
/// description of destinations for asynchronous invocations.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    version: &'static str,
    timestamp: String,
    request_context: RequestContext<'a>,
    request_payload: Option<Box<RawValue>>,
    response_context: ResponseContext,
    response_payload: Report<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: &'a str,
    function_arn: &'a str,
    condition: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext {
    status_code: u16,
    function_error: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    error_type: &'static str,
    error_message: &'a str,
}

impl Rejections<'_> {
    /// Keeps what failed in the failures queue, if the failure is final: what is at the position `at` of the payload, or the whole
    /// payload.
    ///
    /// # Errors
    /// The failure, if it is not kept: it is not final, there is no queue, or the queue did not take it.
    pub(crate) async fn keep(&self, at: Option<usize>, mut failure: Failure) -> Result<(), Failure> {
        let Some(failures) = self.failures.filter(|_| failure.is_final()) else { return Err(failure) };
        let sent = async {
            let record = self.record(at, &failure)?;
            let sending = (failures.send)(record);
            match self.invocation.deadline {
                Some(deadline) => tokio::time::timeout_at(deadline.cancels_at().into(), sending)
                    .await
                    .unwrap_or_else(|_| Err("the time of the invocation is up".to_owned())),
                None => sending.await,
            }
        };
        let Err(reason) = sent.await else { return Ok(()) };
        failure.message = format!(
            "{}; it will be retried, because the failures queue cannot keep it: {reason}",
            failure.message
        );
        failure.log(None, &self.invocation.request_id);
        Err(failure)
    }

    /// Returns whether what comes from this queue and is rejected would return to it.
    pub(crate) fn would_return_to(&self, queue: &str) -> bool {
        self.failures.is_some_and(|failures| failures.name == queue)
    }

    fn record(&self, at: Option<usize>, failure: &Failure) -> Result<String, String> {
        let kept = match at {
            Some(at) => payload::part(self.payload, at),
            None => payload::whole(self.payload).to_owned(),
        };
        let record = Record {
            version: "1.0",
            timestamp: in_millis(OffsetDateTime::now_utc()),
            request_context: RequestContext {
                request_id: &self.invocation.request_id,
                function_arn: self.invocation.function_arn().unwrap_or_default(),
                condition: "Rejected",
            },
            request_payload: RawValue::from_string(kept).ok(),
            response_context: ResponseContext { status_code: 200, function_error: "Unhandled" },
            response_payload: Report {
                error_type: failure.kind.error_type(),
                error_message: &failure.message,
            },
        };
        serde_json::to_string(&record).map_err(|e| e.to_string())
    }
}
