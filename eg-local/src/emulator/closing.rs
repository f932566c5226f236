//! What is left to do of an invocation whose outcome is known: the last lines of its log, and the word to the process that
//! it may go on. Does not touch the outcome.

use std::time::Duration;

use super::environment::Environment;
use super::report::{Failure, Report, end_line};
use super::runtime_api::Reply;
use super::status::Refusal;

/// To be written by [`write`](Self::write), before the environment takes another invocation.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) request_id: String,
    pub(super) duration: Duration,
    pub(super) memory_mb: u32,
    /// As far as it was known before the process was killed, in megabytes.
    pub(super) used_mb: Option<u64>,
    pub(super) failure: Option<Failure>,
    /// Who waits in the process for a word, and the word.
    pub(super) reply: Option<(Reply, Result<(), Refusal>)>,
}

impl Closing {
    /// Writes the lines and lets the process go on.
    pub(super) fn write(self, environment: &mut Environment) {
        let report = Report {
            request_id: &self.request_id,
            duration: self.duration,
            memory_mb: self.memory_mb,
            used_mb: self.used_mb.or_else(|| environment.process.peak_memory_mb()),
            init: environment.init.take(),
            failure: self.failure,
        };
        environment.log.lines(&[&end_line(&self.request_id), &report.line()]);
        // Only now, so that what the process prints from here on comes after the END line.
        if let Some((reply, word)) = self.reply {
            // The process may have ended after its answer.
            let _ = reply.send(word);
        }
    }
}
