//! What a person watching the gateway wants to see, as values. Nothing is decided by them: a watcher that
//! falls behind misses some.

use std::time::Duration;

use tokio::sync::broadcast;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// An event is on disk and will be delivered.
    Received {
        /// The event's id.
        id: String,
        /// Its type.
        event_type: String,
        /// Who emitted it.
        source: String,
        /// How many asynchronous subscriptions it goes to.
        subscribers: usize,
    },
    /// The emitter of an event with a synchronous subscription got its answer.
    Answered {
        /// Method of the request.
        method: String,
        /// Path of the request, as sent.
        path: String,
        /// Type of the event, usually `http.request`.
        event_type: String,
        /// The function that was called.
        function: Option<String>,
        /// Status of the answer.
        status: u16,
        /// From the request's arrival to its answer.
        duration: Duration,
    },
    /// A delivery was attempted, or given up.
    Delivery {
        /// The event's id.
        event_id: String,
        /// Its type.
        event_type: String,
        /// The subscribed function.
        function: String,
        /// Which attempt, from 1; 0 when none was made.
        attempt: u32,
        /// How long the attempt took.
        duration: Duration,
        /// What came of it.
        outcome: DeliveryOutcome,
    },
}

/// What came of an attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryOutcome {
    /// The function accepted the event.
    Delivered,
    /// The function failed and will be tried again.
    Retry {
        /// What went wrong.
        error: String,
        /// How long until the next attempt.
        after: Duration,
    },
    /// The delivery is a dead letter now; event and history are kept.
    Dead {
        /// Why.
        reason: String,
    },
}

/// Sends activities to whoever watches.
#[derive(Debug, Clone)]
pub(crate) struct Feed(broadcast::Sender<Activity>);

impl Feed {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(1024))
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Activity> {
        self.0.subscribe()
    }

    /// Whether anybody would hear.
    pub(crate) fn is_watched(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Tells the watchers; `activity` is only made when there are any.
    pub(crate) fn tell(&self, activity: impl FnOnce() -> Activity) {
        if self.is_watched() {
            // Fails only when the last watcher left in this moment.
            let _ = self.0.send(activity());
        }
    }
}
