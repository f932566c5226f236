//! Sends messages to a queue of SQS. Leaves signatures to `aws`, and what a message says to the caller.

use bytes::Bytes;
use http::Method;
use serde_json::json;

use super::Error;
use super::aws::{self, Operation, Signer};
use super::http::Http;
use super::url::{Url, parse_url};
use crate::settings::QueueAccess;

/// The operation in AWS JSON 1.0. Source: the API reference of SQS.
const SEND_MESSAGE: Operation = Operation {
    service: "sqs",
    method: Method::POST,
    headers: &[("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "AmazonSQS.SendMessage")],
};

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
        let action = format!("send a message to queue `{}`", self.name());
        aws::call(&self.http, &self.signer, &SEND_MESSAGE, &self.endpoint, &body, &action).await.map(drop)
    }
}
