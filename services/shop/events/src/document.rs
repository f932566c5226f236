//! What travels in the events: the order's document as it grows, step by step.

use std::fmt;

use eg_sdk::Schema;
use serde::{Deserialize, Serialize};

use crate::{Cents, OfOrder};

/// Which order of which customer, for those who need no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct OrderRef {
    /// The customer.
    pub customer_id: String,
    /// The order.
    pub order_id: String,
}

/// An order: who wants what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The customer.
    pub customer_id: String,
    /// The order; a UUIDv7.
    pub order_id: String,
    /// The item.
    pub item_id: String,
}

/// An order, with its item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct WithItem {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// Its item.
    pub item: Item,
}

/// An order, with its item and customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Described {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// Its item.
    pub item: Item,
    /// Its customer.
    pub customer: Customer,
}

/// An order, with its item, customer and the estimate of its delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
pub struct Estimated {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// Its item.
    pub item: Item,
    /// Its customer.
    pub customer: Customer,
    /// The way to the customer, and its price.
    pub delivery: Estimate,
}

/// An order with all that is known when it was paid, or could not be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
pub struct Paid {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// Its item.
    pub item: Item,
    /// Its customer.
    pub customer: Customer,
    /// The way to the customer, and its price.
    pub delivery: Estimate,
    /// The payment.
    pub payment: Payment,
}

/// An order whose piece is for sale again, with all that was known by then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
pub struct Released {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// Its item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<Item>,
    /// Its customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// The way to the customer, and its price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Estimate>,
    /// The payment that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<Payment>,
}

/// A paid order whose delivery begins: the delivery takes the place of its estimate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct DeliveryStarted {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// Its item.
    pub item: Item,
    /// Its customer.
    pub customer: Customer,
    /// The delivery.
    pub delivery: Shipment,
    /// The payment.
    pub payment: Payment,
}

/// An order whose delivery has come to an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Progressed {
    /// Which order.
    #[serde(flatten)]
    pub order: OrderRef,
    /// To which end.
    pub delivery: DeliveryProgress,
}

/// A canceled order, with all that has to be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Returned {
    /// Which order.
    #[serde(flatten)]
    pub key: OrderRef,
    /// The end of its delivery.
    pub delivery: DeliveryProgress,
    /// The order as it was kept.
    pub order: OrderRow,
}

/// A canceled order, with its payment that went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Refunded {
    /// Which order.
    #[serde(flatten)]
    pub key: OrderRef,
    /// The end of its delivery.
    pub delivery: DeliveryProgress,
    /// The order as it was kept.
    pub order: OrderRow,
    /// The payment.
    pub payment: Payment,
}

/// Something that is sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Its id.
    pub item_id: String,
    /// What it is.
    pub description: String,
    /// What it looks like.
    pub image: String,
    /// What one piece costs.
    pub price: Cents,
    /// How many pieces can be ordered.
    pub available: u32,
    /// How many pieces are kept for orders that are not paid.
    pub reserved: u32,
}

/// Somebody who orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// Their id.
    pub customer_id: String,
    /// Who they are.
    pub description: String,
    /// Their name.
    pub name: String,
    /// Where to write to.
    pub email: String,
    /// Where to deliver to.
    pub address: String,
}

/// The way to a customer, and what it costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "PascalCase")]
pub struct Estimate {
    /// Who has calculated it.
    pub data_source: String,
    /// How far it is.
    pub distance: f64,
    /// In which unit.
    pub distance_unit: String,
    /// How long it takes.
    pub duration_seconds: f64,
    /// The rectangle around it: west, south, east, north.
    #[serde(rename = "RouteBBox")]
    pub route_bbox: [f64; 4],
    /// What it costs.
    #[serde(rename = "price")]
    pub price: Cents,
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Its id.
    pub payment_id: String,
    /// How it is made.
    pub payment_method: String,
    /// How much.
    pub amount: Cents,
    /// What became of it.
    pub status: PaymentStatus,
}

/// A delivery that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct Shipment {
    /// The customer.
    pub customer_id: String,
    /// The order.
    pub order_id: String,
    /// Where it goes.
    pub address: String,
    /// How far it is.
    pub delivery_status: DeliveryStatus,
}

/// How far a delivery is, and no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryProgress {
    /// How far it is.
    pub delivery_status: DeliveryStatus,
}

/// An order as the order service keeps it. Amounts and address are known when it is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct OrderRow {
    /// The customer.
    pub customer_id: String,
    /// The order.
    pub order_id: String,
    /// The item.
    pub item_id: String,
    /// How far it is.
    pub order_status: OrderStatus,
    /// What the item costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_price: Option<Cents>,
    /// What the delivery costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_price: Option<Cents>,
    /// What both cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_price: Option<Cents>,
    /// The payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<String>,
    /// Where it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_address: Option<String>,
    /// When it was ordered (RFC 3339, UTC).
    pub order_date: String,
    /// When its status changed last.
    pub update_date: String,
}

macro_rules! statuses {
    ($(#[doc = $doc:literal] $name:ident { $(#[doc = $value_doc:literal] $value:ident = $text:literal,)+ })+) => {
        $(
            #[doc = $doc]
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Schema)]
            pub enum $name {
                $(
                    #[doc = $value_doc]
                    #[serde(rename = $text)]
                    $value,
                )+
            }

            impl $name {
                /// All of them.
                pub const ALL: &[Self] = &[$(Self::$value),+];

                /// Its name in documents.
                #[must_use]
                pub const fn as_str(self) -> &'static str {
                    match self {
                        $(Self::$value => $text,)+
                    }
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(self.as_str())
                }
            }
        )+
    };
}

statuses! {
    /// How far an order is.
    OrderStatus {
        /// Ordered.
        Created = "CREATED",
        /// A piece is kept for it.
        Reserved = "RESERVED",
        /// There is no piece for it. The end.
        NotAvailable = "NOT_AVAILABLE",
        /// Customer or way to the customer are not known. The end.
        Canceled = "CANCELED",
        /// Paid.
        Paid = "PAID",
        /// It could not be paid. The end.
        PaymentFailed = "PAYMENT_FAILED",
        /// Under way.
        Delivering = "DELIVERING",
        /// Arrived. The end.
        Delivered = "DELIVERED",
        /// Called off on its way; the money is still to go back.
        DeliveryCanceled = "DELIVERY_CANCELED",
        /// Called off, and the money went back. The end.
        PaymentCanceled = "PAYMENT_CANCELED",
    }
    /// What became of a payment.
    PaymentStatus {
        /// Made.
        Paid = "PAID",
        /// Refused.
        Failed = "FAILED",
        /// Made, and gone back.
        Canceled = "CANCELED",
    }
    /// How far a delivery is.
    DeliveryStatus {
        /// Under way.
        Delivering = "DELIVERING",
        /// Arrived.
        Delivered = "DELIVERED",
        /// Called off.
        Canceled = "CANCELED",
    }
}

/// Documents begin with the order they are about; in which of their fields differs.
macro_rules! of_order {
    ($($document:ty => $($field:ident).*;)+) => {
        $(impl OfOrder for $document {
            fn order(&self) -> OrderRef {
                let order = &self$(.$field)*;
                OrderRef { customer_id: order.customer_id.clone(), order_id: order.order_id.clone() }
            }
        })+
    };
}

of_order! {
    Order => ;
    OrderRef => ;
    WithItem => order;
    Described => order;
    Estimated => order;
    Paid => order;
    Released => order;
    DeliveryStarted => order;
    Progressed => order;
    Returned => key;
    Refunded => key;
}
