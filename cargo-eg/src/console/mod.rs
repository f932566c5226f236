//! Formats text for the terminal and handles the signals that users send from it. What the text says is decided by
//! other modules.

mod causes;
mod lines;
mod overview;
pub(crate) mod progress;
pub(crate) mod signals;
pub(crate) mod text;

pub(crate) use lines::Live;
pub(crate) use overview::{Addresses, overview, reloaded};
