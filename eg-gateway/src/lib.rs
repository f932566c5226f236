//! The event gateway: takes events over HTTP and brings each to the functions that subscribed to it.
//!
//! A `202` means that the event is on disk and will be delivered at least once to every subscription that existed when
//! it was accepted, across crashes and restarts, until it succeeds or becomes a dead letter with payload and history.
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
mod options;
mod server;
#[cfg(test)]
mod simulation;
mod store;
mod upkeep;

pub use activity::{Activity, DeliveryOutcome};
pub use decide::retry::RetryPolicy;
pub use gateway::{Api, Gateway, StartError};
pub use options::{ListenAddr, Options};
pub use store::StoreError;
