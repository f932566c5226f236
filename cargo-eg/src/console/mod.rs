//! What people see at the terminal, and the signals that they send from it. Makes text of what other modules found out.

mod causes;
mod lines;
mod overview;
pub(crate) mod progress;
pub(crate) mod signals;
pub(crate) mod text;

pub(crate) use lines::Live;
pub(crate) use overview::{Addresses, overview, reloaded};
