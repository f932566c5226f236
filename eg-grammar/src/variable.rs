//! Names the environment variables that deployments set and programs read.

/// The name or the ARN of the event bus that gets emitted events.
pub const EVENT_BUS: &str = "EVENT_BUS";

/// The URL of the queue that keeps what functions reject.
pub const FAILURES_QUEUE: &str = "EVENT_FAILURES_QUEUE";
