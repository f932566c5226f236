//! Sends messages to a queue of SQS. Leaves signatures to `aws`, and what a message says to the caller.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;

use super::Error;
use super::aws::{self, Operation, Signer};
use super::http::{Failed, Http};
use super::retry::Failure;
use super::url::{Url, parse_url};
use crate::settings::QueueAccess;

/// The operation in AWS JSON 1.0. Source: the API reference of SQS.
const SEND_MESSAGE: Operation =
    Operation { service: "sqs", target: "AmazonSQS.SendMessage", content_type: "application/x-amz-json-1.0" };

/// A queue that takes messages.
#[derive(Debug)]
pub struct Queue {
    /// The URL that identifies the queue.
    queue: String,
    endpoint: Url,
    http: Http,
    signer: Signer,
}

impl Queue {
    /// Creates a client of the queue whose URL is in the environment variable `variable`, with the region and the
    /// credentials that Lambda sets. `AWS_ENDPOINT_URL_SQS`, else `AWS_ENDPOINT_URL`, replaces the endpoint. Returns `None` if
    /// the variable is not set or empty. Connects to nothing.
    ///
    /// # Errors
    /// [`Error::Setting`] if the URL cannot be used, or region or credentials are missing.
    pub fn from_env(variable: &'static str) -> Result<Option<Self>, Error> {
        QueueAccess::from_env(variable).map(|access| Self::new(variable, access)).transpose()
    }

    fn new(variable: &'static str, access: QueueAccess) -> Result<Self, Error> {
        let QueueAccess { queue, aws, endpoint } = access;
        let invalid = |reason| Error::Setting { variable, value: queue.clone(), reason };
        let url = parse_url(&queue).map_err(|_| invalid("it is not the URL of a queue"))?;
        if queue.ends_with(".fifo") {
            return Err(invalid(
                "it is a FIFO queue, which keeps nothing without a group: use a standard queue",
            ));
        }
        let endpoint = match &endpoint {
            Some(endpoint) => parse_url(endpoint)?,
            None => url.with_target("/".to_owned()),
        };
        let region = aws.region.clone();
        if region.is_empty() {
            return Err(invalid("its region is not known; set AWS_REGION"));
        }
        let signer = Signer::new(&aws, region).ok_or_else(|| {
            invalid("there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        })?;
        Ok(Self { queue, endpoint, http: Http::new(None), signer })
    }

    /// Returns the queue's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.queue.rsplit('/').next().unwrap_or_default()
    }

    /// Sends a message of at most 1 MiB. Returns once the queue has it. A repeated attempt can send it twice.
    ///
    /// # Errors
    /// If SQS refuses the message, or does not answer.
    pub async fn send(&self, message: &str) -> Result<(), Error> {
        let body: Bytes = json!({"QueueUrl": self.queue, "MessageBody": message}).to_string().into();
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            let timeout = self.http.time_left(attempt, started);
            let Err(failed) = self.attempt(&body, timeout).await else { return Ok(()) };
            let wait = aws::may_pass(&failed)
                .then(|| self.http.wait(attempt, started, failed.failure.retry_after()))
                .flatten();
            let Some(wait) = wait else { return Err(failed.error) };
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, body: &Bytes, timeout: Duration) -> Result<(), Failed> {
        let action = format!("send a message to queue `{}`", self.name());
        let request = self.signer.sign(&SEND_MESSAGE, &self.endpoint, body).map_err(|reason| Failed {
            error: Error::Answer { action: action.clone(), url: self.endpoint.to_string(), reason },
            failure: Failure::Status { status: 200, retry_after: None },
        })?;
        let sent = self.http.exchange(request, &action, &self.endpoint, timeout).await;
        sent.map(drop).map_err(aws::no_gateway)
    }
}
