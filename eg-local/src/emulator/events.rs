//! What becomes of an event that has been accepted: it is tried again when the function fails, as on
//! Lambda, and given up in words.

use std::sync::Arc;

use super::function::Function;
use super::invocation::{Invocation, Outcome};
use super::registry::Registry;

/// Carries out an invocation for which nobody waits. Each attempt has the same request id, and goes to
/// the function that then has the name.
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
