//! Remembers which event or request led to which of the recent events. Printing is left to `lines`.

use std::collections::{HashMap, VecDeque};

use eg_gateway::Activity;
use eg_grammar::HTTP_REQUEST;
use eg_local::TriggerActivity;

use super::text::short;

/// The number of events that are remembered.
const KEPT: usize = 10_000;

/// Events by their ids.
#[derive(Debug, Default)]
pub(super) struct Causes {
    known: HashMap<String, Known>,
    /// The ids, the oldest first.
    order: VecDeque<String>,
}

#[derive(Debug)]
struct Known {
    /// The name shown to people: `user.created 1a2b3c4d`, `POST /users`.
    name: String,
    /// The name of its cause.
    cause: Option<String>,
}

impl Causes {
    /// Records the cause that an activity of the gateway reveals.
    pub(super) fn learn(&mut self, activity: &Activity) {
        let (Activity::Received { event_id: id, event_type, method, path, cause, .. }
        | Activity::Asked { event_id: id, event_type, method, path, cause }) = activity
        else {
            return;
        };
        let name = match event_type.as_str() {
            HTTP_REQUEST => format!("{method} {path}"),
            event_type => format!("{event_type} {}", short(id)),
        };
        let cause = cause.as_ref().map(|cause| match self.known.get(cause) {
            Some(known) => known.name.clone(),
            // The cause is from elsewhere or too old.
            None => short(cause).to_owned(),
        });
        self.remember(id, Known { name, cause });
    }

    /// Records the cause that a queue or schedule reveals.
    pub(super) fn learn_call(&mut self, activity: &TriggerActivity) {
        if let TriggerActivity::Calling { events, trigger } = activity {
            for id in events {
                self.remember(id, Known { name: trigger.clone(), cause: None });
            }
        }
    }

    /// Returns the name of the cause of an activity's event.
    pub(super) fn of(&self, activity: &Activity) -> Option<&str> {
        let (Activity::Received { event_id: id, .. }
        | Activity::Answered { event_id: id, .. }
        | Activity::Delivery { event_id: id, .. }
        | Activity::Filtered { event_id: id, .. }) = activity
        else {
            return None;
        };
        self.known.get(id)?.cause.as_deref()
    }

    fn remember(&mut self, id: &str, known: Known) {
        if self.known.insert(id.to_owned(), known).is_none() {
            self.order.push_back(id.to_owned());
        }
        while self.order.len() > KEPT {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(id: &str, cause: Option<&str>) -> Activity {
        Activity::Received {
            event_id: id.to_owned(),
            event_type: "user.created".to_owned(),
            source: "/s".to_owned(),
            method: "POST".to_owned(),
            path: "/".to_owned(),
            subscribers: 1,
            cause: cause.map(str::to_owned),
        }
    }

    #[test]
    fn what_was_seen_has_a_name() {
        let mut causes = Causes::default();
        let request = Activity::Asked {
            event_id: "request".to_owned(),
            event_type: HTTP_REQUEST.to_owned(),
            method: "POST".to_owned(),
            path: "/users".to_owned(),
            cause: None,
        };
        causes.learn(&request);
        causes.learn_call(&TriggerActivity::Calling {
            events: vec!["message".to_owned()],
            trigger: "queue q".to_owned(),
        });
        for (id, cause, expected) in [
            ("first", None, None),
            ("0199aa00-00000abcdef1", Some("request"), Some("POST /users")),
            ("third", Some("0199aa00-00000abcdef1"), Some("user.created 0abcdef1")),
            ("fourth", Some("message"), Some("queue q")),
            ("fifth", Some("0199aa00-elsewhere"), Some("lsewhere")),
        ] {
            let event = received(id, cause);
            causes.learn(&event);
            assert_eq!(causes.of(&event), expected, "{id}");
        }
    }

    #[test]
    fn old_events_are_forgotten() {
        let mut causes = Causes::default();
        for n in 0..=KEPT {
            causes.learn(&received(&n.to_string(), Some("x")));
            causes.learn(&received(&n.to_string(), Some("x")));
        }
        assert_eq!(causes.known.len(), KEPT);
        assert_eq!(causes.of(&received("0", None)), None);
        assert_eq!(causes.of(&received("1", None)), Some("x"));
    }
}
