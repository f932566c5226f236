//! The HTTP APIs: reads requests and writes responses. `decide` makes the decisions, and `server` handles the HTTP
//! connections.

mod access;
mod accounting;
mod answering;
mod backup;
mod calls;
mod causes;
pub(crate) mod config;
pub(crate) mod connector;
mod cors;
pub(crate) mod dashboard;
mod dead_letters;
mod deliveries;
mod emission;
mod errors;
mod event_types;
pub(crate) mod events;
mod feed;
mod functions;
mod guard;
mod history;
mod jobs;
mod metrics;
mod openapi;
mod put_events;
mod query;
mod received;
mod redirect;
mod replays;
mod resource;
mod routes;
pub(crate) mod screening;
mod statistics;
mod streamed;
mod subscriptions;

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, HttpBody as _};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use eg_grammar::DeliveryPolicy;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::screening::Screening;
use crate::budget::{Budget, Reservation};
use crate::configuration::Configuration;
use crate::decide::access::AccessKeys;
use crate::decide::arrival::NewEvent;
use crate::decide::fan_out::FanOut;
use crate::decide::place::OTHER_SPACES;
use crate::decide::router::DEFAULT_SPACE;
use crate::decide::targets::PrivateTargets;
use crate::decide::volume;
use crate::deliver::{Delivering, Invoker};
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::recent::Recent;
use crate::reception::Reception;
use crate::spans::Spans;
use crate::store::Store;
use crate::system_events::SystemEvents;
use crate::wakeups::Wakeups;

/// The length of an answer whose memory does not count while it is sent.
const SHORT: usize = 4 * 1024;

/// The state that the handlers of both APIs share.
pub(crate) struct ApiState {
    pub(crate) store: Store,
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) invoker: Arc<Invoker>,
    pub(crate) system_events: SystemEvents,
    pub(crate) spans: Spans,
    pub(crate) reception: Reception,
    pub(crate) wakeups: Arc<Wakeups>,
    pub(crate) feed: Feed,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) recent: Arc<Recent>,
    /// The retry policy of subscriptions that have none.
    pub(crate) default_retry: DeliveryPolicy,
    /// Maximum size of the store in bytes.
    pub(crate) store_limit: u64,
    /// Maximum size of a body in bytes.
    pub(crate) body_limit: usize,
    /// Memory for requests and their answers, in bytes.
    pub(crate) memory: Budget,
    /// Places for events that wait for the store.
    pub(crate) storing: Budget,
    /// The descendants of events.
    pub(crate) fan_out: Mutex<FanOut>,
    /// The calls that emitters wait for.
    pub(crate) calls: Budget,
    pub(crate) access_keys: AccessKeys,
    pub(crate) screening: Screening,
    /// The private addresses where functions may be.
    pub(crate) private_targets: PrivateTargets,
    /// The domain whose subdomains are spaces.
    pub(crate) domain: Option<String>,
    /// Whether to keep the quirks of the original, see [`Options::strict_compat`](crate::Options::strict_compat).
    pub(crate) strict: bool,
    /// Cancelled when the gateway is to stop. Requests under way may finish.
    pub(crate) stop: CancellationToken,
    /// Cancelled when the gateway has stopped, to end the work that requests started.
    pub(crate) ended: CancellationToken,
}

impl ApiState {
    /// Returns the state for the APIs of the gateway that `delivering` belongs to.
    pub(crate) fn new(
        options: &Options,
        delivering: &Delivering,
        screening: Screening,
        reception: Reception,
        spans: Spans,
        ended: CancellationToken,
    ) -> Self {
        Self {
            store: delivering.store.clone(),
            configuration: Arc::clone(&delivering.configuration),
            invoker: Arc::clone(&delivering.invoker),
            system_events: delivering.system_events.clone(),
            spans,
            wakeups: Arc::clone(&reception.wakeups),
            feed: delivering.feed.clone(),
            stop: delivering.stop.clone(),
            metrics: Arc::clone(&delivering.metrics),
            recent: Arc::clone(&reception.recent),
            default_retry: delivering.retry.clone(),
            store_limit: options.store_limit,
            body_limit: options.body_limit,
            memory: reception.memory.clone(),
            reception,
            storing: Budget::new(volume::PLACES),
            fan_out: Mutex::new(FanOut::new(options.max_fan_out)),
            calls: Budget::new((options.max_connections / 2).max(1)),
            access_keys: options.access_keys.clone(),
            screening,
            private_targets: options.private_targets.clone(),
            domain: options.domain.clone(),
            strict: options.strict_compat,
            ended,
        }
    }

    /// Gives up the deliveries of an event if the one that it descends from has led to too many.
    fn bound_fan_out(&self, new: &mut NewEvent) {
        // Without hops, nobody knows the cause: the name may be any text, and stand in independent events.
        let is_known = new.event.hops() > 0;
        let Some(cause) = new.event.cause().filter(|_| is_known && new.is_delivered()) else { return };
        let mut fan_out = self.fan_out.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = fan_out.descend(&new.origin.space, new.event.id(), cause) {
            new.give_up(&reason);
        }
    }

    /// Counts a request to the Config API. Spaces that have no resources are counted together.
    fn count(&self, space: &str, resource: &str, operation: &str) {
        let known = space == DEFAULT_SPACE || self.configuration.current().catalog.has_space(space);
        self.metrics.config_request(if known { space } else { OTHER_SPACES }, resource, operation);
    }
}

/// Returns a JSON answer: one line, as the original sent it.
fn json<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Response {
    let Ok(mut text) = serde_json::to_string(value) else {
        // Only maps with keys other than strings have no JSON form; no answer has any.
        return answer(StatusCode::INTERNAL_SERVER_ERROR, Body::empty());
    };
    text.push('\n');
    with_type(answer(status, Body::from(text)), "application/json")
}

/// Returns the host that a request is for, with its port.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.or(uri.authority().map(Authority::as_str)).unwrap_or_default()
}

/// Keeps the memory of an answer reserved until it is sent.
fn holding(mut answer: Response, room: Reservation) -> Response {
    // A body of unknown length is streamed; one without content needs nothing.
    let length = answer
        .body()
        .size_hint()
        .exact()
        .map_or(streamed::MEMORY, |size| usize::try_from(size).unwrap_or(usize::MAX));
    if length > SHORT {
        room.shrink_to(length);
        answer.extensions_mut().insert(Arc::new(room));
    }
    answer
}

fn answer(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn with_type(mut response: Response, media_type: &'static str) -> Response {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
