//! Finds synchronous subscriptions that no request can reach on AWS: an event bus returns no answers, and an HTTP API reaches
//! only those with a path of their own.

use eg_sdk::config::SubscriptionType;
use eg_sdk::manifest::EventTrigger;

use super::model::{Service, functions, place, subscriptions};
use super::{Class, Finding};
use crate::sockets::is_socket;

/// Returns the synchronous subscriptions at the path where all events arrive.
pub(super) fn unrouted(services: &[Service]) -> Vec<Finding> {
    let asked = functions(services).flat_map(|function| {
        subscriptions(function).filter(is_asked).map(move |trigger| (function, trigger))
    });
    asked
        .map(|(function, EventTrigger { event_type, .. })| {
            let message = format!(
                "no request can reach the synchronous subscription to {event_type} on AWS, because it has no path"
            );
            Finding::new(Class::NoRoute, message, vec![place(function, "")]).help(format!(
                "give it one, for example `path = \"/{}\"`: the HTTP API then has a route for requests with the event",
                event_type.replace('.', "/")
            ))
        })
        .collect()
}

/// Returns whether a caller of the HTTP API would wait for the answer. A WebSocket API returns that to its messages itself.
fn is_asked(trigger: &&EventTrigger) -> bool {
    trigger.mode == SubscriptionType::Sync && !is_socket(trigger)
}

#[cfg(test)]
mod tests {
    use super::super::model::{services, texts};
    use super::*;

    #[test]
    fn synchronous_subscriptions_need_a_path() {
        let given = services(&[(
            "shop",
            &[
                ("quote", &["sync price.asked /"], &[]),
                ("click", &["sync page.clicked /clicks"], &[]),
                ("chat", &["sync websocket.message /"], &[]),
                ("list", &["GET /"], &[]),
                ("log", &["price.asked"], &[]),
            ],
        )]);
        let found = unrouted(&given);
        assert_eq!(
            texts(&found),
            [
                "no request can reach the synchronous subscription to price.asked on AWS, because it has no path @ shop.rs:1 shop-quote"
            ]
        );
        assert_eq!(
            found[0].help.as_deref(),
            Some(
                "give it one, for example `path = \"/price/asked\"`: the HTTP API then has a route for requests with the event"
            )
        );
    }
}
