//! What happens in a running application apart from the gateway, as values for those who watch. Nothing is decided by
//! them.

use std::time::Duration;

use tokio::sync::mpsc;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happening {
    /// A function is about to be called. What it emits until it has answered names one of these events as its cause.
    Calling {
        /// The events' ids; of messages, the messages'.
        events: Vec<String>,
        /// Why, for example `queue orders`.
        by: String,
    },
    /// A function was called with messages of a queue.
    Batch {
        queue: String,
        function: String,
        messages: usize,
        /// How many of them come again.
        failed: usize,
        /// Why, when the function did not say which.
        error: Option<String>,
        /// How long until they come again.
        again: Duration,
        duration: Duration,
    },
    /// A message was received too often.
    Buried { queue: String, message: String, receives: u32 },
    /// A queue cannot be read.
    QueueFailed { queue: String, error: String },
    /// A function was called by the clock.
    Scheduled {
        schedule: String,
        function: String,
        /// Why it failed, and after how long it is tried again, if it is.
        failure: Option<(String, Option<Duration>)>,
        duration: Duration,
    },
}

/// Where happenings are told; cheap to clone. Telling never waits.
#[derive(Debug, Clone)]
pub(crate) struct Happenings(mpsc::UnboundedSender<Happening>);

impl Happenings {
    /// A way in, and the way out.
    pub(crate) fn channel() -> (Self, mpsc::UnboundedReceiver<Happening>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    pub(crate) fn tell(&self, happening: Happening) {
        // Nobody watches any more while the application stops.
        let _ = self.0.send(happening);
    }
}
