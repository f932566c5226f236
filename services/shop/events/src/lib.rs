//! The events of the shop and the documents in them. Types only: no service depends on another.
//!
//! An order is one document that grows: each service adds its own part and passes the whole on with its own event.

mod document;
mod envelope;
mod money;

pub use document::{
    Customer, DeliveryProgress, DeliveryStarted, DeliveryStatus, Described, Estimate, Estimated, Item, Order,
    OrderRef, OrderRow, OrderStatus, Paid, Payment, PaymentStatus, Progressed, Refunded, Released, Returned,
    Shipment, WithItem,
};
pub use envelope::{OfOrder, caused_by, first};
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
    /// A customer has ordered.
    OrderCreated(Order) = "order.created" from "/shop/order";
    /// The order has arrived, and is over.
    OrderDelivered(Progressed) = "order.delivered" from "/shop/order";
    /// An arrived delivery does not fit its order.
    ErrorOrderDelivered(Progressed) = "order.error-delivered" from "/shop/order";
    /// The order is called off: its goods and its money go back.
    OrderCanceled(Returned) = "order.canceled" from "/shop/order";
    /// A canceled delivery does not fit its order.
    ErrorOrderCanceled(Progressed) = "order.error-canceled" from "/shop/order";

    /// One piece is kept for the order.
    ItemReserved(Order) = "item.reserved" from "/shop/inventory";
    /// There is no piece left, or no such item. The order is over.
    ItemNotAvailable(Order) = "item.not-available" from "/shop/inventory";
    /// What the item is and costs.
    ItemDescribed(WithItem) = "item.described" from "/shop/inventory";
    /// The reserved item is not known any more.
    ErrorItemDescribed(Order) = "item.error-described" from "/shop/inventory";
    /// The piece has left the warehouse.
    ItemRemoved(Paid) = "item.removed" from "/shop/inventory";
    /// A paid order has no piece reserved.
    ErrorItemRemoved(Paid) = "item.error-removed" from "/shop/inventory";
    /// The piece is for sale again. The order is over.
    ItemUnreserved(Released) = "item.unreserved" from "/shop/inventory";
    /// A failed order has no piece reserved.
    ErrorItemUnreserved(Released) = "item.error-unreserved" from "/shop/inventory";
    /// The piece of a canceled order is back.
    ItemReturned(Returned) = "item.returned" from "/shop/inventory";
    /// A canceled order has no piece that could come back.
    ErrorItemReturned(Returned) = "item.error-returned" from "/shop/inventory";

    /// Who the customer is.
    CustomerDescribed(Described) = "customer.described" from "/shop/customer";
    /// Nobody knows this customer.
    ErrorCustomerDescribed(WithItem) = "customer.error-described" from "/shop/customer";

    /// What the delivery would cost.
    DeliveryEstimated(Estimated) = "delivery.estimated" from "/shop/delivery";
    /// There is no way to the customer's address.
    ErrorDeliveryEstimated(Described) = "delivery.error-estimated" from "/shop/delivery";
    /// The delivery begins: the partner is told.
    DeliveryMarkedAsStarted(DeliveryStarted) = "delivery.marked-as-started" from "/shop/delivery";
    /// The delivery cannot begin.
    ErrorMarkDeliveryAsStarted(Paid) = "delivery.error-marked-as-started" from "/shop/delivery";
    /// The customer has the goods.
    DeliveryWasDelivered(Progressed) = "delivery.was-delivered" from "/shop/delivery";
    /// The partner says that something has arrived that was not under way.
    ErrorDeliveryWasDelivered(OrderRef) = "delivery.error-was-delivered" from "/shop/delivery";
    /// The delivery is called off.
    DeliveryWasCanceled(Progressed) = "delivery.was-canceled" from "/shop/delivery";
    /// The partner calls off what is not under way.
    ErrorDeliveryWasCanceled(OrderRef) = "delivery.error-was-canceled" from "/shop/delivery";

    /// The money is there.
    PaymentMade(Paid) = "payment.made" from "/shop/payment";
    /// The money is not there.
    PaymentFailed(Paid) = "payment.failed" from "/shop/payment";
    /// The money went back.
    PaymentCanceled(Refunded) = "payment.canceled" from "/shop/payment";
    /// There is no payment that could go back.
    ErrorPaymentCanceled(Returned) = "payment.error-canceled" from "/shop/payment";

    /// The partner has handed the goods over.
    Delivered(OrderRef) = "logistics.delivered" from "/shop/logistics";
    /// The partner cannot hand the goods over.
    DeliveryCanceled(OrderRef) = "logistics.delivery-canceled" from "/shop/logistics";
}
