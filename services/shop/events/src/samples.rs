//! Parts of documents for the services' tests.

use crate::{Cents, Customer, Estimate, Item};

/// Returns an item at 399.99 of which one piece is reserved.
#[must_use]
pub fn item(item_id: &str) -> Item {
    Item {
        item_id: item_id.to_owned(),
        description: "Big Smartphone".to_owned(),
        image: String::new(),
        price: Cents(39_999),
        available: 9,
        reserved: 1,
    }
}

/// Returns a customer with this address.
#[must_use]
pub fn customer(customer_id: &str, address: &str) -> Customer {
    Customer {
        customer_id: customer_id.to_owned(),
        description: String::new(),
        name: "Sherlock Holmes".to_owned(),
        email: "holmes@example.net".to_owned(),
        address: address.to_owned(),
    }
}

/// Returns the estimate of a delivery with this price.
#[must_use]
pub fn estimate(price: Cents) -> Estimate {
    Estimate {
        data_source: "table".to_owned(),
        distance: 3.1,
        distance_unit: "Kilometers".to_owned(),
        duration_seconds: 560.1,
        route_bbox: [0.0; 4],
        price,
    }
}
