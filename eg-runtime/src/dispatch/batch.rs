//! Decides which messages of a batch are done and which are reported as failed. Calls nothing and knows no clock.
//!
//! * Every message is either done or reported, because a message that is neither would be lost.
//! * After a failure in a message group, no later message of that group is handled, to keep their order.
//! * When the time is up, the remaining messages are reported.

use std::collections::HashSet;

use crate::outcome::Failure;

/// A message that is reported as failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) id: String,
    pub(crate) reason: String,
    /// Whether a retry cannot help.
    pub(crate) is_final: bool,
}

/// The state of one batch.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    failed: Vec<Failed>,
    blocked: HashSet<String>,
    stopped: bool,
}

impl Batch {
    /// Returns whether to handle the next message. If not, reports it.
    pub(crate) fn admits(&mut self, id: &str, group: Option<&str>, in_time: bool) -> bool {
        self.stopped |= !in_time;
        let reason = if self.stopped {
            "not handled: the time of the invocation was up"
        } else if group.is_some_and(|group| self.blocked.contains(group)) {
            "not handled: an earlier message of its group failed"
        } else {
            return true;
        };
        self.failed.push(Failed { id: id.to_owned(), reason: reason.to_owned(), is_final: false });
        false
    }

    /// Records that handling a message failed.
    pub(crate) fn failed(&mut self, id: &str, group: Option<&str>, failure: Failure) {
        let is_final = failure.is_final();
        self.failed.push(Failed { id: id.to_owned(), reason: failure.message, is_final });
        self.blocked.extend(group.map(str::to_owned));
    }

    /// Returns the reported messages, in order.
    pub(crate) fn into_failed(self) -> Vec<Failed> {
        self.failed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Batch;
    use crate::outcome::{Failure, FailureKind};

    fn broken() -> Failure {
        Failure::new(FailureKind::Retry, "broken".to_owned())
    }

    /// Runs a batch in which the messages in `fails` fail. Returns the handled and the reported messages.
    fn run(
        messages: &[(String, Option<String>)],
        fails: impl Fn(usize) -> bool,
        in_time: impl Fn(usize) -> bool,
    ) -> (Vec<usize>, Vec<String>) {
        let mut batch = Batch::default();
        let mut handled = Vec::new();
        for (at, (id, group)) in messages.iter().enumerate() {
            if !batch.admits(id, group.as_deref(), in_time(at)) {
                continue;
            }
            handled.push(at);
            if fails(at) {
                batch.failed(id, group.as_deref(), broken());
            }
        }
        (handled, batch.into_failed().into_iter().map(|failed| failed.id).collect())
    }

    #[test]
    fn every_subset_of_ten_that_fails_is_reported_and_nothing_else() {
        let messages: Vec<_> = (0..10).map(|n| (format!("m{n}"), None)).collect();
        for subset in 0_u32..1 << 10 {
            let fails = |at: usize| subset & (1 << at) != 0;
            let (handled, reported) = run(&messages, fails, |_| true);
            assert_eq!(handled, (0..10).collect::<Vec<_>>());
            let expected: Vec<_> = (0..10).filter(|at| fails(*at)).map(|at| format!("m{at}")).collect();
            assert_eq!(reported, expected);
        }
    }

    #[test]
    fn what_is_not_handled_says_why() {
        let mut batch = Batch::default();
        assert!(batch.admits("a", Some("g"), true));
        batch.failed("a", Some("g"), broken());
        assert!(!batch.admits("b", Some("g"), true));
        assert!(!batch.admits("c", None, false));
        let reasons: Vec<_> = batch.into_failed().into_iter().map(|failed| failed.reason).collect();
        assert_eq!(
            reasons,
            [
                "broken",
                "not handled: an earlier message of its group failed",
                "not handled: the time of the invocation was up"
            ]
        );
    }

    proptest! {
        #[test]
        fn groups_keep_their_order_and_do_not_hold_each_other_up(
            batch in prop::collection::vec((0..3_usize, any::<bool>()), 0..30),
        ) {
            let messages: Vec<_> = batch
                .iter()
                .enumerate()
                .map(|(n, (group, _))| (format!("m{n}"), Some(format!("g{group}"))))
                .collect();
            let (handled, reported) = run(&messages, |at| batch[at].1, |_| true);
            for (at, (group, fails)) in batch.iter().enumerate() {
                let earlier_failed = batch[..at].iter().any(|(other, failed)| other == group && *failed);
                prop_assert_eq!(handled.contains(&at), !earlier_failed);
                prop_assert_eq!(reported.contains(&format!("m{at}")), earlier_failed || *fails);
            }
        }

        #[test]
        fn what_time_does_not_allow_is_reported(
            batch in prop::collection::vec((prop::option::of(0..3_usize), any::<bool>()), 0..30),
            until in 0..30_usize,
        ) {
            let messages: Vec<_> = batch
                .iter()
                .enumerate()
                .map(|(n, (group, _))| (format!("m{n}"), group.map(|group| format!("g{group}"))))
                .collect();
            let (handled, reported) = run(&messages, |at| batch[at].1, |at| at < until);
            prop_assert!(handled.iter().all(|at| *at < until));
            for (at, (_, fails)) in batch.iter().enumerate() {
                let done = handled.contains(&at) && !fails;
                prop_assert_eq!(reported.contains(&format!("m{at}")), !done);
            }
        }
    }
}
