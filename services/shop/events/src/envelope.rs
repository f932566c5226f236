//! The attributes of the shop's events: subject, partition key, hop count and time.

use std::time::Duration;

use eg_sdk::extension::PARTITION_KEY;
use eg_sdk::{CloudEvent, Event, OffsetDateTime};

use crate::OrderRef;
use crate::id::segment;

/// A payload that belongs to an order.
pub trait OfOrder {
    /// The order.
    fn order(&self) -> OrderRef;
}

/// Creates an event without a cause inside the shop.
#[must_use]
pub fn first<E: Event + OfOrder>(event: E) -> CloudEvent<E> {
    let OrderRef { customer_id, order_id } = event.order();
    CloudEvent::new("/shop", event)
        .with_subject(format!("{}/{}", segment(&customer_id), segment(&order_id)))
        .with_extension(PARTITION_KEY, order_id)
        .with_extension("hopcount", 0)
}

/// Creates an event caused by another one: one hop further, for the same order, and with a later `time` even if the
/// clocks of two machines disagree. So the history of an order can be sorted by time.
#[must_use]
pub fn caused_by<C, E: Event + OfOrder>(cause: &CloudEvent<C>, event: E) -> CloudEvent<E> {
    let hops =
        cause.extension("hopcount").and_then(|hops| hops.as_i64().or_else(|| hops.as_str()?.parse().ok()));
    let now = OffsetDateTime::now_utc();
    let after_cause = cause.time().map(|time| time + Duration::from_micros(1));
    first(event)
        .with_extension("hopcount", hops.unwrap_or(0).saturating_add(1))
        .with_time(after_cause.map_or(now, |time| time.max(now)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ItemReserved, Order, OrderCreated};

    #[test]
    fn an_effect_is_later_and_further_than_its_cause() {
        let order = Order { customer_id: "c".into(), order_id: "o".into(), item_id: "i".into() };
        let tomorrow = OffsetDateTime::now_utc() + Duration::from_secs(86_400);
        let cause = OrderCreated(order.clone());
        let cause = first(cause).with_time(tomorrow);
        assert_eq!((cause.source(), cause.subject()), ("/shop/order", Some("c/o")));
        let effect = caused_by(&cause, ItemReserved(order));
        assert!(effect.time() > cause.time());
        assert!(effect.extension("hopcount").is_some_and(|hops| hops == 1));
        assert_eq!(effect.extension(PARTITION_KEY).and_then(|key| key.as_str()), Some("o"));
        assert_eq!(effect.source(), "/shop/inventory");
    }
}
