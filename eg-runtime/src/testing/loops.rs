//! Describes events that cause each other without end, for the message of a test that has found some.

use eg_grammar::limits;
use eg_sdk::CloudEvent;

use super::delivery::Delivery;

/// Describes the loop that leads to `event`: the types of its causes back to one of the same type, with the functions
/// that handled them. `None` if there is no such cause.
pub(super) fn circle(event: &CloudEvent, deliveries: &[Delivery]) -> Option<String> {
    let mut steps = vec![format!("`{}`", event.ty())];
    let mut cause = event.cause()?;
    for _ in 0..limits::HOPS {
        let handled: Vec<_> = deliveries.iter().filter(|delivery| delivery.event.id() == cause).collect();
        let functions: Vec<_> = handled.iter().map(|delivery| format!("`{}`", delivery.function)).collect();
        let earlier = &handled.first()?.event;
        steps.push(format!("`{}` (handled by {})", earlier.ty(), functions.join(" and ")));
        if earlier.ty() == event.ty() {
            steps.reverse();
            return Some(steps.join(" → "));
        }
        cause = earlier.cause()?;
    }
    None
}

/// Lists some of the last deliveries.
pub(super) fn last(deliveries: &[Delivery]) -> String {
    let last = deliveries.iter().rev().take(4).rev();
    last.map(|delivery| format!("`{}` to `{}`", delivery.event.ty(), delivery.function))
        .collect::<Vec<_>>()
        .join(", ")
}
