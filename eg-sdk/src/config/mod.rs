//! The resources of the gateway's Config API in their wire format. Leaves their validation to the gateway.
//!
//! Create a resource with its constructor and set what differs: later versions may have more fields.
//!
//! ```
//! use eg_sdk::config::{Function, Provider, Subscription};
//!
//! let function = Function::new("users-create_user", Provider::Http { url: "http://localhost:3000/".into() });
//! let mut subscription = Subscription::http("POST", "/users", &function.function_id);
//! subscription.path = "/people".to_owned();
//! assert_eq!(
//!     serde_json::to_string(&subscription)?,
//!     r#"{"type":"sync","eventType":"http.request","functionId":"users-create_user","path":"/people","method":"POST"}"#
//! );
//! # Ok::<(), serde_json::Error>(())
//! ```

pub(crate) mod ids;
mod notes;
mod resource;

use std::collections::BTreeMap;
use std::fmt;

use eg_grammar::HTTP_REQUEST;
use serde::{Deserialize, Serialize};

pub use notes::FunctionNotes;
pub use resource::Resource;

#[cfg(feature = "derive")]
use crate::Schema;

/// Free-form labels on a resource; lists can be filtered by them.
pub type Metadata = BTreeMap<String, String>;

/// An event type that subscriptions may name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EventType {
    /// The space; set by the gateway.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub space: String,
    /// The CloudEvents `type`, for example `user.created`.
    pub name: String,
    /// The function that authorizes each event of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorizer_id: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
}

impl EventType {
    /// Creates an event type without authorizer and labels.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// A function that the gateway can call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Function {
    /// The space; set by the gateway.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub space: String,
    /// The id within the space: letters, digits, `.`, `-` and `_`.
    pub function_id: String,
    /// Where the function runs.
    #[serde(flatten)]
    pub provider: Provider,
    /// Labels.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// The maximum number of concurrent deliveries. Absent: limited by the gateway's workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// The time limit of one call in seconds, 1 to 900. Absent: the gateway's limit for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// Whether waiting emitters get the answer as a stream, if the function answers with one. The function must be of
    /// `http` or `awslambda`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
}

impl Function {
    /// Creates a function without labels.
    #[must_use]
    pub fn new(function_id: impl Into<String>, provider: Provider) -> Self {
        Self {
            space: String::new(),
            function_id: function_id.into(),
            provider,
            metadata: Metadata::new(),
            concurrency: None,
            timeout: None,
            stream: false,
        }
    }
}

/// Where a function runs and how to call it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(Schema), schema(crate = crate))]
#[serde(tag = "type", content = "provider", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Provider {
    /// An HTTP endpoint that accepts a `POST` with the event.
    Http {
        /// Absolute URL.
        url: String,
    },
    /// An HTTP endpoint of somebody else, who verifies the signature of each event, as
    /// [Standard Webhooks](https://www.standardwebhooks.com) 1.0 describes.
    Webhook {
        /// Absolute URL.
        url: String,
        /// The secrets that sign, at least one: `whsec_` and 24 to 64 bytes in base64, which the receiver has, too; or `whsk_` and an
        /// Ed25519 key, of which the receiver has the public part. Each secret makes a signature, so the receiver can change to the
        /// next one at any time.
        secrets: Vec<Secret>,
    },
    /// AWS Lambda, called through its Invoke API.
    AwsLambda {
        /// The function's ARN.
        arn: String,
        /// Region and keys.
        #[serde(flatten)]
        aws: Aws,
    },
    /// A Kinesis data stream.
    #[serde(rename_all = "camelCase")]
    AwsKinesis {
        /// The stream's name.
        stream_name: String,
        /// Region and keys.
        #[serde(flatten)]
        aws: Aws,
    },
    /// A Firehose delivery stream.
    #[serde(rename_all = "camelCase")]
    AwsFirehose {
        /// The delivery stream's name.
        delivery_stream_name: String,
        /// Region and keys.
        #[serde(flatten)]
        aws: Aws,
    },
    /// An SQS queue.
    #[serde(rename_all = "camelCase")]
    AwsSqs {
        /// The queue's URL.
        queue_url: String,
        /// Region and keys.
        #[serde(flatten)]
        aws: Aws,
    },
}

/// Access to AWS. Without both keys, the gateway uses the AWS default credential chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Aws {
    /// For example `eu-central-1`.
    pub region: String,
    /// Access key id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_access_key_id: Option<Secret>,
    /// Secret access key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_secret_access_key: Option<Secret>,
    /// Session token of temporary credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_session_token: Option<Secret>,
}

impl Aws {
    /// Access to `region` with the credentials of the gateway.
    #[must_use]
    pub fn new(region: impl Into<String>) -> Self {
        Self { region: region.into(), ..Self::default() }
    }
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(Schema), schema(crate = crate))]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Returns the value.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("*****")
    }
}

/// Whether the emitter waits for the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(Schema), schema(crate = crate))]
#[serde(rename_all = "lowercase")]
pub enum SubscriptionType {
    /// The event is stored, then delivered until it succeeds or becomes a dead letter.
    Async,
    /// The emitter receives the function's answer.
    Sync,
}

/// Sends events of a type, method and path to a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Subscription {
    /// The space; set by the gateway.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub space: String,
    /// The id, derived by the gateway from the other fields.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subscription_id: String,
    /// Whether the emitter waits for the function.
    #[serde(rename = "type")]
    pub kind: SubscriptionType,
    /// The event type; `http.request` for plain HTTP requests.
    pub event_type: String,
    /// The function to call.
    pub function_id: String,
    /// The path to which events must be posted. Synchronous subscriptions may contain `:name` and `*rest`.
    #[serde(default = "root")]
    pub path: String,
    /// The HTTP method with which events must be posted.
    #[serde(default = "post")]
    pub method: String,
    /// Labels.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// When failed deliveries are retried. Absent: the gateway's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// A JSON pattern on attributes and `data`, like EventBridge's, that selects events. Absent: all events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<serde_json::Value>,
    /// Whether events with the same `partitionkey` are delivered one after the other, in the order of acceptance.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ordered: bool,
    /// Why the subscription is disabled, for example because the function answered 410. Absent: it is enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<String>,
}

/// When failed deliveries of a subscription are retried.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(Schema), schema(crate = crate))]
#[serde(untagged)]
#[non_exhaustive]
pub enum Retry {
    /// A named set of limits.
    Profile(RetryProfile),
    /// Individual limits.
    Limits(RetryLimits),
}

/// The named sets of limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(Schema), schema(crate = crate))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RetryProfile {
    /// The default of Amazon EventBridge: 185 attempts within 24 hours.
    EventBridge,
}

/// Limits of delivery attempts. Absent limits default to the gateway's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RetryLimits {
    /// The maximum number of attempts, including the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// The maximum backoff after the first failure, in milliseconds; it doubles with each further one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_backoff_ms: Option<u64>,
    /// The upper bound of the backoff, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_backoff_ms: Option<u64>,
    /// The time after acceptance at which an unfinished delivery expires, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_ms: Option<u64>,
}

impl RetryLimits {
    /// No limits: the gateway's apply.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Subscription {
    /// Creates an asynchronous subscription: `function_id` gets every event of `event_type` that is posted to `/`.
    #[must_use]
    pub fn asynchronous(event_type: impl Into<String>, function_id: impl Into<String>) -> Self {
        Self {
            space: String::new(),
            subscription_id: String::new(),
            kind: SubscriptionType::Async,
            event_type: event_type.into(),
            function_id: function_id.into(),
            path: root(),
            method: post(),
            metadata: Metadata::new(),
            retry: None,
            filter: None,
            ordered: false,
            disabled: None,
        }
    }

    /// Creates an HTTP subscription: `function_id` answers requests with `method` to `path`.
    #[must_use]
    pub fn http(method: impl Into<String>, path: impl Into<String>, function_id: impl Into<String>) -> Self {
        Self {
            kind: SubscriptionType::Sync,
            path: path.into(),
            method: method.into(),
            ..Self::asynchronous(HTTP_REQUEST, function_id)
        }
    }
}

/// Which web pages may call a path.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Cors {
    /// The space; set by the gateway.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub space: String,
    /// The id, derived by the gateway from method and path.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cors_id: String,
    /// The HTTP method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The allowed origins; `*` for all. Empty: all.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// The allowed methods. Empty: `HEAD`, `GET`, `POST`.
    #[serde(default)]
    pub allowed_methods: Vec<String>,
    /// The allowed request headers. Empty: `Origin`, `Accept`, `Content-Type`.
    #[serde(default)]
    pub allowed_headers: Vec<String>,
    /// Whether requests may include cookies.
    #[serde(default)]
    pub allow_credentials: bool,
    /// Labels.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
}

impl Cors {
    /// Creates a configuration with the gateway's defaults for requests with `method` to `path`.
    #[must_use]
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        Self { method: method.into(), path: path.into(), ..Self::default() }
    }
}

fn root() -> String {
    "/".to_owned()
}

fn post() -> String {
    "POST".to_owned()
}
