//! What JSON a Rust type is: its shape, known to the compiler, and printed as JSON Schema (draft 2020-12).
//!
//! `#[derive(Event)]` gives an event type its shape, `#[derive(Schema)]` the types in it. Both read serde's
//! attributes, so that the schema says what travels: what changes the JSON is honoured, or refused at the attribute.
//!
//! ```
//! # #[cfg(feature = "derive")] {
//! use eg_sdk::{Event, Schema};
//! use serde::Serialize;
//!
//! /// Somebody ordered something.
//! #[derive(Serialize, Event)]
//! #[event("order.placed")]
//! #[serde(rename_all = "camelCase")]
//! struct OrderPlaced {
//!     order_id: u32,
//!     #[serde(skip_serializing_if = "Option::is_none")]
//!     paid_by: Option<Method>,
//! }
//!
//! #[derive(Serialize, Schema)]
//! #[serde(rename_all = "lowercase")]
//! enum Method { Card, Invoice }
//!
//! assert_eq!(
//!     OrderPlaced::SHAPE.to_string(),
//!     r#"{"description":"Somebody ordered something.","type":"object","properties":{"#.to_owned()
//!         + r#""orderId":{"type":"integer","minimum":0,"maximum":4294967295},"#
//!         + r#""paidBy":{"enum":["card","invoice",null]}},"required":["orderId"]}"#
//! );
//! # }
//! ```
//!
//! One schema speaks for both directions: what is always written, but need not be there to be read (`default`,
//! `Option`), is not required. Where serde is told to do something else (`with = "…"`), or a type comes from elsewhere,
//! the field says what it is as JSON:
//!
//! | attribute | it is |
//! |---|---|
//! | `#[schema(as = String)]` | what this type is |
//! | `#[schema(format = "date-time")]` | a string of this format |
//! | `#[schema(any)]` | any JSON; also where a type contains itself |
//! | `#[event("order.placed", schema = false)]` | not said: the event has no schema, and its fields need none |
//!
//! Schemas are constants. A program that does not print them contains none; `eg-runtime` puts those of a function's
//! events into the manifest of its binary.

mod impls;
mod json;
mod shape;
mod write;

pub use json::Writer;
pub use shape::{Field, Part, Presence, Shape};
pub use write::write;

/// A type whose JSON is known to the compiler. Usually derived.
#[diagnostic::on_unimplemented(
    message = "what `{Self}` is as JSON is not known",
    label = "has no schema",
    note = "add `#[derive(Schema)]` to `{Self}`; for a type of another crate say on the field what it is: `#[schema(as = String)]` or `#[schema(any)]`",
    note = "an event can do without: `#[event(\"some.type\", schema = false)]`"
)]
pub trait Schema {
    /// What it is as JSON.
    const SHAPE: &'static Shape;
}
