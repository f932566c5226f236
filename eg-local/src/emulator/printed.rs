//! Reports the lines that functions print to whoever observes them. The log files are left to `log`.

use std::fmt;
use std::sync::Arc;

/// A line that a function's process printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Printed<'a> {
    /// The function's id.
    pub function: &'a str,
    /// Where it was printed.
    pub stream: Stream,
    /// The line as printed, without its end. May contain any bytes.
    pub line: &'a [u8],
}

/// The stream of a printed line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error. Also the lines in which Lambda reports that it gave an event up.
    Stderr,
}

/// Receives every [`Printed`] line; cheap to clone. The default ignores them.
///
/// A function's lines are reported before its caller gets the answer.
#[derive(Clone)]
pub struct OutputObserver(Arc<dyn Fn(Printed<'_>) + Send + Sync>);

impl OutputObserver {
    /// Calls `observe` for each line, on the task that reads the output: it must return quickly.
    pub fn new(observe: impl Fn(Printed<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    pub(super) fn report(&self, function: &str, stream: Stream, line: &[u8]) {
        (self.0)(Printed { function, stream, line });
    }
}

impl Default for OutputObserver {
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for OutputObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputObserver").finish_non_exhaustive()
    }
}
