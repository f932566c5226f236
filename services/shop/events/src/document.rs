//! The payloads of the events: the order's document at each step.

use std::fmt;

use eg_sdk::Schema;
use serde::{Deserialize, Serialize};

use crate::{Cents, OfOrder};

/// Identifies an order and its customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct OrderRef {
    /// The customer.
    pub customer_id: String,
    /// The order.
    pub order_id: String,
}

/// A new order.
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
    /// The estimated delivery.
    pub delivery: Estimate,
}

/// An order with all its parts, after the attempt to pay it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
pub struct Paid {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// Its item.
    pub item: Item,
    /// Its customer.
    pub customer: Customer,
    /// The estimated delivery.
    pub delivery: Estimate,
    /// The payment.
    pub payment: Payment,
}

/// An order that ended before payment, with the parts known by then.
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
    /// The estimated delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Estimate>,
    /// The payment that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<Payment>,
}

/// A paid order whose delivery starts. The delivery replaces the estimate.
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

/// An order whose delivery ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Progressed {
    /// The order.
    #[serde(flatten)]
    pub order: OrderRef,
    /// The delivery's final status.
    pub delivery: DeliveryProgress,
}

/// A canceled order with everything that must be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Returned {
    /// The order.
    #[serde(flatten)]
    pub key: OrderRef,
    /// The delivery's final status.
    pub delivery: DeliveryProgress,
    /// The stored order.
    pub order: OrderRow,
}

/// A canceled order with its refunded payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Refunded {
    /// The order.
    #[serde(flatten)]
    pub key: OrderRef,
    /// The delivery's final status.
    pub delivery: DeliveryProgress,
    /// The stored order.
    pub order: OrderRow,
    /// The payment.
    pub payment: Payment,
}

/// An item for sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Its id.
    pub item_id: String,
    /// The description.
    pub description: String,
    /// The URL of the picture.
    pub image: String,
    /// The price of one piece.
    pub price: Cents,
    /// The number of available pieces.
    pub available: u32,
    /// The number of pieces reserved for unpaid orders.
    pub reserved: u32,
}

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// The customer's id.
    pub customer_id: String,
    /// The kind of customer.
    pub description: String,
    /// The name.
    pub name: String,
    /// The email address.
    pub email: String,
    /// The delivery address.
    pub address: String,
}

/// The route to a customer, and its price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "PascalCase")]
pub struct Estimate {
    /// The provider of the estimate.
    pub data_source: String,
    /// The distance.
    pub distance: f64,
    /// The unit of the distance.
    pub distance_unit: String,
    /// The travel time.
    pub duration_seconds: f64,
    /// The bounding box: west, south, east, north.
    #[serde(rename = "RouteBBox")]
    pub route_bbox: [f64; 4],
    /// The price.
    #[serde(rename = "price")]
    pub price: Cents,
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Its id.
    pub payment_id: String,
    /// The payment method.
    pub payment_method: String,
    /// The amount.
    pub amount: Cents,
    /// The status.
    pub status: PaymentStatus,
}

/// A started delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct Shipment {
    /// The customer.
    pub customer_id: String,
    /// The order.
    pub order_id: String,
    /// The destination.
    pub address: String,
    /// The status.
    pub delivery_status: DeliveryStatus,
}

/// The status of a delivery alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryProgress {
    /// The status.
    pub delivery_status: DeliveryStatus,
}

/// An order as stored by the order service. Amounts and address are known once it is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct OrderRow {
    /// The customer.
    pub customer_id: String,
    /// The order.
    pub order_id: String,
    /// The item.
    pub item_id: String,
    /// The status.
    pub order_status: OrderStatus,
    /// Why the order ended without a delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The item's price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_price: Option<Cents>,
    /// The delivery's price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_price: Option<Cents>,
    /// The total price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_price: Option<Cents>,
    /// The payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<String>,
    /// The destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_address: Option<String>,
    /// When the order was placed (RFC 3339, UTC).
    pub order_date: String,
    /// When the status changed last (RFC 3339, UTC).
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
                /// All values.
                pub const ALL: &[Self] = &[$(Self::$value),+];

                /// The name in documents.
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
    /// The status of an order.
    OrderStatus {
        /// Placed.
        Created = "CREATED",
        /// A piece is reserved.
        Reserved = "RESERVED",
        /// No piece is available. Final.
        NotAvailable = "NOT_AVAILABLE",
        /// The customer or the route is unknown. Final.
        Canceled = "CANCELED",
        /// Paid.
        Paid = "PAID",
        /// The payment failed. Final.
        PaymentFailed = "PAYMENT_FAILED",
        /// Under way.
        Delivering = "DELIVERING",
        /// Delivered. Final.
        Delivered = "DELIVERED",
        /// Canceled during delivery; the refund is pending.
        DeliveryCanceled = "DELIVERY_CANCELED",
        /// Canceled and refunded. Final.
        PaymentCanceled = "PAYMENT_CANCELED",
    }
    /// The status of a payment.
    PaymentStatus {
        /// Made.
        Paid = "PAID",
        /// Refused.
        Failed = "FAILED",
        /// Refunded.
        Canceled = "CANCELED",
    }
    /// The status of a delivery.
    DeliveryStatus {
        /// Under way.
        Delivering = "DELIVERING",
        /// Delivered.
        Delivered = "DELIVERED",
        /// Canceled.
        Canceled = "CANCELED",
    }
}

/// Every document identifies its order, but in different fields.
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
