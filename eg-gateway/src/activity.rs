//! What a person watching the gateway wants to see, as values. Nothing is decided by them.

use std::time::Duration;

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
        /// Method of the request that brought it.
        method: String,
        /// Path of that request, within its space.
        path: String,
        /// How many asynchronous subscriptions it goes to.
        subscribers: usize,
        /// The id of the event that led to it, where it names one.
        cause: Option<String>,
    },
    /// A function is about to answer an event. What it emits until it has names that event as its cause.
    Asked {
        /// The event's id.
        id: String,
        /// Its type, usually `http.request`.
        event_type: String,
        /// Method of the request that brought it.
        method: String,
        /// Path of that request, as sent.
        path: String,
        /// The id of the event that led to it, where it names one.
        cause: Option<String>,
    },
    /// The emitter of an event with a synchronous subscription got its answer.
    Answered {
        /// The event's id.
        id: String,
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
    /// An event was accepted before; nothing follows from this copy.
    Duplicate {
        /// The event's id.
        id: String,
        /// Its type.
        event_type: String,
        /// Who emitted it.
        source: String,
    },
    /// A subscription's filter does not match an event.
    Filtered {
        /// The event's id.
        event_id: String,
        /// Its type.
        event_type: String,
        /// The subscribed function.
        function: String,
        /// The clause that failed, as JSON.
        reason: String,
    },
    /// Nothing more is delivered to a subscription, until it is updated.
    Disabled {
        /// Its space.
        space: String,
        /// Its id.
        subscription: String,
        /// Why.
        reason: String,
    },
    /// Deliveries that had been given up are due again.
    Redriven {
        /// Their space.
        space: String,
        /// How many.
        deliveries: usize,
    },
    /// Deliveries that had been given up were taken off the list.
    Discarded {
        /// Their space.
        space: String,
        /// How many.
        deliveries: usize,
    },
    /// Stored events are delivered once more.
    Replayed {
        /// Their space.
        space: String,
        /// The name of the replay.
        replay: String,
        /// How many events.
        events: usize,
        /// How many deliveries of them.
        deliveries: usize,
    },
    /// After a run of failures a function only gets one attempt per second, until one succeeds.
    CircuitOpened {
        /// Its space.
        space: String,
        /// The function.
        function: String,
    },
    /// A function works again.
    CircuitClosed {
        /// Its space.
        space: String,
        /// The function.
        function: String,
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
    /// The delivery reached the limit of its age; event and history are kept.
    Expired {
        /// How.
        reason: String,
    },
}

impl Activity {
    /// A delivery ended without another attempt.
    pub(crate) fn unattempted(
        event_id: String,
        event_type: String,
        function: String,
        outcome: DeliveryOutcome,
    ) -> Self {
        Self::Delivery { event_id, event_type, function, attempt: 0, duration: Duration::ZERO, outcome }
    }

    /// Bytes of the texts that it holds.
    pub(crate) fn text_len(&self) -> usize {
        let texts: &[&str] = match self {
            Self::Received { id, event_type, source, method, path, cause, .. } => {
                &[id, event_type, source, method, path, cause.as_deref().unwrap_or_default()]
            }
            Self::Asked { id, event_type, method, path, cause } => {
                &[id, event_type, method, path, cause.as_deref().unwrap_or_default()]
            }
            Self::Duplicate { id, event_type, source } => &[id, event_type, source],
            Self::Filtered { event_id, event_type, function, reason } => {
                &[event_id, event_type, function, reason]
            }
            Self::Disabled { space, subscription, reason } => &[space, subscription, reason],
            Self::Redriven { space, .. } | Self::Discarded { space, .. } => &[space],
            Self::Replayed { space, replay, .. } => &[space, replay],
            Self::CircuitOpened { space, function } | Self::CircuitClosed { space, function } => {
                &[space, function]
            }
            Self::Answered { id, method, path, event_type, function, .. } => {
                &[id, method, path, event_type, function.as_deref().unwrap_or_default()]
            }
            Self::Delivery { event_id, event_type, function, outcome, .. } => {
                let text = match outcome {
                    DeliveryOutcome::Delivered => "",
                    DeliveryOutcome::Retry { error: text, .. }
                    | DeliveryOutcome::Dead { reason: text }
                    | DeliveryOutcome::Expired { reason: text } => text,
                };
                &[event_id, event_type, function, text]
            }
        };
        texts.iter().map(|text| text.len()).sum()
    }
}
