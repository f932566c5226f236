//! Tells those who subscribed to system events what the gateway does. What the events say is decided in `decide`.

use std::sync::Arc;

use bytes::Bytes;

use crate::clock;
use crate::configuration::Configuration;
use crate::decide::envelope::{self, Envelope, Stamp};
use crate::decide::system::{self, Call, Happening};
use crate::decide::trace;
use crate::reception::{Arrival, Reception};
use crate::store::{Loss, NewEvent, Teller};

/// Makes system events and hands them in. Clones share it.
#[derive(Clone)]
pub(crate) struct SystemEvents {
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) reception: Reception,
}

impl SystemEvents {
    /// The events that tell `space` what happened: none unless somebody subscribed to them.
    pub(crate) fn events(&self, space: &str, happening: &Happening<'_>) -> Vec<Arrival> {
        let snapshot = self.configuration.current();
        let mut events = Vec::new();
        for &ty in happening.types() {
            let targets = snapshot.router.system(space, ty);
            if targets.is_empty() {
                continue;
            }
            let Some(data) = happening.data() else {
                tracing::error!(event_type = ty, "no system event was made of an event that is not JSON");
                continue;
            };
            let stamp = Stamp { id: clock::event_id().to_string(), time: clock::now() };
            let envelope = Envelope::new(ty, &stamp, "application/json", &data).with_hops(happening.hops());
            let json = trace::joined(envelope.to_json(), Some(&trace::of_event(happening.event())));
            events.push(Arrival {
                space: space.to_owned(),
                id: stamp.id,
                ty: ty.to_owned(),
                source: envelope::SOURCE.to_owned(),
                method: "POST".to_owned(),
                path: "/".to_owned(),
                accepted_at: clock::millis(stamp.time),
                json: Bytes::from(json),
                targets,
                notices: Vec::new(),
            });
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
            let call = Call { space, function, event: json };
            let happening =
                Happening::GivenUp { call, subscription, attempts: *attempts, expired: *expired, reason };
            this.events(space, &happening).into_iter().map(|event| this.reception.decide(event)).collect()
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
