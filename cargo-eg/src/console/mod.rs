//! Lines for people: what is registered, and what happens. Text in, text out; the caller prints.

mod causes;
mod lines;
mod overview;

pub(crate) use lines::Live;
pub(crate) use overview::{Addresses, overview, reloaded};
