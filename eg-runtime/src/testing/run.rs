//! Runs what is due: accepts the events that functions have emitted, calls functions in the order of the clock, and decides
//! what follows a failure. `pending` has the order and the pauses, `seed` the faults.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::response::Response;
use bytes::Bytes;
use eg_grammar::extension::PARTITION_KEY;
use eg_grammar::{DeliveryLimits, DeliveryPolicy, HTTP_REQUEST, Spelling, limits};
use eg_sdk::{CloudEvent, Data, DataError, IntoCloudEvent};
use http_body_util::{BodyExt as _, Collected};

use super::app::TestApp;
use super::clock;
use super::delivery::{DeadLetter, Delivery, Outcome};
use super::inner::{Inner, State};
use super::invoke::scheduled_event;
use super::loops::{circle, last};
use super::pending::{Again, Item};
use super::seed::{Faults, interrupted};
use crate::context::Invocation;
use crate::outcome::{Failure, FailureKind};
use crate::registry::{FunctionDef, Mode, Subscription, Trigger};

/// How many deliveries one moment may have before the test assumes an endless loop that the events themselves do not show.
const MANY: usize = 10_000;

impl TestApp {
    /// Delivers an event to all of its functions, at once. Returns the outcomes. What fails is retried when the clock
    /// advances, unless the function's subscription is synchronous.
    ///
    /// # Errors
    /// If the payload cannot be serialized as JSON.
    pub async fn deliver<E: IntoCloudEvent>(&self, event: E) -> Result<Vec<Delivery>, DataError> {
        let event = event.into_cloud_event(&self.0.member(0).source)?;
        let mut deliveries = Vec::new();
        for (service, function) in self.subscribers(&event) {
            if answers(function, event.ty()) {
                let answer = self.0.call(service, function.name, event.clone(), true).await;
                let outcome = Outcome::from(answer);
                deliveries.push(Delivery {
                    event: event.clone(),
                    function: function.name,
                    attempt: 1,
                    outcome,
                });
            } else {
                deliveries.push(self.attempt(self.item(service, function, event.clone())).await);
            }
        }
        Ok(deliveries)
    }

    /// Delivers what is due now: all emitted events, and those emitted in turn, and the messages of queues and streams.
    /// What fails waits until the clock [advances](Self::advance). An event is delivered even if it was
    /// [taken](eg_sdk::Recorder::take) from the recorder.
    ///
    /// # Panics
    /// If events cause each other in an endless loop. The message names the events and functions of the loop.
    pub async fn settle(&self) -> Vec<Delivery> {
        self.run_until(self.now()).await
    }

    /// Advances the clock, and does everything that becomes due on the way, in the order of its time: retries, schedules,
    /// and what they cause. Returns the deliveries.
    ///
    /// # Panics
    /// As [`settle`](Self::settle), or if the clock cannot show the time.
    pub async fn advance(&self, by: Duration) -> Vec<Delivery> {
        let until = self.now().checked_add(by).expect("the clock shows no time so far away");
        self.run_until(until).await
    }

    /// Runs what is due until the clock reaches `until`.
    pub(super) async fn run_until(&self, until: SystemTime) -> Vec<Delivery> {
        let (mut deliveries, mut of_this_moment, mut moment) = (Vec::new(), 0, None);
        loop {
            while let Some(event) = self.next_unsettled() {
                if self.is_refused(&event)
                    && let Some(circle) = circle(&event, &deliveries)
                {
                    panic!("events cause each other in a loop: {circle}");
                }
                self.accept(&event);
            }
            let Some(item) = self.take_due(until) else { break };
            let now = self.now();
            if moment.replace(now) != Some(now) {
                of_this_moment = 0;
            }
            of_this_moment += 1;
            assert!(
                of_this_moment <= MANY,
                "more than {MANY} deliveries: events probably cause each other in a loop. The next event is `{}`; the \
                 last deliveries were {}",
                item.event.ty(),
                last(&deliveries)
            );
            deliveries.push(self.attempt(item).await);
        }
        self.state().now = until;
        deliveries
    }

    /// Returns whether a subscriber refuses an event because of its hops.
    fn is_refused(&self, event: &CloudEvent) -> bool {
        let mut subscribers = self.subscribers(event).into_iter();
        subscribers.any(|(service, _)| {
            limits::check_hops(event.hops(), self.0.member(service).service.max_hops().into()).is_err()
        })
    }

    /// Accepts an event: it waits for each function with an asynchronous subscription. Those with a synchronous one were
    /// called when it was emitted.
    fn accept(&self, event: &CloudEvent) {
        for (service, function) in self.subscribers(event) {
            if !answers(function, event.ty()) {
                let item = self.item(service, function, event.clone());
                self.push(item);
            }
        }
    }

    /// Returns the delivery of an event to a function, which is due now.
    pub(super) fn item(&self, service: usize, function: &'static FunctionDef, event: CloudEvent) -> Item {
        let again = Again::Event(policy(function, &event));
        let is_ordered = function.subscriptions().any(|to| to.ordered && to.wants(&event));
        let key = event.extension(PARTITION_KEY).and_then(|key| key.as_str()).filter(|_| is_ordered);
        let lane = key.map(str::to_owned);
        let now = self.now();
        Item { service, function: function.name, event, due: now, accepted: now, failures: 0, lane, again }
    }

    /// Removes the next delivery that is due by `until`, and sets the clock to its time.
    fn take_due(&self, until: SystemTime) -> Option<Item> {
        let mut state = self.state();
        let timer = state.timers.iter().filter_map(|timer| timer.next).min();
        let next = [state.pending.next(), timer].into_iter().flatten().min()?;
        if next > until {
            return None;
        }
        state.now = state.now.max(next);
        let now = state.now;
        let mut ticks = Vec::new();
        for timer in &mut state.timers {
            if let Some(due) = timer.next.filter(|due| *due <= now) {
                timer.next = timer.schedule.next(due);
                ticks.push((timer.service, timer.function, due));
            }
        }
        for (service, function, due) in ticks {
            state.serial += 1;
            let event = scheduled_event(state.serial, function, due);
            let (accepted, again) = (due, Again::Schedule);
            state.pending.push(Item {
                service,
                function,
                event,
                due,
                accepted,
                failures: 0,
                lane: None,
                again,
            });
        }
        let State { pending, faults, .. } = &mut *state;
        pending.take(now, |due| match faults {
            Some(faults) => usize::try_from(faults.below(due as u64)).unwrap_or(0),
            None => 0,
        })
    }

    /// Calls a function with an event, and decides what follows.
    pub(super) async fn attempt(&self, mut item: Item) -> Delivery {
        let turns = self.state().faults.as_mut().and_then(Faults::crash);
        let called = interrupted(self.call_for_event(&item, false), turns).await;
        let crashed = || {
            let message = "its process ended before it had an answer (a fault of the seed)".to_owned();
            Err(Failure::new(FailureKind::Retry, message))
        };
        let outcome = Outcome::from(called.unwrap_or_else(crashed));
        let delivery = Delivery {
            event: item.event.clone(),
            function: item.function,
            attempt: item.failures + 1,
            outcome: outcome.clone(),
        };
        let mut state = self.state();
        let now = state.now;
        let (reason, is_rejected) = match outcome {
            Outcome::Done => {
                if state.faults.as_mut().is_some_and(Faults::duplicates) {
                    state.pending.put_back(Item { due: now, ..item });
                }
                return delivery;
            }
            Outcome::Retry(reason) => (reason, false),
            Outcome::Rejected(reason) => (reason, true),
        };
        item.failures += 1;
        let age = now.duration_since(item.accepted).unwrap_or_default();
        let chance = state.faults.as_mut().map_or(1.0, Faults::chance);
        let pause = match is_rejected {
            true => None,
            false => item.again.pause(item.failures, age, chance).ok(),
        };
        match pause.and_then(|pause| now.checked_add(pause)) {
            Some(due) => state.pending.put_back(Item { due, ..item }),
            None => state.dead_letters.push(DeadLetter {
                event: item.event,
                function: item.function,
                attempts: item.failures,
                reason,
            }),
        }
        delivery
    }

    /// Calls one function for an event, within its timeout and at the time of the clock.
    async fn call_for_event(&self, item: &Item, waits: bool) -> Result<Response, Failure> {
        let inner = &self.0;
        inner.call(item.service, item.function, item.event.clone(), waits).await
    }
}

impl Inner {
    /// Calls one function for an event. `waits` says whether its emitter waits for the answer.
    pub(super) async fn call(
        &self,
        service: usize,
        function: &'static str,
        event: CloudEvent,
        waits: bool,
    ) -> Result<Response, Failure> {
        let member = self.member(service);
        let seconds = member.service.definitions().find(|known| known.name == function);
        let deadline = seconds.and_then(|known| known.timeout).and_then(clock::deadline);
        let request_id = event.id().to_owned();
        let invocation = Arc::new(Invocation { request_id, deadline, ..Invocation::default() });
        member.service.check_hops(&event, None, &invocation)?;
        let call = member.service.call_one(function, event, waits, &invocation);
        clock::ahead(self.ahead(), call).await
    }

    /// Returns the answer of the synchronous subscriber of an event at a path; `None` if there is none.
    pub(super) async fn answer(&self, path: String, event: CloudEvent) -> Option<http::Response<Bytes>> {
        let found = self.definitions().into_iter().find(|(_, function)| {
            function.subscriptions().any(|to| is_synchronous(to, event.ty()) && leads_to(to.path, &path))
        });
        let (service, function) = found?;
        if let Err(failure) = self.member(service).service.check_hops(&event, None, &Invocation::default()) {
            let mut refusal = http::Response::new(Bytes::from(failure.message));
            *refusal.status_mut() = http::StatusCode::LOOP_DETECTED;
            return Some(refusal);
        }
        let answer = self.call(service, function.name, event, true).await;
        let (parts, body) = answer.unwrap_or_else(Failure::into_response).into_parts();
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        Some(http::Response::from_parts(parts, body))
    }
}

/// Returns whether a function has a synchronous subscription for events of a type.
pub(super) fn answers(function: &FunctionDef, event_type: &str) -> bool {
    function.subscriptions().any(|to| is_synchronous(to, event_type))
}

fn is_synchronous(to: &Subscription, event_type: &str) -> bool {
    !to.is_http() && to.mode == Mode::Sync && to.event_type == event_type && event_type != HTTP_REQUEST
}

/// Returns whether an event that is posted to `path` reaches a subscription at `pattern`.
fn leads_to(pattern: &str, path: &str) -> bool {
    let mut routes = eg_grammar::Routes::new(Spelling::Gateway);
    let _ = routes.insert(eg_grammar::Method::Post, pattern, ());
    routes.find(eg_grammar::Method::Post, path).is_some()
}

/// Returns when a function gets an event again at which it failed.
fn policy(function: &FunctionDef, event: &CloudEvent<Data>) -> DeliveryPolicy {
    let retry = function.triggers.iter().find_map(|trigger| match trigger {
        Trigger::Subscription(to) if to.event_type == event.ty() => Some(to.retry.as_ref()),
        Trigger::EventBridge(pattern) if pattern.takes(event.source(), event.ty()) => {
            Some(pattern.retry.as_ref())
        }
        _ => None,
    });
    let limits = retry.flatten().map(DeliveryLimits::from).unwrap_or_default();
    DeliveryPolicy::default().limited(limits)
}
