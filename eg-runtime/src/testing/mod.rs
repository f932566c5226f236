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
//! | events that failed | again after the longest pause that their `retry` or the gateway's default allows |
//! | messages of a queue | at once; after a failure again every 30 seconds, five times in all; those of the same group wait for each other |
//! | records of a stream | at once; after a failure again as events, but until `attempts` or `max_age` of `retry` ends it; the stream has one shard, whose records wait for each other |
//! | the answers and claims of [`MemoryStore`](crate::idempotency::MemoryStore) | they expire by this clock |
//!
//! What a function rejects is a dead letter at once.
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
//! # Connections
//!
//! [`TestApp::connect`], [`TestApp::message`] and [`TestApp::disconnect`] are what the client of a WebSocket API does;
//! [`TestApp::connections`] has what the functions send to it with [`Connections`](crate::Connections).
//!
//! # Several services
//!
//! [`TestApp::of`] and [`TestApp::and`] run the services of several packages that are linked into the test, each with an app
//! of its own. They meet as at a gateway: the events of one reach the others. `examples/testing-services` does so.
//!
//! # What a test hides
//!
//! A [`TestApp`] runs all functions in one process, with the same states. On Lambda and with `cargo eg run`, each function
//! has processes of its own. To find code that relies on shared memory, create the [`App`](crate::App) in a function of the test and
//! use a new `TestApp` for each step: only what is in a database or a file is still there.

mod answer;
mod app;
pub(crate) mod clock;
mod connections;
mod delivery;
mod inner;
mod invoke;
mod loops;
mod names;
mod pending;
mod requests;
mod run;
mod seed;
mod sources;
#[cfg(test)]
mod tests;
mod timers;

pub use self::answer::{Answer, InvocationError};
pub use self::app::TestApp;
pub use self::delivery::{DeadLetter, Delivery, Outcome};
pub use self::requests::TestRequest;
pub use self::sources::{TestQueue, TestStream};
