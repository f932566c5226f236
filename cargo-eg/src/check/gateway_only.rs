//! Finds subscriptions to events that only an event gateway emits. `template` refuses them for a stage that has none.

use super::model::{Service, functions, place};
use super::{Class, Finding};
use crate::needs;

/// Returns the subscriptions to system events that have no counterpart on an event bus.
pub(super) fn gateway_only(services: &[Service]) -> Vec<Finding> {
    let subscribed = functions(services)
        .flat_map(|function| function.events().map(move |trigger| (function, trigger.event_type.as_str())));
    subscribed
        .filter(|(_, ty)| needs::is_of_gateway(ty))
        .map(|(function, ty)| {
            let message = format!("only an event gateway emits {ty}, so it cannot be deployed to a stage without one");
            Finding::new(Class::GatewayOnly, message, vec![place(function, "")]).help(format!(
                "for such a stage, write `exclude = [\"{ty}\"]` into [deploy.function.{}] of eg.toml, or leave the function out with \
                 `exclude` in [deploy]",
                function.id
            ))
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
                "only an event gateway emits eventgateway.function.invoked, so it cannot be deployed to a stage without one @ shop.rs:1 shop-log"
            ]
        );
        assert!(found[0].help.as_deref().unwrap().contains("[deploy.function.shop-log]"));
    }
}
