//! Schemas in a crate that forbids unsafe code and denies all warnings.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, clippy::pedantic)]

use std::collections::BTreeMap;

use eg_runtime::{CloudEvent, Emit, Error, Event, Schema, schema::Shape, subscribe};
use serde::{Deserialize, Serialize};

/// An order.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event("order.placed")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderPlaced {
    /// Its id.
    pub order_id: u32,
    lines: Vec<Line>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paid: Option<Payment>,
    labels: BTreeMap<String, String>,
    #[schema(any)]
    foreign: Foreign,
}

#[derive(Debug, Serialize, Deserialize)]
struct Foreign;

#[derive(Debug, Serialize, Deserialize, Schema)]
struct Line {
    item: ItemId,
    count: u16,
}

#[derive(Debug, Serialize, Deserialize)]
struct ItemId(String);

impl Schema for ItemId {
    const SHAPE: &'static Shape = &Shape::STRING;
}

#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(tag = "by")]
enum Payment {
    Card { number: String },
    Invoice,
}

#[derive(Debug, Serialize, Event)]
#[event("order.refused", schema = false)]
struct OrderRefused {
    why: Foreign,
}

type Placed = CloudEvent<OrderPlaced>;

#[subscribe(OrderPlaced)]
async fn check(emit: Emit<OrderRefused>, order: Placed) -> Result<(), Error> {
    if order.data.lines.is_empty() {
        emit.send(OrderRefused { why: order.data.foreign }).await?;
    }
    Ok(())
}

fn main() {
    let _ = check;
}
