//! Tells those who subscribed to system events what the gateway does. What the events say is decided in `decide`.

use std::sync::Arc;

use crate::clock::{self, Millis};
use crate::configuration::Configuration;
use crate::decide::envelope::{self, Stamp};
use crate::decide::event::{Event, Outgoing};
use crate::decide::system::{self, Call, Happening};
use crate::decide::trace;
use crate::reception::Reception;
use crate::store::{Loss, NewEvent, Origin, Teller};

/// Makes system events and hands them in. Clones share it.
#[derive(Clone)]
pub(crate) struct SystemEvents {
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) reception: Reception,
}

impl SystemEvents {
    /// The events that tell `space` what happened: none unless somebody subscribed to them.
    pub(crate) fn events(&self, space: &str, happening: &Happening<'_>) -> Vec<NewEvent> {
        let snapshot = self.configuration.current();
        let mut events = Vec::new();
        for &ty in happening.types() {
            let targets = snapshot.router.system(space, ty);
            if targets.is_empty() {
                continue;
            }
            match event(ty, happening) {
                Some((event, accepted_at)) => {
                    let (space, method, path) = (space.to_owned(), "POST".to_owned(), "/".to_owned());
                    let origin = Origin { space, method, path, accepted_at };
                    events.push(self.reception.admit(event, origin, &targets, Vec::new()));
                }
                None => tracing::error!(event_type = ty, "an event that is not JSON causes no system event"),
            }
        }
        events
    }

    /// What tells of deliveries that are given up, for the transaction in which that happens. That an event of the
    /// gateway's own is given up is not told.
    pub(crate) fn teller(&self) -> Teller {
        let this = self.clone();
        Arc::new(move |loss: &Loss| {
            if system::is_system(&loss.event_type) {
                return Vec::new();
            }
            let Loss { space, function, subscription, json, attempts, expired, reason, .. } = loss;
            let event = Outgoing::stored(loss.event_type.clone(), json.clone(), None);
            let call = Call { space, function, event: &event };
            let happening =
                Happening::GivenUp { call, subscription, attempts: *attempts, expired: *expired, reason };
            this.events(space, &happening)
        })
    }

    /// Tells the watchers and the engine of events that a [`Teller`] has made and that are on disk.
    pub(crate) fn told(&self, events: &[NewEvent]) {
        self.reception.stored(events);
    }

    /// Hands in the events that tell `space` what happened. That they cannot be stored stops nothing else; the log says
    /// so.
    pub(crate) async fn tell(&self, space: &str, happening: &Happening<'_>) {
        if let [ty, ..] = happening.types() {
            self.reception.metrics.happened(space, ty);
        }
        let events = self.events(space, happening);
        if !events.is_empty() {
            // The reception has logged why.
            let _ = self.reception.accept(events).await;
        }
    }
}

/// A system event of type `ty`, and when it was made.
fn event(ty: &str, happening: &Happening<'_>) -> Option<(Event, Millis)> {
    let stamp = Stamp { id: clock::event_id().to_string(), time: clock::now() };
    let made_at = clock::millis(stamp.time);
    let mut event = envelope::made(ty, stamp, "application/json", happening.data()?);
    if happening.hops() > 0 {
        event = event.with_hops(happening.hops());
    }
    let event = Event::new(trace::joined(event, Some(&happening.trace()))).ok()?;
    Some((event, made_at))
}
