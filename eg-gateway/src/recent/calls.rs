//! Keeps what the last calls of functions answered and printed, for people who look at the gateway now. Bounded in memory, and
//! lost at the end of the process. [`Notes`] carries this beside a call, because its result has only what decisions need.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_sdk::history::{Call, CallFilter, CallPage};

use super::Ended;
use crate::timestamp::Timestamp;

/// The maximum number of bytes of an answer.
const ANSWER: usize = 2_048;

/// The maximum number of bytes of a log. Lambda sends as many.
const LOG: usize = 4_096;

/// The maximum number of characters of an error.
const ERROR: usize = 500;

/// What one call leaves besides its outcome. Clones share it. Without a place to keep it, nothing is noted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Option<Arc<Mutex<Noted>>>);

#[derive(Debug, Default)]
struct Noted {
    status: Option<u16>,
    answer: Option<String>,
    log: Option<String>,
}

impl Notes {
    /// Returns whether somebody will read the notes.
    pub(crate) fn are_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Notes the status of the answer.
    pub(crate) fn status(&self, status: u16) {
        self.write(|noted| noted.status = Some(status));
    }

    /// Notes the beginning of the body of the answer, if it is text.
    pub(crate) fn answer(&self, body: &[u8]) {
        self.write(|noted| noted.answer = beginning(body).map(str::to_owned));
    }

    /// Notes the end of the function's log, in base64, as Lambda sends it.
    pub(crate) fn log(&self, encoded: &str) {
        if self.are_kept() {
            self.printed(&STANDARD.decode(encoded).unwrap_or_default());
        }
    }

    /// Notes the end of the function's log.
    pub(super) fn printed(&self, log: &[u8]) {
        let end = &log[log.len().saturating_sub(LOG)..];
        self.write(|noted| {
            noted.log = (!end.is_empty()).then(|| String::from_utf8_lossy(end).into_owned());
        });
    }

    fn write(&self, write: impl FnOnce(&mut Noted)) {
        if let Some(noted) = &self.0 {
            write(&mut noted.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Returns the beginning of a body; `None` if it is empty or no text.
fn beginning(body: &[u8]) -> Option<&str> {
    let start = &body[..body.len().min(ANSWER)];
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // A character may be cut in two.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// A call that is kept. Its notes may still grow: the log of a streamed answer arrives at its end.
#[derive(Debug)]
struct Kept {
    call: Call,
    notes: Notes,
}

impl Kept {
    fn shown(&self) -> Call {
        let mut call = self.call.clone();
        if let Some(noted) = &self.notes.0 {
            let noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            call.status = call.status.or(noted.status);
            call.answer.clone_from(&noted.answer);
            call.log.clone_from(&noted.log);
        }
        call
    }
}

/// The last calls.
#[derive(Debug)]
pub(super) struct Calls {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: i64,
    count: usize,
    /// By space and function.
    functions: HashMap<(String, String), VecDeque<Kept>>,
}

impl Calls {
    /// Creates the place for `limit` calls.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default() }
    }

    /// Returns the notes of a call that begins.
    pub(super) fn notes(&self) -> Notes {
        Notes((self.limit > 0).then(Arc::default))
    }

    /// Keeps a call, in place of the oldest one of the function with the most.
    pub(super) fn keep(&self, ended: &Ended<'_>, notes: &Notes, now: Timestamp) {
        if !notes.are_kept() {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.count >= self.limit {
            state.forget_one();
        }
        state.last += 1;
        let call = Call {
            call_id: state.last,
            function_id: ended.function.to_owned(),
            trigger: ended.trigger.to_string(),
            event_id: ended.event.map(|(id, _)| id.to_owned()),
            delivery_id: ended.attempt.map(|(delivery, _)| delivery),
            attempt: ended.attempt.map(|(_, attempt)| attempt),
            started_at: now.saturating_sub(ended.duration).date_time(),
            duration: ended.duration,
            error: ended.error.map(|error| error.chars().take(ERROR).collect()),
            status: ended.status,
            answer: None,
            log: None,
        };
        let key = (ended.space.to_owned(), ended.function.to_owned());
        state.functions.entry(key).or_default().push_back(Kept { call, notes: notes.clone() });
        state.count += 1;
    }

    /// Lists the calls of a space that match, the newest first: those before `before`, and at most `limit`.
    pub(super) fn list(
        &self,
        space: &str,
        filter: &CallFilter,
        before: Option<i64>,
        limit: usize,
    ) -> CallPage {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |function: &str| filter.function.as_deref().is_none_or(|wanted| wanted == function);
        let of_space = state
            .functions
            .iter()
            .filter(|((known, function), _)| known == space && wanted(function))
            .flat_map(|(_, calls)| calls);
        let earlier = of_space.filter(|kept| before.is_none_or(|before| kept.call.call_id < before));
        let of_event = earlier.filter(|kept| filter.event.is_none() || filter.event == kept.call.event_id);
        let mut found: Vec<&Kept> = of_event.collect();
        found.sort_unstable_by_key(|kept| std::cmp::Reverse(kept.call.call_id));
        let text = filter.text.as_deref().map(str::to_lowercase);
        let mut matching = found
            .into_iter()
            .map(Kept::shown)
            .filter(|call| text.as_deref().is_none_or(|text| contains(call, text)));
        let calls: Vec<Call> = matching.by_ref().take(limit).collect();
        let next = matching.next().and(calls.last()).map(|last| last.call_id);
        CallPage { kept: self.limit, calls, next }
    }
}

/// Returns whether something that a call left contains a text in lower case.
fn contains(call: &Call, text: &str) -> bool {
    let left = [&call.log, &call.answer, &call.error];
    left.into_iter().flatten().any(|left| left.to_lowercase().contains(text))
}

impl State {
    /// Forgets the oldest call of the function with the most calls.
    fn forget_one(&mut self) {
        let Some(most) =
            self.functions.iter().max_by_key(|(_, calls)| calls.len()).map(|(key, _)| key.clone())
        else {
            return;
        };
        let Some(calls) = self.functions.get_mut(&most) else { return };
        if calls.pop_front().is_some() {
            self.count -= 1;
        }
        if calls.is_empty() {
            self.functions.remove(&most);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::recent::Trigger;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn ended(function: &'static str, event: &'static str) -> Ended<'static> {
        Ended {
            space: "default",
            function,
            trigger: Trigger::Named("user.created"),
            event: Some((event, "user.created")),
            attempt: Some((7, 2)),
            duration: Duration::from_millis(20),
            status: None,
            error: None,
        }
    }

    fn ids(page: &CallPage) -> Vec<&str> {
        page.calls.iter().filter_map(|call| call.event_id.as_deref()).collect()
    }

    #[test]
    fn a_call_has_what_was_noted_of_it() {
        let calls = Calls::new(10);
        let notes = calls.notes();
        notes.status(201);
        notes.answer(b"made");
        calls.keep(&Ended { error: Some("boom"), ..ended("f", "1") }, &notes, NOW);
        // The log of a streamed answer comes last.
        notes.log(&STANDARD.encode("printed\n"));
        let call = calls.list("default", &CallFilter::default(), None, 10).calls.remove(0);
        assert_eq!((call.delivery_id, call.attempt, call.status), (Some(7), Some(2), Some(201)));
        assert_eq!((call.answer.as_deref(), call.log.as_deref()), (Some("made"), Some("printed\n")));
        assert_eq!((call.error.as_deref(), call.trigger.as_str()), (Some("boom"), "user.created"));
        assert_eq!(call.started_at, NOW.saturating_sub(Duration::from_millis(20)).date_time());
    }

    #[test]
    fn answers_and_logs_are_cut() {
        for (body, expected) in [
            (b"".to_vec(), None),
            (b"ok".to_vec(), Some(2)),
            (b"\xff\xfe".to_vec(), None),
            (vec![b'x'; ANSWER + 1], Some(ANSWER)),
            ("ä".repeat(ANSWER).into_bytes(), Some(ANSWER)),
            (format!("x{}", "ä".repeat(ANSWER)).into_bytes(), Some(ANSWER - 1)),
        ] {
            assert_eq!(beginning(&body).map(str::len), expected);
        }
        let calls = Calls::new(1);
        let notes = calls.notes();
        notes.log(&STANDARD.encode(format!("{}end", "x".repeat(2 * LOG))));
        calls.keep(&ended("f", "1"), &notes, NOW);
        let log = calls.list("default", &CallFilter::default(), None, 1).calls.remove(0).log.unwrap();
        assert!(log.len() == LOG && log.ends_with("end"));
        notes.log("not base64");
        assert_eq!(calls.list("default", &CallFilter::default(), None, 1).calls[0].log, None);
    }

    #[test]
    fn a_busy_function_does_not_displace_the_calls_of_others() {
        let calls = Calls::new(4);
        for (function, event) in [("rare", "1"), ("busy", "2"), ("busy", "3"), ("busy", "4"), ("busy", "5")] {
            calls.keep(&ended(function, event), &calls.notes(), NOW);
        }
        let page = calls.list("default", &CallFilter::default(), None, 10);
        assert_eq!((ids(&page), page.kept, page.next), (vec!["5", "4", "3", "1"], 4, None));
        let nothing = Calls::new(0);
        nothing.keep(&ended("f", "1"), &nothing.notes(), NOW);
        let page = nothing.list("default", &CallFilter::default(), None, 10);
        assert_eq!((page.calls.len(), page.kept), (0, 0));
    }

    #[test]
    fn lists_are_filtered_and_have_pages() {
        let calls = Calls::new(10);
        for (function, event, log) in [("f", "1", "Hello"), ("g", "1", "bye"), ("f", "2", "hello again")] {
            let notes = calls.notes();
            notes.log(&STANDARD.encode(log));
            calls.keep(&ended(function, event), &notes, NOW);
        }
        let filter = |function: Option<&str>, event: Option<&str>, text: Option<&str>| CallFilter {
            function: function.map(str::to_owned),
            event: event.map(str::to_owned),
            text: text.map(str::to_owned),
        };
        for (filter, expected) in [
            (filter(None, None, None), vec!["2", "1", "1"]),
            (filter(Some("f"), None, None), vec!["2", "1"]),
            (filter(None, Some("1"), None), vec!["1", "1"]),
            (filter(None, None, Some("HELLO")), vec!["2", "1"]),
            (filter(Some("g"), Some("2"), None), vec![]),
        ] {
            assert_eq!(ids(&calls.list("default", &filter, None, 10)), expected, "{filter:?}");
            assert!(calls.list("other", &filter, None, 10).calls.is_empty());
        }
        let first = calls.list("default", &CallFilter::default(), None, 2);
        assert_eq!((ids(&first), first.next), (vec!["2", "1"], Some(2)));
        let second = calls.list("default", &CallFilter::default(), first.next, 2);
        assert_eq!((ids(&second), second.next), (vec!["1"], None));
    }
}
