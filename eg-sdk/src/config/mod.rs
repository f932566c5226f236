//! The resources of the gateway's Config API, exactly as they travel. Their rules are the gateway's.
//!
//! ```
//! use eg_sdk::config::{Function, Provider, Subscription};
//!
//! let function = Function::new("users-create_user", Provider::Http { url: "http://localhost:3000/".into() });
//! let subscription = Subscription::http("POST", "/users", &function.function_id);
//! assert_eq!(
//!     serde_json::to_string(&subscription)?,
//!     r#"{"type":"sync","eventType":"http.request","functionId":"users-create_user","path":"/users","method":"POST"}"#
//! );
//! # Ok::<(), serde_json::Error>(())
//! ```

mod ids;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Free-form labels on a resource; lists can be filtered by them.
pub type Metadata = BTreeMap<String, String>;

/// A type of event that subscriptions may name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventType {
    /// The space it belongs to; set by the gateway.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub space: String,
    /// The CloudEvents `type`, for example `user.created`.
    pub name: String,
    /// The function that must agree to each event of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorizer_id: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
}

impl EventType {
    /// An event type without authorizer and labels.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// Something that the gateway can call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Function {
    /// The space it belongs to; set by the gateway.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub space: String,
    /// Its name in the space: letters, digits, `.`, `-` and `_`.
    pub function_id: String,
    /// Where it runs.
    #[serde(flatten)]
    pub provider: Provider,
    /// Labels.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// How many deliveries to it may be under way at once. Absent: as many as the gateway has workers for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How many seconds one call of it may take, 1 to 900. Absent: the gateway's limit for its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
}

impl Function {
    /// A function without labels.
    #[must_use]
    pub fn new(function_id: impl Into<String>, provider: Provider) -> Self {
        Self {
            space: String::new(),
            function_id: function_id.into(),
            provider,
            metadata: Metadata::new(),
            concurrency: None,
            timeout: None,
        }
    }
}

/// Where a function runs, and what is needed to call it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "provider", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Provider {
    /// An HTTP endpoint that takes a `POST` with the event.
    Http {
        /// Absolute URL.
        url: String,
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

/// How to reach AWS. Without both keys the AWS default credential chain is used.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value itself.
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
#[serde(rename_all = "lowercase")]
pub enum SubscriptionType {
    /// The event is stored, then delivered until it succeeds or is dead-lettered.
    Async,
    /// The emitter gets the function's answer.
    Sync,
}

/// Sends events of a type, method and path to a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// The space it belongs to; set by the gateway.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub space: String,
    /// Derived from the other fields by the gateway.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subscription_id: String,
    /// Whether the emitter waits.
    #[serde(rename = "type")]
    pub kind: SubscriptionType,
    /// The event type; `http.request` for plain HTTP requests.
    pub event_type: String,
    /// The function to call.
    pub function_id: String,
    /// The path that events must be posted to; sync ones take `:name` and `*rest`.
    #[serde(default = "root")]
    pub path: String,
    /// The HTTP method that events must be posted with.
    #[serde(default = "post")]
    pub method: String,
    /// Labels.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// When failed deliveries are tried again. Absent: as the gateway's default says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Which events it wants: a JSON pattern on attributes and `data`, in the manner of EventBridge. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<serde_json::Value>,
    /// Whether events of the same `partitionkey` are delivered one after the other, in the order of their acceptance.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ordered: bool,
    /// Why nothing is delivered at present, for example because the function answered 410. Absent: it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<String>,
}

/// When failed deliveries of a subscription are tried again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Retry {
    /// A set of limits with a name.
    Profile(RetryProfile),
    /// Limits one by one.
    Limits(RetryLimits),
}

/// Sets of limits that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RetryProfile {
    /// What Amazon EventBridge does unless told otherwise: 185 attempts within 24 hours.
    EventBridge,
}

/// Limits of the attempts to deliver. Those that are absent are the gateway's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryLimits {
    /// Attempts in all, the first one included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Bound of the pause after the first failure, in milliseconds; it doubles with each further one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_backoff_ms: Option<u64>,
    /// Bound that the pause never exceeds, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_backoff_ms: Option<u64>,
    /// Milliseconds after acceptance at which a delivery that did not succeed expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_ms: Option<u64>,
}

impl Subscription {
    /// `function_id` gets every event of `event_type` that is posted to `/`.
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

    /// `function_id` answers HTTP requests with `method` to `path`.
    #[must_use]
    pub fn http(method: impl Into<String>, path: impl Into<String>, function_id: impl Into<String>) -> Self {
        Self {
            kind: SubscriptionType::Sync,
            path: path.into(),
            method: method.into(),
            ..Self::asynchronous("http.request", function_id)
        }
    }
}

/// Which browsers' pages may call a path.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cors {
    /// The space it belongs to; set by the gateway.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub space: String,
    /// Derived from method and path by the gateway.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cors_id: String,
    /// The HTTP method it is about.
    pub method: String,
    /// The path it is about.
    pub path: String,
    /// Origins, `*` for all. Empty: all.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// Methods. Empty: `HEAD`, `GET`, `POST`.
    #[serde(default)]
    pub allowed_methods: Vec<String>,
    /// Request headers. Empty: `Origin`, `Accept`, `Content-Type`.
    #[serde(default)]
    pub allowed_headers: Vec<String>,
    /// Whether cookies may be sent along.
    #[serde(default)]
    pub allow_credentials: bool,
    /// Labels.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
}

impl Cors {
    /// What the gateway allows by default to pages that call `path` with `method`.
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
