//! Runs whole apps inside a test, without a server, gateway or Lambda, and with a clock of their own. Requests and events
//! reach the functions through all layers. What waits (events, messages, records, retries, schedules) waits until the test
//! settles the app or advances the clock.
//!
//! To test a single function, call it directly: it is an ordinary function.
//!
//! ```standalone_crate
//! use std::time::Duration;
//!
//! use eg_runtime::testing::{Outcome, TestApp};
//! use eg_runtime::{App, CloudEvent, Emit, Error, Event, Json, Path, http, queue, schedule, subscribe};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Event)]
//! #[event("user.created")]
//! struct UserCreated { id: u32 }
//!
//! #[derive(Serialize, Event)]
//! #[event("name.asked")]
//! struct NameAsked { id: u32 }
//!
//! #[http(PUT, "/users/{id}")]
//! async fn create_user(emit: Emit<UserCreated>, Path(id): Path<u32>) -> Result<Json<u32>, Error> {
//!     emit.send(UserCreated { id }).await?;
//!     Ok(Json(id))
//! }
//!
//! #[subscribe("name.asked", mode = "sync")]
//! async fn name() -> Json<&'static str> { Json("Donald") }
//!
//! #[subscribe(UserCreated, retry(attempts = 3))]
//! async fn greet(ask: Emit<NameAsked>, event: CloudEvent<UserCreated>) -> Result<(), Error> {
//!     let id = event.data.id;
//!     let name: String = ask.request(NameAsked { id }).await?.json()?;
//!     if id == 0 { Err(Error::retry(format!("the mail server is down, {name}"))) } else { Ok(()) }
//! }
//!
//! #[queue("letters")]
//! async fn print(Json(letter): Json<String>) { println!("{letter}"); }
//!
//! #[schedule("rate(1 day)")]
//! async fn sweep() {}
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let app = TestApp::new(App::new())?;
//!
//! // A request, and the event that it emits, which a subscriber handles when the test says so.
//! let answer = app.request("PUT", "/users/10").header("x-team", "red").send().await;
//! assert_eq!((answer.status().as_u16(), answer.json::<u32>()?), (200, 10));
//! assert_eq!(app.emitted::<UserCreated>()?[0].data.id, 10);
//! let deliveries = app.settle().await;
//! assert_eq!((deliveries[0].function, &deliveries[0].outcome), ("greet", &Outcome::Done));
//!
//! // What fails comes again, with the pauses of its policy, and at last becomes a dead letter.
//! app.put("/users/0", &()).await;
//! let attempts = app.advance(Duration::from_secs(60)).await;
//! assert_eq!(attempts.iter().map(|delivery| delivery.attempt).collect::<Vec<_>>(), [1, 2, 3]);
//! let dead = app.dead_letters();
//! assert_eq!((dead[0].function, dead[0].attempts), ("greet", 3));
//! assert_eq!(dead[0].reason, "the mail server is down, Donald");
//!
//! // Queues, and streams, have names. A name that no function has is an error that lists those that exist.
//! app.queue("letters")?.send("Dear Donald")?;
//! assert_eq!(app.settle().await[0].function, "print");
//! assert!(app.queue("leters").unwrap_err().to_string().contains("did you mean `letters`?"));
//!
//! // Schedules run when the clock reaches their time.
//! assert_eq!(app.advance(Duration::from_secs(2 * 24 * 60 * 60)).await.len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # The clock
//!
//! The clock stands still at 2026-01-01T00:00:00Z, or where [`TestApp::starting_at`] sets it, until [`TestApp::advance`]
//! moves it. Everything between is done in the order of its time:
//!
//! | what | when |
//! |---|---|
//! | `#[schedule]` functions | on schedule; a rate begins with the test. A failed call is repeated after one and after two more minutes, as on Lambda |
//! | events that failed | after the longest pause that their `retry` or the gateway's default allows; a rejected event is a dead letter at once |
//! | messages of a queue | after 30 seconds, up to five times in all; those of the same group wait for each other |
//! | records of a stream | as events, but until `attempts` or `max_age` of `retry` ends it; the stream has one shard, whose records wait for each other |
//! | the answers and claims of [`MemoryStore`](crate::idempotency::MemoryStore) | they expire by this clock |
//!
//! The functions themselves use the clocks of the system and of tokio. A function with a `timeout` is cancelled when its
//! time is up, by tokio's clock: in a test with `#[tokio::test(start_paused = true)]`, tokio lets this time pass at once
//! when a function hangs.
//!
//! # Faults
//!
//! Delivery is at least once, in any order, and a process may end at any time. With [`TestApp::seed`], all of this happens:
//! deliveries come in another order, some come twice, and some functions end between two of their events. What must hold
//! nevertheless is the test; advance the clock until all retries are over:
//!
//! ```no_run
//! # use std::time::Duration;
//! # use eg_runtime::testing::TestApp;
//! # use eg_runtime::{App, Error};
//! # async fn test() -> Result<(), Error> {
//! for seed in 0..100 {
//!     let app = TestApp::new(App::new())?.seed(seed);
//!     app.post("/users", &10).await;
//!     app.advance(Duration::from_secs(24 * 60 * 60)).await;
//!     assert!(app.dead_letters().is_empty());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A test that panics prints its seed.
//!
//! # Several services
//!
//! [`TestApp::of`] and [`TestApp::and`] run the services of several packages that are linked into the test, each with an app
//! of its own. They meet as at a gateway: the events of one reach the others. `examples/testing-services` does so.
//!
//! # What a test hides
//!
//! A [`TestApp`] runs all functions in one process, with the same states. On Lambda and with `cargo eg run`, each function
//! has processes of its own. To find code that relies on shared memory, create the [`App`] in a function of the test and
//! use a new `TestApp` for each step: only what is in a database or a file is still there.

mod answer;
pub(crate) mod clock;
mod loops;
mod names;
mod pending;
mod requests;
mod run;
mod seed;
mod sources;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use eg_grammar::{Method as Verb, Routes, Spelling};
use eg_sdk::__private::EventTrait as Event;
use eg_sdk::{CloudEvent, DataError, EventGateway, FromData, IntoCloudEvent, OffsetDateTime, Recorder};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Collected};
use serde::Serialize;
use serde_json::json;
use time::format_description::well_known::Rfc3339;

pub use self::answer::{Answer, InvocationError};
use self::pending::{Item, Pending};
pub use self::requests::TestRequest;
use self::run::{Timer, answers, between, timers};
use self::seed::Faults;
pub use self::sources::{TestQueue, TestStream};
use crate::context::Invocation;
use crate::dispatch::Service;
use crate::outcome::{Failure, FailureKind};
use crate::registry::{FunctionDef, Mode, Trigger};
use crate::{App, Error, lambda};

/// Where the clock of a test stands at first: 2026-01-01T00:00:00Z.
const START: Duration = Duration::from_secs(1_767_225_600);

/// Apps that run inside a test.
#[derive(Debug)]
pub struct TestApp(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gateway: EventGateway,
    recorder: Recorder,
    members: Mutex<Vec<Arc<Member>>>,
    state: Mutex<State>,
}

/// A service of the test.
#[derive(Debug)]
struct Member {
    service: Service,
    /// The `source` of the events that it emits.
    source: String,
}

#[derive(Debug)]
struct State {
    start: SystemTime,
    now: SystemTime,
    /// The number of recorded events that were accepted.
    settled: usize,
    pending: Pending,
    timers: Vec<Timer>,
    dead_letters: Vec<DeadLetter>,
    faults: Option<Faults>,
    /// The number of messages, records and ticks so far.
    serial: u64,
}

/// One attempt to deliver an event to a function.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Delivery {
    /// The event.
    pub event: CloudEvent,
    /// The function's name.
    pub function: &'static str,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// The outcome.
    pub outcome: Outcome,
}

/// What a function's answer means for the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The event is handled.
    Done,
    /// The event is retried later, for this reason, unless this was the last attempt.
    Retry(String),
    /// The function rejected the event, for this reason.
    Rejected(String),
}

/// An event that was given up.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The event.
    pub event: CloudEvent,
    /// The name of the function that did not handle it.
    pub function: &'static str,
    /// How often it was attempted.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub reason: String,
}

impl TestApp {
    /// Creates the app with all functions of this binary. It emits into memory.
    ///
    /// # Errors
    /// If the app could not start.
    pub fn new(app: App) -> Result<Self, Error> {
        Self::empty().with(|gateway| Ok(app.gateway(gateway).service("*")?))
    }

    /// Creates the app of one of several services that are linked into this binary: the functions of `package`. Add the
    /// others with [`and`](Self::and).
    ///
    /// # Errors
    /// If the app could not start, or the package has no functions here.
    pub fn of(package: &str, app: App) -> Result<Self, Error> {
        Self::empty().and(package, app)
    }

    /// Adds the app of another service: the functions of `package`.
    ///
    /// # Errors
    /// As for [`of`](Self::of).
    pub fn and(self, package: &str, app: App) -> Result<Self, Error> {
        self.with(|gateway| Ok(app.gateway(gateway).service_of(package)?))
    }

    fn empty() -> Self {
        crate::start::done();
        crate::panics::remember_places();
        let (gateway, recorder) = EventGateway::recording();
        let start = SystemTime::UNIX_EPOCH + START;
        let state = State {
            start,
            now: start,
            settled: 0,
            pending: Pending::default(),
            timers: Vec::new(),
            dead_letters: Vec::new(),
            faults: None,
            serial: 0,
        };
        let inner =
            Arc::new(Inner { gateway, recorder, members: Mutex::default(), state: Mutex::new(state) });
        let weak: Weak<Inner> = Arc::downgrade(&inner);
        inner.recorder.answer_with(move |path, event| {
            let inner = weak.upgrade();
            async move { inner?.answer(path, event).await }
        });
        Self(inner)
    }

    /// Adds a service that emits into the memory of this app.
    fn with(
        self,
        service: impl FnOnce(EventGateway) -> Result<(&'static str, Service), Error>,
    ) -> Result<Self, Error> {
        let (name, service) = service(self.0.gateway.clone())?;
        let mut members = self.0.members();
        let added = timers(members.len(), service.definitions(), self.now());
        members.push(Arc::new(Member { service, source: format!("/services/{name}") }));
        drop(members);
        self.state().timers.extend(added);
        Ok(self)
    }

    /// Has faults happen that this seed determines; see [Faults](crate::testing#faults). A test that panics prints the seed.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.0.recorder.pause_around_events();
        self.state().faults = Some(Faults::new(seed));
        self
    }

    /// Sets the clock. Rates of schedules begin at this time.
    #[must_use]
    pub fn starting_at(self, time: SystemTime) -> Self {
        let mut state = self.state();
        (state.start, state.now) = (time, time);
        for timer in &mut state.timers {
            timer.next = timer.schedule.next(time);
        }
        drop(state);
        self
    }

    /// Returns the time of the clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.state().now
    }

    /// Sends an HTTP request to the `#[http]` function that answers it. An asynchronous function on the same route gets its
    /// copy from the gateway only.
    pub async fn http<B: Into<Body>>(&self, request: Request<B>) -> Answer {
        let routed = self.0.routed(request.method(), request.uri().path());
        let (service, timeout) = routed.map_or((0, None), |(service, function)| (service, function.timeout));
        let invocation = Invocation { deadline: timeout.and_then(clock::deadline), ..Invocation::default() };
        let invocation = Arc::new(invocation);
        let member = self.0.member(service);
        let call = member.service.http(request.map(Into::into), &invocation);
        let response = clock::ahead(self.0.ahead(), call).await;
        let (parts, body) = response.unwrap_or_else(Failure::into_response).into_parts();
        // To a client, a failed body is a truncated answer.
        let body = body.collect().await.map(Collected::to_bytes);
        let status = if body.is_ok() { parts.status } else { StatusCode::BAD_GATEWAY };
        Answer { status, headers: parts.headers, body: body.unwrap_or_default() }
    }

    /// Prepares a request with this method, to add headers and a body.
    ///
    /// ```
    /// # use eg_runtime::testing::TestApp;
    /// # use eg_runtime::{App, Error, http};
    /// # #[http(PATCH, "/users/{id}")]
    /// # async fn change() {}
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::new(App::new())?;
    /// let answer = app.request("PATCH", "/users/7").bearer("t0k3n").json(&["name"]).send().await;
    /// assert_eq!(answer.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// If the method or the path is invalid.
    pub fn request(&self, method: &str, path: &str) -> TestRequest<'_> {
        let valid = method.parse().unwrap_or_else(|e| panic!("`{method}` is not an HTTP method: {e}"));
        TestRequest::new(self, valid, path)
    }

    /// Sends a GET request.
    ///
    /// # Panics
    /// If `path` is invalid.
    pub async fn get(&self, path: &str) -> Answer {
        TestRequest::new(self, Method::GET, path).send().await
    }

    /// Sends a POST request with a JSON body.
    ///
    /// # Panics
    /// If `path` is invalid, or `body` cannot be serialized.
    pub async fn post<T: Serialize + ?Sized>(&self, path: &str, body: &T) -> Answer {
        TestRequest::new(self, Method::POST, path).json(body).send().await
    }

    /// Sends a PUT request with a JSON body.
    ///
    /// # Panics
    /// If `path` is invalid, or `body` cannot be serialized.
    pub async fn put<T: Serialize + ?Sized>(&self, path: &str, body: &T) -> Answer {
        TestRequest::new(self, Method::PUT, path).json(body).send().await
    }

    /// Sends a DELETE request.
    ///
    /// # Panics
    /// If `path` is invalid.
    pub async fn delete(&self, path: &str) -> Answer {
        TestRequest::new(self, Method::DELETE, path).send().await
    }

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
    /// [taken](Recorder::take) from the recorder.
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

    /// Returns the events that were given up, in the order in which that happened.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.state().dead_letters.clone()
    }

    /// Returns the queue with this name, to send messages to its `#[queue]` functions.
    ///
    /// # Errors
    /// If no function has such a queue. The message lists the queues.
    pub fn queue(&self, name: &str) -> Result<TestQueue<'_>, Error> {
        TestQueue::find(self, name)
    }

    /// Returns the stream with this name, to put records into it for its `#[stream]` functions.
    ///
    /// # Errors
    /// If no function has such a stream. The message lists the streams.
    pub fn stream(&self, name: &str) -> Result<TestStream<'_>, Error> {
        TestStream::find(self, name)
    }

    /// Returns the next recorded event that was not accepted.
    fn next_unsettled(&self) -> Option<CloudEvent> {
        let mut state = self.state();
        let event = self.0.recorder.nth(state.settled)?;
        state.settled += 1;
        Some(event)
    }

    /// Returns all events that the functions have emitted, in order.
    #[must_use]
    pub fn events(&self) -> Vec<CloudEvent> {
        self.0.recorder.events()
    }

    /// Returns the events of `E`'s type that the functions have emitted.
    ///
    /// # Errors
    /// If the payload of such an event does not match.
    pub fn emitted<E: Event + FromData>(&self) -> Result<Vec<CloudEvent<E>>, DataError> {
        self.0.recorder.events_of()
    }

    /// Returns the recorder that receives emitted events. It can refuse events, and answer synchronous ones instead of the
    /// functions that subscribe to them.
    #[must_use]
    pub fn gateway(&self) -> &Recorder {
        &self.0.recorder
    }

    /// Invokes the app like Lambda, with the payload of any sender: API Gateway, a queue, EventBridge… Returns the
    /// JSON that the sender gets. With several services, it is the first one that is invoked.
    ///
    /// # Errors
    /// The failure that would be reported to Lambda.
    pub async fn invoke(&self, payload: &str) -> Result<serde_json::Value, InvocationError> {
        self.invoked(&self.0.member(0).service, payload).await
    }

    /// Invokes one function by its name, like Lambda whose `_HANDLER` names it, with the payload of any sender. Returns the
    /// JSON that the sender gets. A function with `#[invoke]` gets the payload as it is.
    ///
    /// # Errors
    /// The failure that would be reported to Lambda. If there is no such function, a `Reject` that lists the functions.
    pub async fn call<T: Serialize + ?Sized>(
        &self,
        function: &str,
        payload: &T,
    ) -> Result<serde_json::Value, InvocationError> {
        let functions = self.0.definitions();
        let Some((service, _)) = functions.iter().find(|(_, known)| known.name == function) else {
            let known: Vec<_> =
                functions.iter().map(|(_, function)| format!("`{}`", function.name)).collect();
            let message = format!("no function is named `{function}`; there are {}", known.join(", "));
            return Err(Failure::new(FailureKind::Reject, message).into());
        };
        let invalid = |e: serde_json::Error| Failure::new(FailureKind::Reject, e.to_string());
        let payload = serde_json::to_string(payload).map_err(invalid)?;
        let alone = self.0.member(*service).service.alone(function);
        let alone = alone.expect("the function is one of the service");
        self.invoked(&alone, &payload).await
    }

    async fn invoked(&self, service: &Service, payload: &str) -> Result<serde_json::Value, InvocationError> {
        let invocation = Arc::default();
        let answer = lambda::invoke_whole(service, payload, &invocation);
        let json = clock::ahead(self.0.ahead(), answer).await?;
        let invalid = |e: serde_json::Error| Failure::new(FailureKind::Retry, e.to_string());
        Ok(serde_json::from_str(&json).map_err(invalid)?)
    }

    /// Calls the `#[schedule]` function with this name, as its schedule does, whatever the time.
    ///
    /// # Errors
    /// The failure that would be reported to Lambda. If there is no such function, a `Reject` that lists the functions with
    /// a schedule.
    pub async fn tick(&self, function: &str) -> Result<(), InvocationError> {
        let scheduled: Vec<_> = self
            .triggers()
            .filter_map(|(service, function, trigger)| match trigger {
                Trigger::Schedule(schedule) => Some((service, function, *schedule)),
                _ => None,
            })
            .collect();
        let named = scheduled.iter().find(|(_, scheduled, _)| *scheduled == function);
        let Some(&(service, function, _)) = named else {
            let known = scheduled.iter().map(|(_, name, schedule)| format!("`{name}` ({schedule})"));
            let known = known.collect::<Vec<_>>().join(", ");
            let message = match known.as_str() {
                "" => "no function has a schedule".to_owned(),
                known => format!(
                    "no function named `{function}` has a schedule; the functions with a schedule are {known}"
                ),
            };
            return Err(Failure::new(FailureKind::Reject, message).into());
        };
        let (serial, now) = self.stamp();
        let event = scheduled_event(serial, function, now);
        Ok(self.0.call(service, function, event, false).await.map(drop)?)
    }

    /// Returns the functions that an event is for.
    fn subscribers(&self, event: &CloudEvent) -> Vec<(usize, &'static FunctionDef)> {
        let members = self.0.members().clone();
        let of = |(at, member): (usize, &Arc<Member>)| {
            member
                .service
                .definitions_for(event)
                .into_iter()
                .map(move |function| (at, function))
                .collect::<Vec<_>>()
        };
        members.iter().enumerate().flat_map(of).collect()
    }

    /// Returns the triggers of all functions.
    fn triggers(&self) -> impl Iterator<Item = (usize, &'static str, &'static Trigger)> + use<> {
        let functions = self.0.definitions().into_iter();
        functions.flat_map(|(service, function)| {
            let triggers: &'static [Trigger] = function.triggers;
            triggers.iter().map(move |trigger| (service, function.name, trigger))
        })
    }

    fn push(&self, item: Item) {
        self.state().pending.push(item);
    }

    /// Returns the number of another message, record or tick, and the time.
    fn stamp(&self) -> (u64, SystemTime) {
        let mut state = self.state();
        state.serial += 1;
        (state.serial, state.now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }
}

impl Inner {
    fn members(&self) -> MutexGuard<'_, Vec<Arc<Member>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn member(&self, at: usize) -> Arc<Member> {
        self.members()[at].clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how far the clock has been advanced.
    fn ahead(&self) -> Duration {
        let state = self.state();
        between(state.start, state.now)
    }

    /// Returns all functions, each with the position of its service.
    fn definitions(&self) -> Vec<(usize, &'static FunctionDef)> {
        let members = self.members();
        let of = |(at, member): (usize, &Arc<Member>)| {
            member.service.definitions().map(move |function| (at, function)).collect::<Vec<_>>()
        };
        members.iter().enumerate().flat_map(of).collect()
    }

    /// Returns the function that answers a request, as a gateway in front of all services finds it.
    fn routed(&self, method: &Method, path: &str) -> Option<(usize, &'static FunctionDef)> {
        let method = Verb::named(method.as_str())?;
        [Mode::Sync, Mode::Async].into_iter().find_map(|mode| {
            let mut routes = Routes::new(Spelling::Code);
            for (service, function) in self.definitions() {
                for to in function.subscriptions().filter(|to| to.mode == mode) {
                    if let (Some(verb), Some(route)) = (Verb::named(to.method), to.route) {
                        // Of routes for the same requests, the first remains.
                        let _ = routes.insert(verb, route.path, (service, function));
                    }
                }
            }
            let with = |verb| routes.find(verb, path).map(|route| route.value);
            with(method).or_else(|| method.answered_as().and_then(with))
        })
    }
}

/// Returns the event that EventBridge sends to a function on its schedule.
fn scheduled_event(serial: u64, function: &str, time: SystemTime) -> CloudEvent {
    let time = OffsetDateTime::from(time).format(&Rfc3339).unwrap_or_default();
    let event = json!({
        "version": "0", "id": serial.to_string(), "detail-type": "Scheduled Event", "source": "aws.events",
        "account": "000000000000", "time": time, "region": "local",
        "resources": [format!("arn:aws:events:local:000000000000:rule/{function}")], "detail": {},
    });
    CloudEvent::from_eventbridge(event.to_string().as_bytes()).expect("it is an event of EventBridge")
}
