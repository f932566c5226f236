//! Decides what happens to an accepted event for each subscription that it was routed to. `router` finds the
//! subscriptions.

use std::cell::LazyCell;
use std::sync::Arc;

use eg_grammar::limits;
use eg_sdk::config::Subscription;
use eg_sdk::history::Mismatch;

use super::event::Event;
use super::router::Target;
use eg_sdk::pattern::Json;

/// The decision for one subscription.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) fate: Fate,
}

impl Intake {
    /// Returns whether the function gets the event.
    pub(crate) fn is_delivered(&self) -> bool {
        matches!(self.fate, Fate::Deliver { .. })
    }
}

/// The fate of the event there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is delivered. If there is a key, it is delivered after all earlier events with the same key.
    Deliver { order: Option<String> },
    /// The filter does not match it.
    Filtered { mismatch: Box<Mismatch> },
    /// It becomes a dead letter at once.
    Dead { reason: String },
}

/// Decides for every target. `max_hops` is the maximum number of hops.
pub(crate) fn intake(targets: &[Arc<Target>], event: &Event, max_hops: u64) -> Vec<Intake> {
    let filterable = LazyCell::new(|| event.filterable());
    let decide = |target: &Arc<Target>| Intake {
        subscription: Arc::clone(&target.subscription),
        fate: fate(target, event, &filterable, max_hops),
    };
    targets.iter().map(decide).collect()
}

/// Decides for an event from its stored JSON. If the JSON cannot be read any more, all targets get a dead letter.
pub(crate) fn intake_stored(targets: &[Arc<Target>], json: Vec<u8>, max_hops: u64) -> Vec<Intake> {
    match Event::read(json.into()) {
        Ok(event) => intake(targets, &event, max_hops),
        Err(error) => {
            let reason = format!("the stored event cannot be read: {error}");
            let dead = |target: &Arc<Target>| Intake {
                subscription: Arc::clone(&target.subscription),
                fate: Fate::Dead { reason: reason.clone() },
            };
            targets.iter().map(dead).collect()
        }
    }
}

fn fate<'e>(
    target: &Target,
    event: &'e Event,
    filterable: &LazyCell<Json<'e>, impl FnOnce() -> Json<'e>>,
    max_hops: u64,
) -> Fate {
    if let Some(filter) = &target.filter
        && let Err(mismatch) = filter.check(filterable)
    {
        return Fate::Filtered { mismatch };
    }
    if let Err(mistake) = limits::check_hops(event.hops(), max_hops) {
        return Fate::Dead { reason: mistake.into() };
    }
    if let Some(why) = &target.subscription.disabled {
        return Fate::Dead { reason: super::delivery::disabled(why) };
    }
    let order = if target.subscription.ordered { event.partition_key().map(str::to_owned) } else { None };
    Fate::Deliver { order }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use eg_sdk::pattern::Pattern;

    #[test]
    fn fates() {
        let plain = Subscription::asynchronous("t", "f");
        let (mut ordered, mut disabled) = (plain.clone(), plain.clone());
        ordered.ordered = true;
        disabled.disabled = Some("gone".to_owned());
        let filter = json!({ "data": { "n": [1] } });
        let deliver = |order: Option<&str>| Fate::Deliver { order: order.map(str::to_owned) };
        let dead = |reason: &str| Fate::Dead { reason: reason.to_owned() };
        let path = vec!["data".to_owned(), "n".to_owned()];
        let mismatch = Mismatch { clause: "data.n".to_owned(), path, value: None, expected: json!([1]) };
        let filtered = Fate::Filtered { mismatch: Box::new(mismatch) };
        for (subscription, filter, event, expected) in [
            (&plain, None, json!({ "partitionkey": "k" }), deliver(None)),
            (&ordered, None, json!({ "partitionkey": "k" }), deliver(Some("k"))),
            (&ordered, None, json!({}), deliver(None)),
            (&plain, None, json!({ "hops": 16 }), deliver(None)),
            (
                &plain,
                None,
                json!({ "hops": 17 }),
                dead("a loop: 17 events led to this one, and 16 are allowed"),
            ),
            (&disabled, None, json!({}), dead("the subscription is disabled: gone")),
            (&plain, Some(&filter), json!({ "data": { "n": 1 } }), deliver(None)),
            (&plain, Some(&filter), json!({ "data": { "n": 2 } }), filtered.clone()),
            (&disabled, Some(&filter), json!({ "data": { "n": 2 } }), filtered),
        ] {
            let mut json = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "t" });
            json.as_object_mut().unwrap().append(event.clone().as_object_mut().unwrap());
            let read = Event::read(json.to_string().into()).unwrap();
            let filter = filter.map(|filter| Pattern::read(filter).unwrap());
            let target = Arc::new(Target { subscription: Arc::new(subscription.clone()), filter });
            let decided = intake(&[target], &read, 16);
            assert_eq!(decided[0].fate, expected, "{event}");
        }
    }

    #[test]
    fn a_stored_event_that_cannot_be_read_is_a_dead_letter() {
        let subscription = Arc::new(Subscription::asynchronous("t", "f"));
        let decided = intake_stored(&[Arc::new(Target::new(&subscription))], b"{}".to_vec(), 16);
        assert!(
            matches!(&decided[0].fate, Fate::Dead { reason } if reason.starts_with("the stored event cannot be read: ")),
            "{decided:?}"
        );
    }
}
