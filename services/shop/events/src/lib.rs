//! The events of the shop, the documents in them, and the rule for ids. No service depends on another.
//!
//! An order is one document that grows: each service adds its part and emits the whole document with its own event.

mod document;
mod envelope;
mod id;
mod money;
#[cfg(feature = "samples")]
pub mod samples;

pub use document::{
    Customer, DeliveryProgress, DeliveryStarted, DeliveryStatus, Described, Estimate, Estimated, Item, Order,
    OrderRef, OrderRow, OrderStatus, Paid, Payment, PaymentStatus, Progressed, Refunded, Released, Returned,
    Shipment, WithItem,
};
pub use envelope::{OfOrder, caused_by, first};
pub use id::{BadId, check_id};
pub use money::Cents;

use eg_sdk::Event;
use serde::{Deserialize, Serialize};

/// Defines the events, and [`NAMES`] with them.
macro_rules! events {
    ($($(#[doc = $doc:literal])+ $name:ident($document:ident) = $ty:tt from $source:tt;)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
            #[event($ty, source = $source)]
            pub struct $name(pub $document);

            impl OfOrder for $name {
                fn order(&self) -> OrderRef {
                    self.0.order()
                }
            }
        )+

        /// The name of each event in the original application, and its event type here.
        pub const NAMES: &[(&str, &str)] = &[$((stringify!($name), $ty)),+];
    };
}

events! {
    /// A customer placed an order.
    OrderCreated(Order) = "order.created" from "/shop/order";
    /// The order has arrived and is complete.
    OrderDelivered(Progressed) = "order.delivered" from "/shop/order";
    /// A delivery arrived, but its order has another status.
    ErrorOrderDelivered(Progressed) = "order.error-delivered" from "/shop/order";
    /// The order is canceled: goods are returned and the payment is refunded.
    OrderCanceled(Returned) = "order.canceled" from "/shop/order";
    /// A delivery was canceled, but its order has another status.
    ErrorOrderCanceled(Progressed) = "order.error-canceled" from "/shop/order";

    /// One piece is reserved for the order.
    ItemReserved(Order) = "item.reserved" from "/shop/inventory";
    /// The item is sold out or unknown. The order ends.
    ItemNotAvailable(Order) = "item.not-available" from "/shop/inventory";
    /// Description and price of the item were added.
    ItemDescribed(WithItem) = "item.described" from "/shop/inventory";
    /// The reserved item no longer exists.
    ErrorItemDescribed(Order) = "item.error-described" from "/shop/inventory";
    /// The piece has left the warehouse.
    ItemRemoved(Paid) = "item.removed" from "/shop/inventory";
    /// The paid order has no reserved piece.
    ErrorItemRemoved(Paid) = "item.error-removed" from "/shop/inventory";
    /// The piece is for sale again. The order ends.
    ItemUnreserved(Released) = "item.unreserved" from "/shop/inventory";
    /// The failed order has no reserved piece.
    ErrorItemUnreserved(Released) = "item.error-unreserved" from "/shop/inventory";
    /// The piece of the canceled order was returned.
    ItemReturned(Returned) = "item.returned" from "/shop/inventory";
    /// The canceled order has no piece to return.
    ErrorItemReturned(Returned) = "item.error-returned" from "/shop/inventory";

    /// Name and address of the customer were added.
    CustomerDescribed(Described) = "customer.described" from "/shop/customer";
    /// The customer is unknown.
    ErrorCustomerDescribed(WithItem) = "customer.error-described" from "/shop/customer";

    /// The price of the delivery was added.
    DeliveryEstimated(Estimated) = "delivery.estimated" from "/shop/delivery";
    /// The customer's address cannot be reached.
    ErrorDeliveryEstimated(Described) = "delivery.error-estimated" from "/shop/delivery";
    /// The delivery starts: the partner is called.
    DeliveryMarkedAsStarted(DeliveryStarted) = "delivery.marked-as-started" from "/shop/delivery";
    /// The delivery cannot start.
    ErrorMarkDeliveryAsStarted(Paid) = "delivery.error-marked-as-started" from "/shop/delivery";
    /// The customer has received the goods.
    DeliveryWasDelivered(Progressed) = "delivery.was-delivered" from "/shop/delivery";
    /// The partner reports the arrival of a delivery that was not under way.
    ErrorDeliveryWasDelivered(OrderRef) = "delivery.error-was-delivered" from "/shop/delivery";
    /// The delivery is canceled.
    DeliveryWasCanceled(Progressed) = "delivery.was-canceled" from "/shop/delivery";
    /// The partner cancels a delivery that is not under way.
    ErrorDeliveryWasCanceled(OrderRef) = "delivery.error-was-canceled" from "/shop/delivery";

    /// The payment succeeded.
    PaymentMade(Paid) = "payment.made" from "/shop/payment";
    /// The payment failed.
    PaymentFailed(Paid) = "payment.failed" from "/shop/payment";
    /// The payment was refunded.
    PaymentCanceled(Refunded) = "payment.canceled" from "/shop/payment";
    /// There is no payment to refund.
    ErrorPaymentCanceled(Returned) = "payment.error-canceled" from "/shop/payment";

    /// The partner has delivered the goods. The partner chooses this name and the next one.
    Delivered(OrderRef) = "Delivered" from "/shop/logistics";
    /// The partner cannot deliver the goods.
    DeliveryCanceled(OrderRef) = "DeliveryCanceled" from "/shop/logistics";
}
