//! Accepts events: stores them with their deliveries, and then informs watchers, metrics and the engine. The callers
//! read and route the events.

use std::sync::Arc;

use eg_grammar::is_system_event_type;
use eg_sdk::history::Loss;

use crate::activity::{Activity, DeliveryOutcome, LOG_OF_CALLS, unattempted};
use crate::budget::Budget;
use crate::clock::Clock;
use crate::configuration::Configuration;
use crate::decide::arrival::{NewEvent, Origin, Terms};
use crate::decide::intake::{Fate, Intake};
use crate::decide::lanes::Lane;
use crate::decide::place::OTHER_SPACES;
use crate::decide::secrets::Veil;
use crate::decide::snapshot::Snapshot;
use crate::feed::Feed;
use crate::metrics::{Metrics, Outcome};
use crate::options::Options;
use crate::recent::Recent;
use crate::store::{Accepted, Losses, Lost, Notices, Store, StoreError};
use crate::wakeups::{Wakeups, Woken};

/// Accepts events. Clones share it.
#[derive(Clone)]
pub(crate) struct Reception {
    pub(crate) store: Store,
    pub(crate) wakeups: Arc<Wakeups>,
    pub(crate) feed: Feed,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) recent: Arc<Recent>,
    /// Memory for requests and for the answers of functions, in bytes.
    pub(crate) memory: Budget,
    pub(crate) terms: Terms,
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) clock: Clock,
}

impl Reception {
    /// Creates a reception that stores events in `store` and shows them to the watchers of `feed`.
    pub(crate) fn new(
        options: &Options,
        store: Store,
        configuration: Arc<Configuration>,
        feed: Feed,
        clock: Clock,
    ) -> Self {
        let terms = Terms { dedupe_window: options.dedupe_window, max_hops: options.max_hops };
        let (metrics, memory) = (Arc::new(Metrics::new()), Budget::new(options.memory_limit));
        let recent = Arc::new(Recent::new(clock.timestamp(), options.recent_calls));
        Self { store, wakeups: Arc::default(), feed, metrics, recent, memory, terms, configuration, clock }
    }

    /// Accepts the events of an emitter in `space`, all or none, whose deliveries were decided by `snapshot`. Returns once
    /// they are on disk, and for each whether it is a duplicate.
    pub(crate) async fn accept(
        &self,
        space: &str,
        snapshot: &Arc<Snapshot>,
        events: Vec<NewEvent>,
    ) -> Result<Vec<Accepted>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let events: Arc<[NewEvent]> = events.into();
        let notices = self.notices_by(Arc::clone(snapshot));
        let accepted = self.store.accept(space, Arc::clone(&events), notices).await;
        let (accepted, losses) = accepted.inspect_err(|error| {
            tracing::error!(%error, "cannot store events");
            events
                .iter()
                .flat_map(NewEvent::with_notices)
                .for_each(|event| self.metrics.dropped(known_space(event)));
        })?;
        let mut lanes = Vec::new();
        for (new, accepted) in events.iter().zip(&accepted) {
            // A known cause has been counted.
            let caused = new.event.hops() > 0;
            let woken = if caused { Woken::Otherwise } else { Woken::ByEvents };
            let mut wake = |lane| lanes.push((lane, woken));
            match accepted {
                Accepted::New => new.with_notices().for_each(|event| self.announce_one(event, &mut wake)),
                Accepted::Duplicate { conflict } => self.announce_duplicate(new, *conflict),
            }
        }
        self.wakeups.mark(lanes);
        self.lost(losses);
        Ok(accepted)
    }

    /// Returns what the store needs to give up deliveries, by the current configuration.
    pub(crate) fn notices(&self) -> Notices {
        self.notices_by(self.configuration.current())
    }

    fn notices_by(&self, snapshot: Arc<Snapshot>) -> Notices {
        Notices { snapshot, terms: self.terms, clock: self.clock.clone() }
    }

    /// Counts deliveries whose end is on disk, shows them to the watchers, announces the events that report them, and
    /// wakes the engine for those that waited for them.
    pub(crate) fn lost(&self, losses: Losses) {
        if !losses.due.is_empty() {
            self.wakeups.wake(losses.due);
        }
        for lost in losses.lost {
            let Lost { space, function, event_id, event_type, loss, reason, attempted, .. } = lost;
            let outcome = match loss {
                Loss::Dead => DeliveryOutcome::Dead { reason },
                Loss::Expired => DeliveryOutcome::Expired { reason },
            };
            self.metrics.ended(&space, (&outcome).into(), 1);
            // The watchers see the attempt that failed.
            if !attempted {
                self.feed.publish(|| unattempted(event_id, event_type, function, outcome));
            }
        }
        self.announce(&losses.notices);
    }

    /// Informs metrics, watchers and the engine of events that are on disk.
    fn announce(&self, events: &[NewEvent]) {
        if events.is_empty() {
            return;
        }
        let mut lanes = Vec::new();
        events.iter().for_each(|event| self.announce_one(event, &mut |lane| lanes.push(lane)));
        self.wakeups.wake(lanes);
    }

    /// Shows an event that was accepted before, and records one that lost its payload.
    fn announce_duplicate(&self, new: &NewEvent, conflict: bool) {
        let event = &new.event;
        let (source, id) = (event.source(), event.id());
        if conflict {
            tracing::warn!(
                target: LOG_OF_CALLS,
                source,
                id,
                "ignored an event with the source and id of another one, and another payload"
            );
        }
        self.feed.publish(|| Activity::Duplicate {
            event_id: id.to_owned(),
            event_type: event.ty().to_owned(),
            source: source.to_owned(),
            conflict,
        });
    }

    /// Counts an event that is on disk, shows it to the watchers, and passes the lanes in which its deliveries wait to
    /// `wake`.
    fn announce_one(&self, new: &NewEvent, wake: &mut impl FnMut(Lane)) {
        let NewEvent { event, origin: Origin { space, method, path, .. }, intakes, .. } = new;
        self.metrics.began(space, intakes.len());
        if !is_system_event_type(event.ty()) {
            self.recent.accepted(self.clock.timestamp());
        }
        self.feed.publish(|| Activity::Received {
            event_id: event.id().to_owned(),
            event_type: event.ty().to_owned(),
            source: event.source().to_owned(),
            method: method.clone(),
            path: path.clone(),
            subscribers: intakes.iter().filter(|intake| intake.is_delivered()).count(),
            cause: event.cause().map(str::to_owned),
        });
        let names = || (event.id().to_owned(), event.ty().to_owned());
        for Intake { subscription, fate } in intakes {
            let function = subscription.function_id.clone();
            match fate {
                Fate::Deliver { .. } => wake(Lane { space: space.clone(), function }),
                Fate::Filtered { mismatch } => {
                    self.metrics.ended(space, Outcome::Filtered, 1);
                    self.feed.publish(|| {
                        let (event_id, event_type) = names();
                        let mut mismatch = (**mismatch).clone();
                        if let Ok(mut json) = serde_json::from_slice(event.json()) {
                            let snapshot = self.configuration.current();
                            Veil::new(&snapshot.catalog, space).show(&mut json, [&mut mismatch]);
                        }
                        Activity::Filtered { event_id, event_type, function, mismatch }
                    });
                }
                // They are among the losses.
                Fate::Dead { .. } => {}
            }
        }
    }
}

/// Returns the space of an event if it has subscribers there; a client may name any other space.
fn known_space(event: &NewEvent) -> &str {
    if event.intakes.is_empty() { OTHER_SPACES } else { &event.origin.space }
}
