//! Counts and times what the gateway does, under the names of Event Gateway 0.9.1 where it had one. Counters start at
//! zero with each process; `catalog` and `store` provide exact numbers (resources, backlog, dead letters) on request.

use std::time::Duration;

use eg_sdk::config::{Cors, EventType, Function, Subscription};
use eg_sdk::errors::ErrorCode;
#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder, exponential_buckets,
};

use crate::activity::DeliveryOutcome;
use crate::decide::catalog::{Catalog, Entry};
use crate::store::{Backlog, DatabaseState, StoreState};
use crate::timestamp::Timestamp;

/// The event type label that the original used for everything asynchronous.
const CUSTOM: &str = "custom";

/// The counters of a gateway.
pub(crate) struct Metrics {
    registry: Registry,
    received: IntCounterVec,
    processed: IntCounterVec,
    dropped: IntCounterVec,
    refused: IntCounterVec,
    waited: Histogram,
    ended: IntCounterVec,
    attempts: IntCounterVec,
    attempt_seconds: HistogramVec,
    latency: HistogramVec,
    config_requests: IntCounterVec,
    config_seconds: Histogram,
}

/// The outcome of an attempt or of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Delivered,
    Retry,
    Dead,
    Expired,
    Filtered,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry => "retry",
            Self::Dead => "dead",
            Self::Expired => "expired",
            Self::Filtered => "filtered",
        }
    }
}

impl From<&DeliveryOutcome> for Outcome {
    fn from(outcome: &DeliveryOutcome) -> Self {
        match outcome {
            DeliveryOutcome::Delivered => Self::Delivered,
            DeliveryOutcome::Retry { .. } => Self::Retry,
            DeliveryOutcome::Dead { .. } => Self::Dead,
            DeliveryOutcome::Expired { .. } => Self::Expired,
        }
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        // Processor time, memory, file descriptors: the library reads them from /proc.
        #[cfg(target_os = "linux")]
        registry.register(Box::new(ProcessCollector::for_self())).expect(VALID);
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels).expect(VALID);
            registry.register(Box::new(counter.clone())).expect(VALID);
            counter
        };
        let timer = |name: &str, help: &str, first: f64, count: usize, labels: &[&str]| {
            let buckets = exponential_buckets(first, 2.0, count).expect(VALID);
            let timer =
                HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels).expect(VALID);
            registry.register(Box::new(timer.clone())).expect(VALID);
            timer
        };
        let by_type = ["space", "type"];
        Self {
            received: counter(
                "eventgateway_events_received_total",
                "Requests with a synchronous subscriber by event type; asynchronous deliveries begun as custom.",
                &by_type,
            ),
            processed: counter(
                "eventgateway_events_processed_total",
                "Synchronous calls that ended, by event type; asynchronous deliveries that ended as custom.",
                &by_type,
            ),
            dropped: counter(
                "eventgateway_events_dropped_total",
                "Events that were refused because they could not be stored.",
                &by_type,
            ),
            refused: counter(
                "eventgateway_requests_refused_total",
                "Requests to the Events API that were answered with 503, by the code of the error.",
                &["code"],
            ),
            waited: timer(
                "eventgateway_events_custom_processing_seconds",
                "From accepting or replaying an event to the first attempt of a delivery.",
                1e-5,
                20,
                &[],
            )
            .with_label_values::<&str>(&[]),
            ended: counter(
                "eventgateway_deliveries_ended_total",
                "Asynchronous deliveries that ended, by how they did.",
                &["space", "outcome"],
            ),
            attempts: counter(
                "eventgateway_delivery_attempts_total",
                "Attempts to deliver, by what came of them.",
                &["space", "outcome"],
            ),
            attempt_seconds: timer(
                "eventgateway_delivery_attempt_seconds",
                "How long attempts to deliver took.",
                0.001,
                20,
                &["space"],
            ),
            latency: timer(
                "eventgateway_delivery_latency_seconds",
                "From accepting, replaying or redriving an event to its successful delivery.",
                0.001,
                28,
                &["space"],
            ),
            config_requests: counter(
                "eventgateway_config_requests_total",
                "Requests to the Config API.",
                &["space", "resource", "operation"],
            ),
            config_seconds: timer(
                "eventgateway_config_request_duration_seconds",
                "How long requests to the Config API took.",
                0.0005,
                16,
                &[],
            )
            .with_label_values::<&str>(&[]),
            registry,
        }
    }

    /// Counts a request whose synchronous subscriber is about to be called.
    pub(crate) fn sync_received(&self, space: &str, event_type: &str) {
        self.received.with_label_values(&[space, event_type]).inc();
    }

    /// Counts a request whose synchronous subscriber answered or failed.
    pub(crate) fn sync_processed(&self, space: &str, event_type: &str) {
        self.processed.with_label_values(&[space, event_type]).inc();
    }

    /// Counts new deliveries that are on disk: those of a new event, or those of a replay.
    pub(crate) fn began(&self, space: &str, deliveries: usize) {
        if deliveries > 0 {
            self.received.with_label_values(&[space, CUSTOM]).inc_by(number(deliveries));
        }
    }

    /// Counts deliveries that ended.
    pub(crate) fn ended(&self, space: &str, outcome: Outcome, deliveries: usize) {
        if deliveries > 0 {
            self.ended.with_label_values(&[space, outcome.name()]).inc_by(number(deliveries));
            self.processed.with_label_values(&[space, CUSTOM]).inc_by(number(deliveries));
        }
    }

    /// Counts an event that could not be stored.
    pub(crate) fn dropped(&self, space: &str) {
        self.dropped.with_label_values(&[space, CUSTOM]).inc();
    }

    /// Counts a request that was refused because the gateway has too much to do, or cannot store events.
    pub(crate) fn refused(&self, code: ErrorCode) {
        self.refused.with_label_values(&[code.as_str()]).inc();
    }

    /// Counts an occurrence that system events of this type report, whether or not they have subscribers.
    pub(crate) fn happened(&self, space: &str, event_type: &str) {
        self.received.with_label_values(&[space, event_type]).inc();
    }

    /// Records how long a delivery waited for its first attempt.
    pub(crate) fn waited(&self, waited: Duration) {
        self.waited.observe(waited.as_secs_f64());
    }

    /// Records an attempt that took `duration`, and whose delivery is `age` old. Given-up deliveries are counted apart, as
    /// they may end without an attempt.
    pub(crate) fn attempted(&self, space: &str, outcome: Outcome, duration: Duration, age: Duration) {
        self.attempts.with_label_values(&[space, outcome.name()]).inc();
        self.attempt_seconds.with_label_values(&[space]).observe(duration.as_secs_f64());
        if outcome == Outcome::Delivered {
            self.latency.with_label_values(&[space]).observe(age.as_secs_f64());
            self.ended(space, outcome, 1);
        }
    }

    /// Counts a request to the Config API.
    pub(crate) fn config_request(&self, space: &str, resource: &str, operation: &str) {
        self.config_requests.with_label_values(&[space, resource, operation]).inc();
    }

    /// Records the duration of a request to the Config API.
    pub(crate) fn config_took(&self, duration: Duration) {
        self.config_seconds.observe(duration.as_secs_f64());
    }

    /// Returns all metrics in the text format 0.0.4 of Prometheus. Without a `backlog`, those about deliveries are
    /// missing. `ahead` is how many seconds the wall clock is ahead of the gateway's time.
    pub(crate) fn text(
        &self,
        catalog: &Catalog,
        store: &StoreState,
        backlog: Option<&Backlog>,
        now: Timestamp,
        ahead: f64,
    ) -> Option<String> {
        let mut families = self.registry.gather();
        families.extend(current(catalog, store, ahead).gather());
        families.extend(backlog.map(|backlog| queued(backlog, now).gather()).into_iter().flatten());
        families.sort_by(|a, b| a.name().cmp(b.name()));
        TextEncoder::new().encode_to_string(&families).ok()
    }
}

const VALID: &str = "names, labels and buckets are fixed, valid and unique";

/// Returns the metrics that are computed on request.
fn current(catalog: &Catalog, store: &StoreState, ahead: f64) -> Registry {
    let registry = Registry::new();
    resources::<EventType>(&registry, catalog, "eventgateway_eventtypes_total");
    resources::<Function>(&registry, catalog, "eventgateway_functions_total");
    resources::<Subscription>(&registry, catalog, "eventgateway_subscriptions_total");
    resources::<Cors>(&registry, catalog, "eventgateway_cors_total");
    let gauge = |name: &str, help: &str, value: i64| {
        let gauge = IntGauge::new(name, help).expect(VALID);
        gauge.set(value);
        registry.register(Box::new(gauge)).expect(VALID);
    };
    gauge(
        "eventgateway_store_writable",
        "1 while the store can be written, 0 while writes fail.",
        i64::from(store.writable),
    );
    gauge(
        "eventgateway_gateways",
        "Gateways that work with the same store, this one included.",
        i64::try_from(store.gateways).unwrap_or(i64::MAX),
    );
    if let Some(database) = &store.database {
        of_database(&registry, database);
    }
    let damaged =
        "Stored events that did not match their checksum when they were to be delivered or replayed.";
    let damaged = IntCounter::new("eventgateway_damaged_events_total", damaged).expect(VALID);
    damaged.inc_by(store.damaged);
    registry.register(Box::new(damaged)).expect(VALID);
    let clock = "How far the wall clock is ahead of the gateway's time, which follows it slowly.";
    let clock = Gauge::new("eventgateway_clock_ahead_seconds", clock).expect(VALID);
    clock.set(ahead);
    registry.register(Box::new(clock)).expect(VALID);
    registry
}

/// Registers the metrics about the database of a store.
fn of_database(registry: &Registry, database: &DatabaseState) {
    let connections =
        Opts::new("eventgateway_store_connections", "Connections for queries to the database of the store.");
    let connections = IntGaugeVec::new(connections, &["state"]).expect(VALID);
    let waiting = "Queries that wait for a connection to the database of the store.";
    let waiting = IntGauge::new("eventgateway_store_queries_waiting", waiting).expect(VALID);
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    connections.with_label_values(&["busy"]).set(count(database.busy));
    connections.with_label_values(&["idle"]).set(count(database.idle));
    waiting.set(count(database.waiting));
    let behind = "How long ago this gateway last found out what the other gateways of the store did.";
    let behind = Gauge::new("eventgateway_store_behind_seconds", behind).expect(VALID);
    behind.set(database.behind.as_secs_f64());
    registry.register(Box::new(connections)).expect(VALID);
    registry.register(Box::new(waiting)).expect(VALID);
    registry.register(Box::new(behind)).expect(VALID);
}

/// Returns the metrics about deliveries.
fn queued(backlog: &Backlog, now: Timestamp) -> Registry {
    let registry = Registry::new();
    let queued = IntGauge::new("eventgateway_events_backlog", "Deliveries that wait or are under way.");
    let queued = queued.expect(VALID);
    queued.set(backlog.deliveries);
    let oldest = "Age of the oldest delivery that waits; 0 when none waits.";
    let oldest = Gauge::new("eventgateway_queue_oldest_seconds", oldest).expect(VALID);
    let age = backlog.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
    oldest.set(age.as_secs_f64());
    let dead = Opts::new("eventgateway_dead_letters", "Deliveries that were given up and are kept.");
    let dead = IntGaugeVec::new(dead, &["space"]).expect(VALID);
    for (space, count) in &backlog.dead {
        dead.with_label_values(&[space]).set(*count);
    }
    registry.register(Box::new(queued)).expect(VALID);
    registry.register(Box::new(oldest)).expect(VALID);
    registry.register(Box::new(dead)).expect(VALID);
    registry
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn resources<T: Entry>(registry: &Registry, catalog: &Catalog, name: &str) {
    let gauge = IntGaugeVec::new(Opts::new(name, format!("{}s that exist.", <T as Entry>::KIND)), &["space"])
        .expect(VALID);
    let table = catalog.table::<T>();
    for space in table.spaces() {
        let count = i64::try_from(table.of_space(space).count()).unwrap_or(i64::MAX);
        gauge.with_label_values(&[space]).set(count);
    }
    registry.register(Box::new(gauge)).expect(VALID);
}
