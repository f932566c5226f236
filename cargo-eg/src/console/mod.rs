//! Lines for people: what is registered, and what happens. Text in, text out; the caller prints.

mod lines;
mod overview;

use anstyle::{AnsiColor, Style};

pub(crate) use lines::{happening, line};
pub(crate) use overview::{Addresses, overview, reloaded};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();
