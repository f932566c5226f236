//! Describes the JSON of Rust types: shapes that the compiler knows, printed as JSON Schema (draft 2020-12).
//!
//! `#[derive(Event)]` derives the shape of an event type, `#[derive(Schema)]` those of the types in it. Both read
//! serde's attributes, so the schema describes the actual JSON: each attribute that changes the JSON is either
//! supported or refused with an error.
//!
//! ```
//! # #[cfg(feature = "derive")] {
//! use eg_sdk::{Event, Schema};
//! use serde::Serialize;
//!
//! /// An order was placed.
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
//!     r#"{"description":"An order was placed.","type":"object","properties":{"#.to_owned()
//!         + r#""orderId":{"type":"integer","minimum":0,"maximum":4294967295},"#
//!         + r#""paidBy":{"enum":["card","invoice",null]}},"required":["orderId"]}"#
//! );
//! # }
//! ```
//!
//! One schema covers both directions: a member that is always written but may be absent when read (`default`,
//! `Option`) is not required. For custom serialization (`with = "…"`) or foreign types, state the JSON of the field:
//!
//! | attribute | the JSON is |
//! |---|---|
//! | `#[schema(as = String)]` | that of this type |
//! | `#[schema(format = "date-time")]` | a string of this format |
//! | `#[schema(any)]` | any JSON; also for recursive types |
//! | `#[event(sensitive)]`; in types inside of an event `#[schema(sensitive)]` | the same, marked as `writeOnly` |
//! | `#[event("order.placed", schema = false)]` | not described: the event has no schema, and its fields need none |
//!
//! # Sensitive fields
//!
//! What is marked as sensitive reaches functions only: the gateway masks it wherever it shows an event, and so do the dashboard and
//! `cargo eg`, which read the history from the gateway. A map whose keys are sensitive is masked as a whole. A mark that would have
//! no effect does not compile, with one exception: `#[schema(any)]` and `#[schema(as = …)]` on a field hide the marks in its type.
//!
//! ```
//! # #[cfg(feature = "derive")] {
//! use eg_sdk::{Event, Schema};
//! use serde::Serialize;
//!
//! #[derive(Serialize, Event)]
//! #[event("card.charged")]
//! struct CardCharged {
//!     order: u32,
//!     #[event(sensitive)]
//!     number: String,
//! }
//!
//! let schema = CardCharged::SHAPE.to_string();
//! assert!(schema.contains(r#""number":{"writeOnly":true,"type":"string"}"#), "{schema}");
//! # }
//! ```
//!
//! A type that contains itself through another one cannot be described: the compiler reports E0275 ("overflow evaluating
//! the requirement") at both fields, and `#[schema(any)]` at one of them ends the circle.
//!
//! Types of other crates have the schema of their default JSON: those of the standard library, `uuid`, `bytes`, `time`
//! (whose dates are arrays of numbers, or texts with its feature `serde-human-readable`), and, with the feature of the
//! same name, `chrono`, `rust_decimal` and `url`.
//!
//! Schemas are constants. A program that does not print them does not contain them. `eg-runtime` puts the schemas of
//! a function's events into the manifest of its binary.

mod impls;
mod json;
mod shape;
mod write;

pub use json::Writer;
pub use shape::{Field, Part, Presence, Shape};
pub use write::write;

/// A type with a known JSON shape. Usually derived.
#[diagnostic::on_unimplemented(
    message = "what `{Self}` is as JSON is not known",
    label = "has no schema",
    note = "add `#[derive(Schema)]` to `{Self}`; for a type of another crate say on the field what it is: `#[schema(as = String)]` or `#[schema(any)]`",
    note = "an event can do without: `#[event(\"some.type\", schema = false)]`"
)]
pub trait Schema {
    /// The shape of its JSON.
    const SHAPE: &'static Shape;
}
