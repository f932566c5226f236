//! Finds subscriptions to events that only an event gateway emits, or delivers as the code requires. `template` refuses them
//! for a stage that has none.

use super::model::{Service, functions, place};
use super::{Class, Finding};
use crate::needs;

/// Returns the subscriptions to system events that have no counterpart on an event bus, and those whose filter or order an event
/// bus does not have.
pub(super) fn gateway_only(services: &[Service]) -> Vec<Finding> {
    let subscribed =
        functions(services).flat_map(|function| function.events().map(move |trigger| (function, trigger)));
    subscribed
        .filter_map(|(function, trigger)| {
            let ty = &trigger.event_type;
            let reason = match needs::pattern(trigger) {
                _ if needs::is_of_gateway(ty) => format!("only an event gateway emits {ty}"),
                Err(reason) if trigger.filter.is_some() || trigger.ordered => reason,
                _ => return None,
            };
            let message = format!("{reason}, so it cannot be deployed to a stage without an event gateway");
            Some(Finding::new(Class::GatewayOnly, message, vec![place(function, "")]).help(format!(
                "for such a stage, write `exclude = [\"{ty}\"]` into [deploy.function.{}] of eg.toml, or leave the function out with \
                 `exclude` in [deploy]",
                function.id
            )))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::model::{services, texts};
    use super::*;

    #[test]
    fn system_events_need_a_gateway() {
        let types = ["eventgateway.function.invoked", "eventgateway.event.received", "order.placed"];
        let found = gateway_only(&services(&[("shop", &[("log", &types, &[])])]));
        assert_eq!(
            texts(&found),
            [
                "only an event gateway emits eventgateway.function.invoked, so it cannot be deployed to a stage without an event gateway @ shop.rs:1 shop-log"
            ]
        );
        assert!(found[0].help.as_deref().unwrap().contains("[deploy.function.shop-log]"));
    }

    #[test]
    fn filters_and_order_of_the_gateway_alone() {
        let mut given = services(&[("shop", &[("ship", &["order.placed"], &[])])]);
        let mut check = |trigger: serde_json::Value, expected: &[&str]| {
            given[0].functions[0].triggers = vec![serde_json::from_value(trigger.clone()).unwrap()];
            assert_eq!(texts(&gateway_only(&given)), expected, "{trigger}");
        };
        let trigger = |more: serde_json::Value| {
            let mut trigger = serde_json::json!({"eventType": "order.placed", "mode": "async", "method": "POST", "path": "/"});
            trigger.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            trigger
        };
        check(trigger(serde_json::json!({"filter": {"data": {"amount": [5]}}})), &[]);
        check(
            trigger(serde_json::json!({"ordered": true})),
            &[
                "an event bus delivers events in no order, and the subscription to order.placed is `ordered`, so it cannot be \
               deployed to a stage without an event gateway @ shop.rs:1 shop-ship",
            ],
        );
    }
}
