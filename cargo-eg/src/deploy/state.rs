//! What the status of a stack allows. Each status that prevents a deployment comes with the command that ends it.

use super::target::Target;
use crate::exit::{Exit, Failure};

/// What can be done with a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It can be updated.
    Ready,
    /// A first deployment was prepared, and never run: there are no resources.
    Prepared,
    /// Something is going on.
    Busy,
    /// A first deployment or a removal has failed: it can only be removed.
    Broken,
    /// The rollback of an update has failed: it must be completed first.
    Stuck,
}

impl State {
    /// Reads a status of CloudFormation.
    pub(super) fn of(status: &str) -> Self {
        match status {
            "REVIEW_IN_PROGRESS" => Self::Prepared,
            "CREATE_FAILED" | "DELETE_FAILED" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" => Self::Broken,
            "IMPORT_ROLLBACK_FAILED" | "UPDATE_ROLLBACK_FAILED" => Self::Stuck,
            status if status.ends_with("_IN_PROGRESS") => Self::Busy,
            _ => Self::Ready,
        }
    }
}

/// Returns why a stack with this status cannot be deployed now. `who` has begun what is going on, if that is known.
pub(super) fn obstacle(target: &Target, status: &str, who: Option<&str>) -> Option<Failure> {
    let stack = &target.stack;
    match State::of(status) {
        State::Ready | State::Prepared => None,
        State::Busy => Some(busy(target, status, who)),
        State::Broken => {
            let message = match status {
                "DELETE_FAILED" => format!("the removal of stack `{stack}` has failed ({status})"),
                _ => format!("the first deployment of stack `{stack}` has failed ({status})"),
            };
            let hint =
                format!("remove what is left of it with `{}`, then deploy again", target.command("remove"));
            Some(Failure::new(Exit::NotDeployed, message).hint(hint))
        }
        State::Stuck => {
            let message = format!("stack `{stack}` could not return to its last version ({status})");
            let hint = format!(
                "correct what its events name, then complete that with `{}`",
                target.command("rollback")
            );
            Some(Failure::new(Exit::NotDeployed, message).hint(hint))
        }
    }
}

/// Returns the failure of a stack that somebody else is changing.
pub(super) fn busy(target: &Target, status: &str, who: Option<&str>) -> Failure {
    let by = who.map(|who| format!(" by {who}")).unwrap_or_default();
    Failure::new(Exit::Busy, format!("stack `{}` is being changed{by} ({status})", target.stack))
        .hint("wait until that has ended, then run the command again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_obstacle_names_the_next_command() {
        let target = Target { stack: "shop".to_owned(), is_stage: true, options: " --stage test".to_owned() };
        let check = |status: &str, expected: &str| {
            let found = obstacle(&target, status, Some("alice")).map(|failure| failure.text());
            assert_eq!(found.unwrap_or_default(), expected, "{status}");
        };
        for ready in [
            "CREATE_COMPLETE",
            "UPDATE_COMPLETE",
            "UPDATE_ROLLBACK_COMPLETE",
            "UPDATE_FAILED",
            "IMPORT_COMPLETE",
        ] {
            check(ready, "");
        }
        check("REVIEW_IN_PROGRESS", "");
        for busy in
            ["CREATE", "UPDATE", "UPDATE_COMPLETE_CLEANUP", "UPDATE_ROLLBACK", "ROLLBACK", "DELETE", "IMPORT"]
        {
            let status = format!("{busy}_IN_PROGRESS");
            check(
                &status,
                &format!(
                    "stack `shop` is being changed by alice ({status})\nwait until that has ended, then run the command again"
                ),
            );
        }
        for broken in ["CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"] {
            check(
                broken,
                &format!(
                    "the first deployment of stack `shop` has failed ({broken})\n\
                     remove what is left of it with `cargo eg remove --stage test`, then deploy again"
                ),
            );
        }
        check(
            "DELETE_FAILED",
            "the removal of stack `shop` has failed (DELETE_FAILED)\n\
             remove what is left of it with `cargo eg remove --stage test`, then deploy again",
        );
        for stuck in ["UPDATE_ROLLBACK_FAILED", "IMPORT_ROLLBACK_FAILED"] {
            check(
                stuck,
                &format!(
                    "stack `shop` could not return to its last version ({stuck})\n\
                     correct what its events name, then complete that with `cargo eg rollback --stage test`"
                ),
            );
        }
    }
}
