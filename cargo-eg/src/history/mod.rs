//! The gateway's history over HTTP: events, what became of them, dead letters, replays. Knows the wire and no terminal.

pub(crate) mod client;
pub(crate) mod find;
pub(crate) mod view;
