//! Handles accepted events: retries them if the function fails, as on Lambda, and logs events that are given up.

use std::sync::Arc;

use super::function::Function;
use super::invocation::{Invocation, Outcome};
use super::registry::Registry;

/// Runs an invocation without a waiting caller. All attempts have the same request id. Each goes to the function that
/// has the name at that time.
pub(super) async fn carry_out(
    invocation: Invocation,
    name: String,
    function: Arc<Function>,
    registry: Registry,
) {
    let mut function = function;
    let retries = function.event_retries();
    let stop = registry.work().stop_token();
    for delay in retries.iter().map(Some).chain([None]) {
        let completed = function.invoke(&invocation, None).await;
        if matches!(completed.outcome, Outcome::Answer(_)) || stop.is_cancelled() {
            return;
        }
        let Some(delay) = delay else { break };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(*delay) => {}
        }
        match registry.get(&name) {
            Some(current) => function = current,
            None => break,
        }
    }
    function.note(&format!("RequestId: {} Error: the event was given up", invocation.request_id));
}
