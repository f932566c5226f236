//! Reports what queues, schedules, streams and connections do to the program's observer. Reports decide nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Something that a queue, a schedule, a stream or a connection did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerActivity {
    /// A function is about to be called. Events that it emits until it answers name one of `events` as their cause.
    Calling {
        /// Ids of the events; for a queue, ids of its messages.
        events: Vec<String>,
        /// The trigger, for example `queue orders`, `rate(5 minutes)` or `websocket.message`.
        trigger: String,
    },
    /// A function was called with a batch of messages.
    Batch {
        /// Name of the queue.
        queue: String,
        /// Id of the function.
        function: String,
        /// Number of messages in the batch.
        messages: usize,
        /// Number of messages that failed and become visible again.
        failed: usize,
        /// The error: that of the call, or of the first failed message that the function gave a reason for.
        error: Option<String>,
        /// Time until the failed messages become visible again.
        again: Duration,
        /// Duration of the call.
        duration: Duration,
    },
    /// A message was received too often, or rejected, and moved to the dead-letter queue.
    DeadLettered {
        /// Name of the queue that the message came from.
        queue: String,
        /// Id of the message.
        message: String,
        /// How often it was received.
        receives: u32,
        /// Why the function rejected it, if it did.
        rejection: Option<String>,
    },
    /// A queue could not be read or written.
    QueueFailed {
        /// Name of the queue.
        queue: String,
        /// The error.
        error: String,
    },
    /// A function was called by a schedule.
    Scheduled {
        /// The schedule's expression.
        schedule: String,
        /// Id of the function.
        function: String,
        /// The error if the call failed, and the delay before the next attempt if there is one.
        failure: Option<(String, Option<Duration>)>,
        /// Duration of the call.
        duration: Duration,
    },
    /// A function was called with records of a stream.
    Records {
        /// The stream, for example `table orders`.
        stream: String,
        /// Id of the function.
        function: String,
        /// Number of records in the call.
        records: usize,
        /// The error if a record failed, and the delay before it is tried again; without one, it is given up.
        failure: Option<(String, Option<Duration>)>,
        /// Duration of the call.
        duration: Duration,
    },
    /// A stream could not be read.
    StreamFailed {
        /// The stream, for example `table orders`.
        stream: String,
        /// The error.
        error: String,
    },
    /// A function was called with an event of a WebSocket connection.
    Socket {
        /// The type of the event: `websocket.connect`, `websocket.message` or `websocket.disconnect`.
        event: String,
        /// Id of the connection.
        connection: String,
        /// Id of the function.
        function: String,
        /// The status that the function answered, or its error.
        outcome: Result<u16, String>,
        /// Duration of the call.
        duration: Duration,
    },
}

/// Receives every [`TriggerActivity`]; cheap to clone. The default observer ignores them.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(TriggerActivity) + Send + Sync>);

impl Observer {
    /// Calls `observe` for each activity, on the task that caused it: it must return quickly.
    pub fn new(observe: impl Fn(TriggerActivity) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    /// Reports an activity. Programs that call functions of a local cloud themselves report those calls.
    pub fn report(&self, activity: TriggerActivity) {
        (self.0)(activity);
    }
}

impl Default for Observer {
    fn default() -> Self {
        Self::new(drop)
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}
