//! Names the environment variables that deployments set and programs read.

/// The name or the ARN of the event bus that gets emitted events.
pub const EVENT_BUS: &str = "EVENT_BUS";

/// The URL of the API that manages the connections of a WebSocket API, with its stage. AWS's SDKs read it, too.
pub const CONNECTIONS: &str = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI";

/// The URL of the queue that keeps what functions reject.
pub const FAILURES_QUEUE: &str = "EVENT_FAILURES_QUEUE";

/// Where the values of secrets are kept: a JSON object from the names of variables to [`SecretReference`](crate::SecretReference)s.
/// At the start of the program, each becomes a variable with its value.
pub const SECRETS: &str = "EG_SECRETS";
