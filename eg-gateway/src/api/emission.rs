//! Carries one request to the Events API through its steps: read it, route it, authorize it, and store the event for the
//! asynchronous subscribers. `answering` calls the synchronous one, and `decide` makes the decision in each step.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use eg_grammar::header::{CONFLICTS, DUPLICATES};
use eg_sdk::config::{EventType, Function};
use eg_sdk::{CloudEvent, TraceContext};

use super::causes::Causes;
use super::errors::ApiError;
use super::{ApiState, answer, holding, host};
use crate::activity::Activity;
use crate::budget::{Holder, Reservation};
use crate::clock;
use crate::decide::arrival::{NewEvent, Origin};
use crate::decide::authorize::{self, Authorization, Denied};
use crate::decide::classify::{BadEvent, Classified, Draft, Incoming, classify, without_body};
use crate::decide::envelope::Stamp;
use crate::decide::event::Event;
use crate::decide::place::Place;
use crate::decide::router::{Matched, Target};
use crate::decide::size::{self, TooLarge};
use crate::decide::snapshot::Snapshot;
use crate::decide::system::SystemEvent;
use crate::decide::trace;
use crate::decide::volume::{self, TooMany};
use crate::store::{Accepted, StoreError};

/// Returns the answer to events that are stored. The original's has neither a body nor this header.
fn acknowledgement(duplicates: Duplicates) -> Response {
    let mut accepted = answer(StatusCode::ACCEPTED, Body::empty());
    for (name, count) in [(DUPLICATES, duplicates.all), (CONFLICTS, duplicates.conflicts)] {
        if count > 0 {
            accepted.headers_mut().insert(HeaderName::from_static(name), count.into());
        }
    }
    accepted
}

/// Memory of each event of a batch besides its JSON.
const EVENT: usize = 1024;

/// Returns how many events are duplicates. The gateway accepts a copy of an event for each space that has subscriptions
/// for it, and to the emitter these are one event: a duplicate if all of them are. `copies` has the number of copies of
/// each event, in the order of `accepted`.
fn duplicates(accepted: &[Accepted], copies: &[usize]) -> Duplicates {
    let (mut accepted, mut duplicates) = (accepted, Duplicates::default());
    for copies in copies {
        let (these, rest) = accepted.split_at((*copies).min(accepted.len()));
        accepted = rest;
        if !these.contains(&Accepted::New) {
            duplicates.all += 1;
            duplicates.conflicts += usize::from(these.contains(&Accepted::Duplicate { conflict: true }));
        }
    }
    duplicates
}

/// How many events of a request were accepted before.
#[derive(Debug, Clone, Copy, Default)]
struct Duplicates {
    all: usize,
    /// Those with another payload.
    conflicts: usize,
}

/// A request to the Events API that is being processed.
pub(super) struct Emission {
    pub(super) app: Arc<ApiState>,
    pub(super) place: Place,
    pub(super) parts: Parts,
    pub(super) body: Bytes,
    /// The memory of the request, and of the function's answer to it.
    pub(super) room: Reservation,
    /// The client and the space, whose shares the request counts towards.
    pub(super) holders: [Option<Holder>; 2],
    pub(super) started: Instant,
    pub(super) causes: Causes,
}

impl Emission {
    pub(super) async fn process(mut self) -> Result<Response, ApiError> {
        let snapshot = self.app.configuration.current();
        let classified = self.classify()?;
        // The events have what they need of it.
        self.body = Bytes::new();
        match classified {
            Classified::One(event) => self.emit(&snapshot, event).await,
            Classified::Batch(events) => self.emit_all(&snapshot, events).await,
        }
    }

    async fn emit(mut self, snapshot: &Arc<Snapshot>, draft: Draft) -> Result<Response, ApiError> {
        let matched = snapshot.router.route_to(&self.place, draft.ty(), self.parts.method.as_str());
        if matched.is_empty() && draft.is_request() && !self.app.strict {
            return Ok(self.unrouted(snapshot));
        }
        if matched.sync.is_some() {
            // Storing fails anyway then, but authorizers and synchronous calls store nothing.
            self.app.store.check_standing()?;
        }
        let mut arrivals = self.arrivals(snapshot, draft, &matched).await?;
        let Some((subscription, _)) = matched.sync else {
            // The answer says that the event was accepted, so it must be stored even if it has no subscriber yet.
            let copies = arrivals.len();
            let accepted = self.accept(snapshot, arrivals).await?;
            return Ok(acknowledgement(duplicates(&accepted, &[copies])));
        };
        // The first is that of the synchronous subscription's space.
        let first = &mut arrivals[0];
        // A failure here does not change the answer; the reception has logged it.
        let notices = std::mem::take(&mut first.notices);
        let _ = self.app.reception.accept(&self.place.space, snapshot, notices).await;
        let holder = Holder::function(&subscription.space, &subscription.function_id);
        self.room.join(holder);
        let answer = Box::pin(self.ask(snapshot, &subscription, holder, &first.event)).await;
        if first.intakes.is_empty() {
            if let Some(accepting) = self.app.spans.accepting(&first.event) {
                self.app.spans.accepted(&accepting, self.started.elapsed(), None);
            }
            arrivals.remove(0);
        }
        self.accept(snapshot, arrivals).await?;
        answer.map(|answer| holding(answer, self.room))
    }

    /// Returns the answer to an HTTP request that no function answers. Nothing is stored.
    fn unrouted(&self, snapshot: &Snapshot) -> Response {
        let method = self.parts.method.as_str();
        let unrouted = snapshot.router.unrouted(&self.place, method);
        self.app.feed.publish(|| Activity::Unrouted {
            method: method.to_owned(),
            path: self.parts.uri.path().to_owned(),
            status: unrouted.status(),
            hint: unrouted.hint(),
        });
        let preflight = self.parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let advice = match self.parts.method {
            Method::OPTIONS if preflight => {
                "; to let web pages of other origins send such requests, set `cors` on the route"
            }
            Method::POST if self.place.path == "/" => {
                "; to emit an event, send it with the content type `application/cloudevents+json`"
            }
            _ => "",
        };
        let error = ApiError::unrouted(format!("{unrouted}{advice}"), unrouted.status());
        let mut response = error.into_response();
        if let Some(allow) = unrouted.allow().and_then(|allow| HeaderValue::try_from(allow).ok()) {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        response
    }

    /// Prepares the event of a request to be accepted: one copy for each space that has subscriptions for it, or one
    /// without deliveries.
    async fn arrivals(
        &self,
        snapshot: &Snapshot,
        draft: Draft,
        matched: &Matched,
    ) -> Result<Vec<NewEvent>, ApiError> {
        let params = matched.sync.as_ref().and_then(|(_, params)| params.as_ref());
        let mut spaces = matched.by_space(&self.place.space);
        let (last, last_targets) = spaces.pop().unwrap_or_default();
        let mut arrivals = Vec::with_capacity(spaces.len() + 1);
        for (space, targets) in spaces {
            let authorization = self.authorized(snapshot, &space, &draft).await?;
            let event = self.complete(draft.to_event(params), authorization.as_ref())?;
            let event = self.causes.counted(&self.app.store, &space, event).await?;
            arrivals.push(self.arrival(snapshot, space, event, &targets, matched)?);
        }
        let authorization = self.authorized(snapshot, &last, &draft).await?;
        let event = self.complete(draft.into_event(params), authorization.as_ref())?;
        let event = self.causes.counted(&self.app.store, &last, event).await?;
        arrivals.push(self.arrival(snapshot, last, event, &last_targets, matched)?);
        Ok(arrivals)
    }

    /// Accepts all events or none.
    async fn emit_all(&self, snapshot: &Arc<Snapshot>, drafts: Vec<Draft>) -> Result<Response, ApiError> {
        self.room.grow(drafts.len() * EVENT).map_err(ApiError::no_memory)?;
        let (mut events, mut copies, mut rows) =
            (Vec::with_capacity(drafts.len()), Vec::with_capacity(drafts.len()), 0);
        let count = drafts.len();
        for draft in drafts {
            let arrivals = self.unanswered(snapshot, draft).await?;
            rows += volume::rows(&arrivals);
            if rows > volume::ROWS {
                return Err(TooMany::Rows(count).into());
            }
            copies.push(arrivals.len());
            events.extend(arrivals);
        }
        let accepted = self.accept(snapshot, events).await?;
        Ok(acknowledgement(duplicates(&accepted, &copies)))
    }

    /// Accepts several events, all or none, and records a span for each. Their deliveries were decided by `snapshot`. Returns
    /// for each whether it is a duplicate.
    pub(super) async fn accept(
        &self,
        snapshot: &Arc<Snapshot>,
        events: Vec<NewEvent>,
    ) -> Result<Vec<Accepted>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let _place =
            self.app.storing.reserve(self.holders, volume::weight(&events)).map_err(|_| StoreError::Busy)?;
        let accepting: Vec<_> =
            events.iter().filter_map(|new| self.app.spans.accepting(&new.event)).collect();
        let stored = self.app.reception.accept(&self.place.space, snapshot, events).await;
        for accepting in accepting {
            let error = stored.as_ref().err().map(ToString::to_string);
            self.app.spans.accepted(&accepting, self.started.elapsed(), error);
        }
        stored
    }

    /// Prepares one event of a batch to be accepted. A batch has no place for answers, so an event with a synchronous
    /// subscriber is refused.
    pub(super) async fn unanswered(
        &self,
        snapshot: &Snapshot,
        draft: Draft,
    ) -> Result<Vec<NewEvent>, ApiError> {
        let matched = snapshot.router.route_to(&self.place, draft.ty(), self.parts.method.as_str());
        if matched.sync.is_some() {
            return Err(ApiError::answered_in_batch(draft.ty()));
        }
        self.arrivals(snapshot, draft, &matched).await
    }

    /// Returns an event with its deliveries and the system events about it, ready to be stored in `space`. Fails if a
    /// function of the space that gets the event cannot take it.
    fn arrival(
        &self,
        snapshot: &Snapshot,
        space: String,
        event: Event,
        targets: &[Arc<Target>],
        matched: &Matched,
    ) -> Result<NewEvent, TooLarge> {
        let received =
            SystemEvent::Received { path: &self.place.path, event: &event, headers: &self.parts.headers };
        let notices = self.app.system_events.arrivals(snapshot, &space, &received);
        let origin = Origin {
            space,
            method: self.parts.method.as_str().to_owned(),
            path: self.place.path.clone(),
            accepted_at: clock::timestamp(),
        };
        let mut arrival = self.app.reception.terms.admit(event, origin, targets, notices);
        self.app.bound_fan_out(&mut arrival);
        let (space, size) = (&arrival.origin.space, arrival.event.json().len());
        let answering = matched.sync.iter().map(|(subscription, _)| subscription);
        let answering = answering.filter(|subscription| subscription.space == *space);
        let receiving = arrival.intakes.iter().filter(|intake| intake.is_delivered());
        let subscriptions = receiving.map(|intake| &intake.subscription).chain(answering);
        let functions = subscriptions.map(|subscription| subscription.function_id.as_str());
        size::check(&snapshot.catalog, space, functions, size)?;
        Ok(arrival)
    }

    fn classify(&self) -> Result<Classified, ApiError> {
        let stamp = || Stamp { id: clock::event_id().to_string(), time: clock::now() };
        Ok(classify(&self.incoming(), stamp)?)
    }

    fn incoming(&self) -> Incoming<'_> {
        Incoming {
            method: self.parts.method.as_str(),
            path: &self.place.path,
            query: self.parts.uri.query(),
            host: host(&self.parts.uri, &self.parts.headers),
            headers: &self.parts.headers,
            body: &self.body,
            strict: self.app.strict,
        }
    }

    /// Asks the authorizer of the event's type in a space, if it has one. Without its consent the event is neither stored nor
    /// delivered.
    async fn authorized(
        &self,
        snapshot: &Snapshot,
        space: &str,
        draft: &Draft,
    ) -> Result<Option<Authorization>, ApiError> {
        let ty = snapshot.catalog.routing.routed_type(draft.ty());
        let ty = snapshot.catalog.table::<EventType>().get(space, &ty);
        let Some(id) = ty.and_then(|ty| ty.authorizer_id.as_deref()) else { return Ok(None) };
        // The futures of calls are large. On the heap, they cost memory only for the events that need them.
        Box::pin(self.authorize(snapshot, space, draft, id)).await.map(Some)
    }

    /// Asks the authorizer with this id, and returns its verdict.
    async fn authorize(
        &self,
        snapshot: &Snapshot,
        space: &str,
        draft: &Draft,
        id: &str,
    ) -> Result<Authorization, ApiError> {
        let event = Event::new(draft.to_event(None)).map_err(BadEvent::from)?;
        let request = without_body(&self.incoming());
        let question = authorize::question(event.json(), &request).ok_or_else(ApiError::internal)?;
        let verdict = match snapshot.catalog.table::<Function>().get(space, id) {
            Some(function) => {
                size::fits(function, question.len())?;
                match self.app.invoker.ask(function, Bytes::from(question), &event.trace(), &self.room).await
                {
                    Ok(reply) => authorize::verdict(&reply),
                    Err(error) => Err(Denied::Malformed(error.to_string())),
                }
            }
            None => Err(Denied::Malformed("the function does not exist".to_owned())),
        };
        verdict.map_err(|denied| {
            tracing::warn!(event_type = event.ty(), authorizer = id, reason = %denied, "event not authorized");
            ApiError::unauthorized(event.ty(), &denied)
        })
    }

    /// Adds the trace of the request and the authorization to the event.
    fn complete(&self, event: CloudEvent, authorization: Option<&Authorization>) -> Result<Event, BadEvent> {
        let event = trace::joined(event, TraceContext::of_headers(&self.parts.headers).as_ref());
        let event = match authorization {
            Some(authorization) => authorize::mark(event, authorization)?,
            None => event,
        };
        Ok(Event::new(event)?)
    }
}
