//! What happens to an event that a client emits: a synchronous subscriber answers it, asynchronous ones get it from the
//! store. The steps stand in `Emission::process`, in their order.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use eg_sdk::config::{EventType, Function, Subscription};

use super::errors::ApiError;
use super::{App, answer, host};
use crate::activity::Activity;
use crate::clock::{self, Millis};
use crate::configuration::Snapshot;
use crate::decide::authorize::{self, Authorization, Denied};
use crate::decide::classify::{BadEvent, Classified, Event, Incoming, classify, without_body};
use crate::decide::delivery::Failure;
use crate::decide::envelope::Stamp;
use crate::decide::facts::Facts;
use crate::decide::place::Place;
use crate::decide::reply;
use crate::decide::router::Matched;
use crate::decide::system::Happening;
use crate::decide::trace;
use crate::deliver::CallError;
use crate::reception::Arrival;
use crate::store::StoreError;

/// A request to the Events API on its way.
pub(super) struct Emission {
    pub(super) app: Arc<App>,
    pub(super) place: Place,
    pub(super) parts: Parts,
    pub(super) body: Bytes,
    pub(super) started: Instant,
}

impl Emission {
    pub(super) async fn process(self) -> Result<Response, ApiError> {
        let snapshot = self.app.configuration.current();
        match self.classify()? {
            Classified::One(event) => self.emit(&snapshot, event).await,
            Classified::Batch(events) => self.emit_all(&snapshot, events).await,
        }
    }

    async fn emit(&self, snapshot: &Snapshot, event: Event) -> Result<Response, ApiError> {
        let (id, ty, source) = (event.id.clone(), event.ty.clone(), event.source.clone());
        let Matched { sync, asynchronous } =
            snapshot.router.route_to(&self.place, &ty, self.parts.method.as_str());
        let params = sync.as_ref().and_then(|(_, params)| params.as_ref());
        let authorization = self.authorize(snapshot, &event).await?;
        let json = self.complete(event.into_json(params), authorization.as_ref())?;

        let mut notices = self.notices(&json);
        let answer = match sync {
            Some((subscription, _)) => {
                // Watchers do not decide about the answer; the reception has logged what went wrong.
                let _ = self.app.reception.accept(std::mem::take(&mut notices)).await;
                Some(self.ask(snapshot, &subscription, &id, json.clone()).await)
            }
            None => None,
        };
        // Without a synchronous subscriber the answer is "accepted", and that has to be true even if nobody asked for
        // the event yet.
        if answer.is_none() || !asynchronous.is_empty() {
            let Place { space, path, .. } = self.place.clone();
            let arrival = Arrival {
                space,
                id,
                ty,
                source,
                method: self.parts.method.as_str().to_owned(),
                path,
                accepted_at: clock::now_millis(),
                json,
                targets: asynchronous,
                notices,
            };
            self.accept(vec![arrival]).await?;
        } else {
            self.app.spans.accepted(&json, &ty, self.started.elapsed(), None);
        }
        answer.unwrap_or_else(|| Ok(self::answer(StatusCode::ACCEPTED, Body::empty())))
    }

    /// Accepts all events or none.
    async fn emit_all(&self, snapshot: &Snapshot, events: Vec<Event>) -> Result<Response, ApiError> {
        let accepted_at = clock::now_millis();
        let mut accepted = Vec::with_capacity(events.len());
        for event in events {
            accepted.push(self.unanswered(snapshot, event, accepted_at).await?);
        }
        self.accept(accepted).await?;
        Ok(answer(StatusCode::ACCEPTED, Body::empty()))
    }

    /// Accepts events that belong together.
    pub(super) async fn accept(&self, events: Vec<Arrival>) -> Result<(), StoreError> {
        let told: Vec<_> = if self.app.spans.is_wanted() {
            events.iter().map(|event| (event.ty.clone(), event.json.clone())).collect()
        } else {
            Vec::new()
        };
        let stored = self.app.reception.accept(events).await;
        for (ty, json) in told {
            let error = stored.as_ref().err().map(ToString::to_string);
            self.app.spans.accepted(&json, &ty, self.started.elapsed(), error);
        }
        stored
    }

    /// One of several events, ready to be accepted. Nobody can answer several at once, so none of them may ask for an
    /// answer.
    pub(super) async fn unanswered(
        &self,
        snapshot: &Snapshot,
        event: Event,
        accepted_at: Millis,
    ) -> Result<Arrival, ApiError> {
        let method = self.parts.method.as_str();
        let Matched { sync, asynchronous } = snapshot.router.route_to(&self.place, &event.ty, method);
        if sync.is_some() {
            return Err(ApiError::answered_in_batch(&event.ty));
        }
        let authorization = self.authorize(snapshot, &event).await?;
        let json = self.complete(event.to_json(None).into_owned(), authorization.as_ref())?;
        let notices = self.notices(&json);
        Ok(Arrival {
            space: self.place.space.clone(),
            id: event.id,
            ty: event.ty,
            source: event.source,
            method: method.to_owned(),
            path: self.place.path.clone(),
            accepted_at,
            json,
            targets: asynchronous,
            notices,
        })
    }

    /// The events that tell of an event that is being accepted.
    fn notices(&self, event: &[u8]) -> Vec<Arrival> {
        let happening = Happening::Received { path: &self.place.path, event, headers: &self.parts.headers };
        self.app.invoker.system().events(&self.place.space, &happening)
    }

    fn classify(&self) -> Result<Classified, ApiError> {
        let stamp = Stamp { id: clock::event_id().to_string(), time: clock::now() };
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

    /// Asks the authorizer of the event's type, where it has one. Without its consent nothing happens to the event,
    /// whoever is subscribed.
    async fn authorize(&self, snapshot: &Snapshot, event: &Event) -> Result<Option<Authorization>, ApiError> {
        let ty = snapshot.catalog.table::<EventType>().get(&self.place.space, &event.ty);
        let Some(id) = ty.and_then(|ty| ty.authorizer_id.as_deref()) else { return Ok(None) };
        let request = without_body(&self.incoming());
        let question = authorize::question(&event.to_json(None), &request).ok_or_else(ApiError::internal)?;
        let verdict = match snapshot.catalog.table::<Function>().get(&self.place.space, id) {
            Some(function) => {
                match self.app.invoker.ask(function, Bytes::from(question), &event.to_json(None)).await {
                    Ok(reply) => authorize::verdict(&reply),
                    Err(error) => Err(Denied::Malformed(error.to_string())),
                }
            }
            None => Err(Denied::Malformed("the function does not exist".to_owned())),
        };
        verdict.map(Some).map_err(|denied| {
            tracing::warn!(event_type = event.ty, authorizer = id, reason = %denied, "event not authorized");
            ApiError::unauthorized(&event.ty, &denied)
        })
    }

    /// The event with the trace that it came by, and the authorization that it was accepted with.
    fn complete(&self, json: Vec<u8>, authorization: Option<&Authorization>) -> Result<Bytes, BadEvent> {
        let json = trace::joined(json, trace::of_request(&self.parts.headers).as_ref());
        let json = match authorization {
            Some(authorization) => authorize::mark(&json, authorization)?,
            None => json,
        };
        Ok(Bytes::from(json))
    }

    /// Calls the function of a synchronous subscription and makes its reply the answer.
    async fn ask(
        &self,
        snapshot: &Snapshot,
        subscription: &Subscription,
        id: &str,
        json: Bytes,
    ) -> Result<Response, ApiError> {
        let (space, ty) = (&subscription.space, &subscription.event_type);
        self.app.metrics.sync_received(space, ty);
        let (method, path) = (self.parts.method.as_str(), self.parts.uri.path());
        self.app.feed.tell(|| Activity::Asked {
            id: id.to_owned(),
            event_type: ty.clone(),
            method: method.to_owned(),
            path: path.to_owned(),
            cause: Facts::new(&json).cause().map(str::to_owned),
        });
        let answer = self.call(snapshot, subscription, json).await;
        self.app.metrics.sync_processed(space, ty);
        let status = answer.as_ref().map_or_else(ApiError::status, Response::status);
        self.app.feed.tell(|| Activity::Answered {
            id: id.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            event_type: subscription.event_type.clone(),
            function: Some(subscription.function_id.clone()),
            status: status.as_u16(),
            duration: self.started.elapsed(),
        });
        answer
    }

    async fn call(
        &self,
        snapshot: &Snapshot,
        subscription: &Subscription,
        json: Bytes,
    ) -> Result<Response, ApiError> {
        let id = &subscription.function_id;
        let function = snapshot.catalog.table::<Function>().get(&subscription.space, id);
        let function =
            function.ok_or_else(|| CallError::Failed(Failure::Retry(format!("no function \"{id}\""))))?;
        let reply =
            self.app.invoker.invoke(function, &subscription.event_type, json).await.inspect_err(|error| {
                tracing::warn!(function = id, %error, "function call failed");
            })?;
        let reply = reply::read(&reply).inspect_err(|_| {
            tracing::warn!(function = id, "the reply is not {{statusCode, headers, body}}");
        })?;
        let mut response = answer(reply.status, Body::from(reply.body));
        *response.headers_mut() = reply.headers;
        Ok(response)
    }
}
