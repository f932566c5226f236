//! Simulates the functions of a history: how long they take, what they answer, and when they are down. `machine`
//! makes the random choices.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eg_sdk::TraceContext;
use eg_sdk::config::Function;
use fastrand::Rng;
use serde_json::Value;

use super::Bug;
use super::world::World;
use crate::decide::delivery::Failure;
use crate::deliver::{CallError, Caller};
use crate::outbound::reading::Reading;
use crate::recent::Notes;

/// How long the calls of a function take that hangs: longer than its deliveries may wait.
const HANGS: Duration = Duration::from_secs(35);

/// Calls the functions of a history.
pub(super) struct Functions(pub(super) Arc<World>);

impl Caller for Functions {
    async fn call(
        &self,
        function: &Function,
        event: Bytes,
        _: &TraceContext,
        _: Reading<'_>,
        _: &Notes,
    ) -> Result<Bytes, CallError> {
        let world = &self.0;
        let id = function.function_id.as_str();
        let Some(call) = world.called(id, &event) else {
            // The history is over, because there is a finding.
            return std::future::pending().await;
        };
        let healthy = world.is_healthy();
        let (pause, outcome) = world.machine.choose(|rng| (pause(rng, healthy), outcome(rng, healthy)));
        let outcome = match serde_json::from_slice::<Value>(&event).unwrap()["fails"] {
            _ if world.is_down(id) => Err(Failure::Retry("connection refused".to_owned())),
            Value::Bool(true) => Err(Failure::Retry("HTTP status 500".to_owned())),
            _ => outcome,
        };
        let pause = if world.hangs(id) { HANGS } else { pause };
        tokio::time::sleep(pause).await;
        world.answered(call, &outcome);
        let outcome = match outcome {
            Err(Failure::Later(text, _)) if world.bug == Bug::RetryAfterIgnored => Err(Failure::Retry(text)),
            outcome => outcome,
        };
        outcome.map(|()| Bytes::new()).map_err(CallError::Failed)
    }
}

fn pause(rng: &mut Rng, healthy: bool) -> Duration {
    Duration::from_millis(match rng.u32(..20) {
        _ if healthy => rng.u64(1..30),
        0 => rng.u64(2_000..15_000),
        _ => rng.u64(1..400),
    })
}

fn outcome(rng: &mut Rng, healthy: bool) -> Result<(), Failure> {
    if healthy {
        return Ok(());
    }
    match rng.u32(..1000) {
        0..500 => Ok(()),
        500..780 => Err(Failure::Retry("HTTP status 500".to_owned())),
        780..880 => Err(Failure::Later("HTTP status 503".to_owned(), Duration::from_secs(rng.u64(1..40)))),
        880..997 => Err(Failure::Reject("HTTP status 422".to_owned())),
        _ => Err(Failure::Gone("HTTP status 410".to_owned())),
    }
}
