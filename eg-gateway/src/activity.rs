//! Describes what happens in the gateway, as values for its watchers. The types are those of the live feed; `feed`
//! sends the values.

use std::time::Duration;

pub use eg_sdk::history::{Activity, DeliveryOutcome};

/// The target of the log lines about failed synchronous calls, and about events with the id of another one. The live feed
/// reports the same ([`Activity::Answered`], [`Activity::Duplicate`]), so a program that shows the feed can leave these lines out.
pub const LOG_OF_CALLS: &str = "eg_gateway::calls";

/// Returns the activity for a delivery that ended without another attempt.
pub(crate) fn unattempted(
    event_id: String,
    event_type: String,
    function: String,
    outcome: DeliveryOutcome,
) -> Activity {
    Activity::Delivery { event_id, event_type, function, attempt: 0, duration: Duration::ZERO, outcome }
}

/// Returns the size of the texts of an activity in bytes.
pub(crate) fn text_len(activity: &Activity) -> usize {
    let texts: &[&str] = match activity {
        Activity::Received { event_id: id, event_type, source, method, path, cause, .. } => {
            &[id, event_type, source, method, path, cause.as_deref().unwrap_or_default()]
        }
        Activity::Asked { event_id: id, event_type, method, path, cause } => {
            &[id, event_type, method, path, cause.as_deref().unwrap_or_default()]
        }
        Activity::Duplicate { event_id: id, event_type, source, .. } => &[id, event_type, source],
        Activity::Filtered { event_id, event_type, function, mismatch } => {
            let clause = serde_json::to_string(mismatch).map_or(0, |text| text.len());
            return event_id.len() + event_type.len() + function.len() + clause;
        }
        Activity::Disabled { space, subscription, reason } => &[space, subscription, reason],
        Activity::Redriven { space, .. } | Activity::Discarded { space, .. } => &[space],
        Activity::Replayed { space, replay, .. } => &[space, replay],
        Activity::CircuitOpened { space, function } | Activity::CircuitClosed { space, function } => {
            &[space, function]
        }
        Activity::Answered { event_id: id, method, path, event_type, function, reason, .. } => {
            let [function, reason] = [function, reason].map(|text| text.as_deref().unwrap_or_default());
            &[id, method, path, event_type, function, reason]
        }
        Activity::Delivery { event_id, event_type, function, outcome, .. } => {
            let text = match outcome {
                DeliveryOutcome::Delivered => "",
                DeliveryOutcome::Retry { error: text, .. }
                | DeliveryOutcome::Dead { reason: text }
                | DeliveryOutcome::Expired { reason: text } => text,
            };
            &[event_id, event_type, function, text]
        }
        Activity::Unrouted { method, path, hint, .. } => &[method, path, hint],
        Activity::Unknown => &[],
    };
    texts.iter().map(|text| text.len()).sum()
}
