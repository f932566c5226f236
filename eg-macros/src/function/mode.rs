//! Whether the sender of an event waits for its answer. Which triggers have a mode is left to `trigger`.

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Sync,
    Async,
}
