//! Groups dead letters by function and cause, so that one mistake is one line however many events it has cost.

use eg_sdk::history::DeadLetter;
use time::OffsetDateTime;

/// Dead letters of one function with one cause.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    pub(crate) function: &'a str,
    pub(crate) cause: String,
    /// The newest first.
    pub(crate) letters: Vec<&'a DeadLetter>,
}

impl<'a> Group<'a> {
    /// Returns the reason that all of them have, if it is the same and has one line.
    pub(crate) fn reason(&self) -> Option<&'a str> {
        let first = self.letters.first()?.reason.as_str();
        let is_shared = !first.contains('\n') && self.letters.iter().all(|letter| letter.reason == first);
        is_shared.then_some(first)
    }

    /// Returns when the oldest of them was given up.
    pub(crate) fn oldest(&self) -> Option<OffsetDateTime> {
        self.letters.iter().map(|letter| letter.dead_at).min()
    }
}

/// Returns the groups, the largest first.
pub(crate) fn groups(letters: &[DeadLetter]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for letter in letters {
        let cause = cause(&letter.reason);
        match groups.iter_mut().find(|group| group.function == letter.function_id && group.cause == cause) {
            Some(group) => group.letters.push(letter),
            None => groups.push(Group { function: &letter.function_id, cause, letters: vec![letter] }),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.letters.len()));
    groups
}

/// The maximum number of characters of a cause.
const LONGEST: usize = 160;

/// Returns what the reasons of dead letters with one cause have in common: the first line, with `…` for numbers and for words
/// that contain a digit, such as ids and addresses.
fn cause(reason: &str) -> String {
    let line = reason.lines().next().unwrap_or_default();
    let words = line.split(' ').map(|word| {
        let start = word.len() - word.trim_start_matches(|c: char| !c.is_alphanumeric()).len();
        let end = word.trim_end_matches(|c: char| !c.is_alphanumeric()).len().max(start);
        let core = &word[start..end];
        // The status is the cause, and not an accident.
        let is_status =
            core.len() == 3 && core.parse::<u16>().is_ok_and(|status| (400..600).contains(&status));
        if core.chars().any(|c| c.is_ascii_digit()) && !is_status {
            format!("{}…{}", &word[..start], &word[end..])
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_group_with_one_reason_shows_it() {
        let letter = |reason: &str| -> DeadLetter {
            let letter = json!({
                "deadLetterId": 1, "subscriptionId": "s", "functionId": "f", "eventId": "1", "eventType": "t",
                "source": "/s", "state": "dead", "reason": reason, "acceptedAt": "2026-01-31T12:00:00Z",
                "deadAt": "2026-01-31T12:00:01Z", "attempts": [], "event": {},
            });
            serde_json::from_str(&letter.to_string()).unwrap()
        };
        for (reasons, expected) in [
            (["exit status 3"; 2], Some("exit status 3")),
            (["exit status 3", "exit status 4"], None),
            (["boom\nat line 7"; 2], None),
        ] {
            let letters = reasons.map(letter);
            let groups = groups(&letters);
            assert_eq!((groups.len(), groups[0].reason()), (1, expected), "{reasons:?}");
        }
    }

    #[test]
    fn reasons_that_differ_in_ids_have_one_cause() {
        for (reason, expected) in [
            ("rejected: no user 4711", "rejected: no user …"),
            ("HTTP status 500: boom\nat line 7", "HTTP status 500: boom"),
            ("order 0199a5c3-7d24: sold out", "order …: sold out"),
            ("mail to `d4@disney.com` failed", "mail to `…` failed"),
            ("5 attempts failed; the last: \"x1\"", "… attempts failed; the last: \"…\""),
            ("", ""),
            ("\u{202e}…", "\u{202e}…"),
        ] {
            assert_eq!(cause(reason), expected);
        }
    }
}
