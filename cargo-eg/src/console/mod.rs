//! Formats text for the terminal and handles the signals that users send from it. What the text says is decided by
//! other modules.

mod causes;
mod functions;
mod lines;
mod overview;
pub(crate) mod progress;
pub(crate) mod signals;
mod terminal;
pub(crate) mod text;
mod trials;

pub(crate) use functions::Functions;
pub(crate) use overview::{Addresses, overview, reloaded};
pub(crate) use terminal::{Feed, Screen, feed};
