//! Holds what the engine, attempts and retention share, and reports deliveries to watchers and metrics. The callers
//! decide what to report.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Callers, Invoker};
use crate::activity::{Activity, DeliveryOutcome};
use crate::clock::Clock;
use crate::configuration::Configuration;
use crate::decide::gate::Gatekeeper;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::recent::{Ended, Notes, Recent, Trigger};
use crate::reception::Reception;
use crate::store::Store;
use crate::system_events::SystemEvents;
use eg_grammar::DeliveryPolicy;

/// Everything that a delivery needs.
pub(crate) struct Delivering<C = Callers> {
    pub(crate) reception: Reception,
    pub(crate) store: Store,
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) invoker: Arc<Invoker<C>>,
    pub(crate) system_events: SystemEvents,
    pub(crate) feed: Feed,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) recent: Arc<Recent>,
    /// The retry policy of subscriptions that have none.
    pub(crate) retry: DeliveryPolicy,
    pub(crate) clock: Clock,
    pub(crate) stop: CancellationToken,
}

/// An attempt whose outcome is recorded.
pub(super) struct Report<'a> {
    pub(super) space: &'a str,
    pub(super) function: &'a str,
    pub(super) event_id: String,
    pub(super) event_type: String,
    pub(super) delivery: i64,
    pub(super) attempt: u32,
    pub(super) duration: Duration,
    /// The age of the delivery.
    pub(super) age: Duration,
    pub(super) outcome: DeliveryOutcome,
    pub(super) notes: Notes,
}

impl<C> Delivering<C> {
    /// Delivers the events that `reception` accepts. `retry` is the policy of subscriptions that have none.
    pub(crate) fn new(
        invoker: Invoker<C>,
        reception: &Reception,
        retry: DeliveryPolicy,
        stop: CancellationToken,
    ) -> Self {
        let Reception { store, feed, metrics, recent, configuration, clock, .. } = reception;
        let system_events = SystemEvents::new(reception.clone());
        Self {
            reception: reception.clone(),
            store: store.clone(),
            configuration: Arc::clone(configuration),
            invoker: Arc::new(invoker),
            system_events,
            feed: feed.clone(),
            metrics: Arc::clone(metrics),
            recent: Arc::clone(recent),
            retry,
            clock: clock.clone(),
            stop,
        }
    }

    /// Returns a gatekeeper that admits deliveries by the current configuration.
    pub(crate) fn gatekeeper(&self) -> Gatekeeper {
        Gatekeeper::new(self.configuration.current(), self.retry.clone())
    }

    /// Counts an attempt whose outcome is recorded.
    pub(super) fn count_attempt(&self, report: &Report<'_>) {
        self.metrics.attempted(report.space, (&report.outcome).into(), report.duration, report.age);
        let error = match &report.outcome {
            DeliveryOutcome::Delivered => None,
            DeliveryOutcome::Retry { error: text, .. }
            | DeliveryOutcome::Dead { reason: text }
            | DeliveryOutcome::Expired { reason: text } => Some(text.as_str()),
        };
        let ended = Ended {
            space: report.space,
            function: report.function,
            trigger: Trigger::Named(&report.event_type),
            event: Some((&report.event_id, &report.event_type)),
            attempt: Some((report.delivery, report.attempt)),
            duration: report.duration,
            status: None,
            error,
        };
        self.recent.called(ended, &report.notes, self.clock.timestamp());
    }

    /// Shows an attempt whose outcome is recorded to the watchers.
    pub(super) fn show_attempt(&self, report: Report<'_>) {
        let Report { function, event_id, event_type, attempt, duration, outcome, .. } = report;
        tracing::debug!(event = event_id, function, attempt, ?outcome, "delivery");
        let function = function.to_owned();
        self.feed.publish(|| Activity::Delivery {
            event_id,
            event_type,
            function,
            attempt,
            duration,
            outcome,
        });
    }
}
