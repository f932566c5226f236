//! Delivers events to functions: decides which functions get an event and what their answers mean.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use eg_grammar::{EVENT_RECEIVED, HTTP_REQUEST, limits};
use eg_sdk::{CloudEvent, Data};
use http::{HeaderValue, Method, header};

use super::{Entry, Service};
use crate::body::without_default_limit;
use crate::context::{Invocation, Scope};
use crate::outcome::{Failure, FailureKind};
use crate::registry::{FunctionDef, Mode, Trigger};

/// The detail types of scheduled events. Source: the EventBridge user guide, on scheduled rules and EventBridge
/// Scheduler.
const SCHEDULED: (&str, [&str; 2]) = ("Scheduled Event", ["aws.events", "aws.scheduler"]);

/// Whether the sender of an event may wait for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The gateway, on behalf of an emitter, and WebSocket APIs: they wait for functions with synchronous triggers.
    MayWait,
    /// EventBridge and SNS: they look at failures only.
    NeverWaits,
}

impl Service {
    /// Delivers an event to all of its functions. Returns the answer of the last one, for an emitter that waits
    /// (synchronous triggers).
    ///
    /// # Errors
    /// If a function failed, unless the emitter waits for its status; or if no function handles the event.
    pub(crate) async fn event(
        &self,
        event: CloudEvent<Data>,
        sender: Sender,
        invocation: &Arc<Invocation>,
    ) -> Result<Response, Failure> {
        if self.functions_for(&event).is_empty() {
            let failure = self.nobody(&event);
            failure.log(None, &invocation.request_id);
            return Err(failure);
        }
        if sender == Sender::NeverWaits {
            self.check_hops(&event, None, invocation)?;
        }
        let answers = self.deliver(event, sender, invocation).await.into_iter().map(|(_, answer)| answer);
        // The first failure, else the last answer.
        answers.fold(Ok(Response::default()), Failure::of_both)
    }

    /// Checks the length of the chain of events that led to one. Only the gateway checks it before it calls a function.
    ///
    /// # Errors
    /// If the chain is too long. The failure is also printed, with its subject.
    pub(crate) fn check_hops(
        &self,
        event: &CloudEvent<Data>,
        subject: Option<&str>,
        invocation: &Invocation,
    ) -> Result<(), Failure> {
        limits::check_hops(event.hops(), self.shared.max_hops.into()).map_err(|mistake| {
            let message = format!("event `{}` (id {}) is part of {mistake}", event.ty(), event.id());
            let failure = Failure::new(FailureKind::Reject, message);
            failure.log(subject, &invocation.request_id);
            failure
        })
    }

    /// Returns how many events may have led to one that a function gets.
    pub(crate) fn max_hops(&self) -> u32 {
        self.shared.max_hops
    }

    /// Calls a `#[schedule]` function with the event of its schedule.
    ///
    /// # Errors
    /// If the function failed.
    pub(crate) async fn tick(
        &self,
        function: &Entry,
        event: CloudEvent<Data>,
        invocation: &Arc<Invocation>,
    ) -> Result<Response, Failure> {
        function.served.settle(self.request(event, invocation)).await
    }

    /// Delivers an event to all of its functions, even after a failure: a redelivery would reach all of them again.
    pub(crate) async fn deliver(
        &self,
        event: CloudEvent<Data>,
        sender: Sender,
        invocation: &Arc<Invocation>,
    ) -> Vec<(&'static str, Result<Response, Failure>)> {
        let mut answers = Vec::new();
        let mut functions = self.functions_for(&event);
        // A caller of the only function means it, whatever its filter.
        if self.functions.len() > 1 {
            functions.retain(|function| wants(function.def, &event));
        }
        // The last function, often the only one, gets the event without a clone.
        let copies = std::iter::repeat_n(event, functions.len());
        for (function, event) in functions.into_iter().zip(copies) {
            let waits = sender == Sender::MayWait
                && function.def.subscriptions().any(|subscription| {
                    subscription.event_type == event.ty() && subscription.mode == Mode::Sync
                });
            let answer = self.call(function, event, waits, invocation).await;
            answers.push((function.def.name, answer));
        }
        answers
    }

    /// Delivers an event to the function with this name, whatever it subscribes to. `waits` says whether the sender gets the
    /// answer.
    ///
    /// # Errors
    /// If the function failed, unless the sender waits for its status; or if there is no such function.
    pub(crate) async fn call_one(
        &self,
        function: &str,
        event: CloudEvent<Data>,
        waits: bool,
        invocation: &Arc<Invocation>,
    ) -> Result<Response, Failure> {
        match self.functions.iter().find(|known| known.def.name == function) {
            Some(function) => self.call(function, event, waits, invocation).await,
            None => Err(self.nobody(&event)),
        }
    }

    async fn call(
        &self,
        function: &Entry,
        event: CloudEvent<Data>,
        waits: bool,
        invocation: &Arc<Invocation>,
    ) -> Result<Response, Failure> {
        let request = self.request(event, invocation);
        if !waits {
            return function.served.settle(request).await;
        }
        let response = function.served.answer(request).await;
        Failure::without_answer(&response).map_or(Ok(response), Err)
    }

    /// Returns the definitions of all functions.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = &'static FunctionDef> {
        self.functions.iter().map(|function| function.def)
    }

    /// Returns the definitions of the functions that want an event.
    pub(crate) fn definitions_for(&self, event: &CloudEvent<Data>) -> Vec<&'static FunctionDef> {
        let functions = self.functions_for(event).into_iter().map(|function| function.def);
        functions.filter(|function| wants(function, event)).collect()
    }

    /// Turns an event into a request with the facts about the invocation.
    pub(super) fn request(&self, event: CloudEvent<Data>, invocation: &Arc<Invocation>) -> Request {
        let scope = self.scope(invocation, event.trace_context(), Some(event.hops()));
        let mut request = request_of(event);
        request.extensions_mut().insert(scope);
        request
    }

    /// Returns the functions of an event.
    pub(super) fn functions_for(&self, event: &CloudEvent<Data>) -> Vec<&Entry> {
        let subscribed: Vec<_> = self
            .functions
            .iter()
            .filter(|function| {
                let mut events = function.def.subscriptions().filter(|to| !to.is_http());
                events.any(|subscription| subscription.event_type == event.ty())
                    || function.def.triggers.iter().any(|trigger| match trigger {
                        Trigger::EventBridge(pattern) => pattern.takes(event.source(), event.ty()),
                        _ => false,
                    })
            })
            .collect();
        if !subscribed.is_empty() {
            return subscribed;
        }
        // A caller that names a function without this subscription means the function, whatever the event type. So does
        // an event bus: without a gateway that reports events, a function that hears of all of them gets the events.
        let any = |trigger: &Trigger| match trigger {
            Trigger::Subscription(subscription) => subscription.event_type == EVENT_RECEIVED,
            _ => true,
        };
        match self.functions.as_slice() {
            [only] if only.def.triggers.iter().any(any) => vec![only],
            _ => Vec::new(),
        }
    }

    /// Returns the function of a scheduled event in EventBridge's envelope, if it is one that nobody subscribes to: the
    /// only function with a schedule, or the one that the rule is named after (`<function>` or `<service>-<function>`).
    pub(crate) fn scheduled_by(&self, event: &CloudEvent<Data>) -> Option<&Entry> {
        let is_tick = event.ty() == SCHEDULED.0 && SCHEDULED.1.contains(&event.source());
        if !is_tick || !self.functions_for(event).is_empty() {
            return None;
        }
        let scheduled: Vec<_> = self.scheduled().map(|(function, _)| function).collect();
        if let [only] = scheduled.as_slice() {
            return Some(only);
        }
        let rules = event.extension("awsresources").and_then(|resources| resources.as_str());
        let mut rules = rules.unwrap_or_default().split(',').filter_map(|arn| arn.rsplit('/').next());
        rules.find_map(|rule| {
            let in_service = rule.strip_prefix(self.shared.service()).and_then(|rest| rest.strip_prefix('-'));
            let named = |name: &str| scheduled.iter().find(|function| function.def.name == name);
            named(rule).or_else(|| named(in_service?)).copied()
        })
    }

    /// Returns the functions with a schedule, and the schedules.
    pub(crate) fn scheduled(&self) -> impl Iterator<Item = (&Entry, &'static str)> {
        self.functions.iter().flat_map(|function| {
            function.def.triggers.iter().filter_map(move |trigger| match trigger {
                Trigger::Schedule(schedule) => Some((function, *schedule)),
                _ => None,
            })
        })
    }

    fn nobody(&self, event: &CloudEvent<Data>) -> Failure {
        let known: Vec<String> = self.functions.iter().map(describe).collect();
        let mut message =
            format!("no function here subscribes to event type `{}`: {}", event.ty(), known.join("; "));
        if event.ty() == HTTP_REQUEST && self.http.is_some() {
            // Anybody who can emit could otherwise send requests with headers of their choice to any route.
            message.push_str(
                "; only the CloudEvents 0.1 event of an event gateway, as the payload itself, is an HTTP request",
            );
        }
        Failure::new(FailureKind::Reject, message)
    }
}

/// Returns whether an event meets the conditions of a function that gets events of its type.
fn wants(function: &FunctionDef, event: &CloudEvent<Data>) -> bool {
    let mut of_type = function.subscriptions().filter(|to| to.event_type == event.ty()).peekable();
    of_type.peek().is_none() || of_type.any(|to| to.wants(event))
}

fn describe(function: &Entry) -> String {
    let triggers = function.def.triggers.iter().map(|trigger| match trigger {
        Trigger::Subscription(subscription) => match subscription.route {
            Some(route) if subscription.is_http() => format!("{} {}", subscription.method, route.path),
            _ => subscription.event_type.to_owned(),
        },
        Trigger::Schedule(expression) => format!("the schedule {expression}"),
        Trigger::Queue(queue) => format!("the queue {}", queue.name),
        Trigger::EventBridge(pattern) => {
            format!("`{}` from {}", pattern.detail_types.join("`, `"), pattern.sources.join(", "))
        }
        Trigger::Stream(stream) => format!("the {} stream {}", stream.kind, stream.name),
        Trigger::Authorizer { .. } => "questions whether a request may pass".to_owned(),
        Trigger::Invoke => "any payload, but only if `_HANDLER` names it".to_owned(),
    });
    format!("`{}` takes {}", function.def.name, triggers.collect::<Vec<_>>().join(", "))
}

/// Turns an event that came with an HTTP request into a request for a function.
pub(super) fn request_in_scope(event: CloudEvent<Data>, scope: Option<Scope>) -> Request {
    let (trace, hops) = (event.trace_context(), Some(event.hops()));
    let mut request = request_of(event);
    if let Some(mut scope) = scope {
        scope.context.trace = trace;
        scope.context.hops = hops;
        request.extensions_mut().insert(scope);
    }
    request
}

/// Turns an event into a request. The payload is the body, so that axum's extractors work; `CloudEvent<T>` reads the
/// event from the extensions. Whoever sent the event has checked its size.
fn request_of(event: CloudEvent<Data>) -> Request {
    let mut request = Request::new(Body::from(event.data.as_bytes().to_vec()));
    without_default_limit(&mut request);
    *request.method_mut() = Method::POST;
    let media_type = event.datacontenttype().and_then(|media_type| HeaderValue::from_str(media_type).ok());
    let media_type = media_type.unwrap_or(HeaderValue::from_static("application/json"));
    request.headers_mut().insert(header::CONTENT_TYPE, media_type);
    request.extensions_mut().insert(event);
    request
}
