//! The event gateway: takes events over HTTP and brings each to the functions that subscribed to it.
//!
//! A `202` means that the event is on disk and will be delivered at least once to every subscription that existed when
//! it was accepted, across crashes and restarts, until it succeeds, becomes a dead letter with payload and history, or
//! expires by a limit that was set. What is not delivered is a recorded decision with a reason.
//!
//! On the wire it is compatible with the Serverless Event Gateway 0.9.1, "the original" in these sources, except where
//! that lost events or crashed.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use eg_gateway::{Gateway, Options};
//!
//! let gateway = Gateway::start(Options::new("./data")).await?;
//! println!("emit events to {}", gateway.events_url());
//! gateway.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Beyond the original
//! An `async` subscription may have more fields; without them it looks and works as it always did.
//!
//! | field | meaning |
//! |---|---|
//! | `retry` | `{"attempts", "minBackoffMs", "maxBackoffMs", "maxAgeMs"}`, each optional, or `"eventbridge"`; default [`Options::retry`] |
//! | `filter` | a pattern in the manner of EventBridge, on attributes, extensions and `data`: values, `prefix`, `suffix`, `anything-but`, `numeric`, `exists`, `$or` |
//! | `ordered` | `true`: events with the same `partitionkey` one after the other |
//! | `disabled` | why nothing is delivered; set when a function answers 410, cleared by an update without it |
//!
//! A function may have `concurrency`, the number of deliveries that may be under way to it, and `timeout`, the seconds that
//! one call may take. It may be at a private address only where [`Options::private_targets`] allows it.
//!
//! Each call carries the `traceparent` of the event's trace ([W3C Trace Context](https://www.w3.org/TR/trace-context/)):
//! the one in its extensions, else that of the request that brought it (it gets the extension then), else one of its own.
//! Replays belong to the same trace. Lambda functions find it in their `X-Amzn-Trace-Id`.
//!
//! An emitter that handles an
//! event sets the extension `hops` of those it emits to that event's and one more, so that loops end;
//! the system events that tell of an event carry its `hops`. It may name the event by its id, as `causationid`: the live
//! feed tells it on.
//!
//! `eventgateway.delivery.deadLettered` is a system event of its own: whoever subscribes to it is told, once and from the
//! same transaction, of each delivery that is given up, with `functionId`, `subscriptionId`, `state` (`dead` or
//! `expired`), `attempts`, `reason` and the `event`. So a dead letter can drive a function.
//!
//! The Config API also has:
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/spaces/<space>/events` | accepted events, the newest first; `type`, `source`, `subject`, `from`, `to`, `text`, `limit`, `before` |
//! | `GET /v1/spaces/<space>/events/<id>` | what became of one for each subscription, with every attempt; `source` tells equal ids apart |
//! | `GET /v1/spaces/<space>/dead-letters` | what was given up; `state=expired`, `limit`, `before` |
//! | `GET`, `DELETE …/dead-letters/<id>` | shows, discards one; `DELETE …/dead-letters` discards all |
//! | `POST …/dead-letters/<id>/redrive` | tries one again, with another event if the body is `{"event": {…}}`; `…/dead-letters/redrive` all |
//! | `POST /v1/spaces/<space>/replays` | delivers stored events again, marked by the extension `replay`: `{"eventId"}` or `{"from", "to"}`, and `type`, `source`, `subscriptionId` |
//! | `POST /v1/spaces/<space>/subscriptions/replace` | `{"delete": [<id>, …], "create": [<subscription>, …]}`: all at once or not at all, so that no request comes between when a function takes over from another |
//! | `GET /v1/accounting` | `accepted = delivered + pending + dead + expired + filtered` |
//! | `GET /v1/feed` | everything that happens, as server-sent events; resumes after `Last-Event-ID` |
//!
//! # How it is built
//! How a request travels: `server` (HTTP) → `api` (what it means) → `decide` (classification, routes, rules: no I/O) →
//! `store` (on disk, then the 202) → `deliver` (attempts, by the engine) → the function.

mod activity;
mod api;
mod budget;
mod clock;
mod configuration;
mod decide;
mod deliver;
mod feed;
mod gateway;
mod metrics;
mod options;
mod reception;
mod retention;
mod server;
#[cfg(test)]
mod simulation;
mod spans;
mod store;
mod system_events;
mod tls;
mod wakeups;

pub use activity::{Activity, DeliveryOutcome};
pub use decide::access::AccessKeys;
pub use decide::retry::RetryPolicy;
pub use decide::targets::PrivateTargets;
pub use gateway::{Api, Gateway, StartError};
pub use options::{ListenAddr, Options};
pub use store::StoreError;
pub use tls::TlsFiles;
