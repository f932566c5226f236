//! Prints the logs of deployed functions from CloudWatch: those of one function, or of all functions of a stack, merged by time
//! and with the function in front of each line.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::{Builder, StalledStreamProtectionConfig};
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata as _;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::live::Live;
use super::{Reader, millis, show};
use crate::aws::failure;
use crate::cli;
use crate::commands::deployed::{known, named};
use crate::console::Functions;
use crate::console::signals::Signals;
use crate::console::text::readable;
use crate::deploy::Target;
use crate::deploy::functions::Function;
use crate::deploy::stack::Stack;
use crate::exit::{Failure, warn};

/// The period that is shown by default.
const RECENT: Duration = Duration::from_secs(60 * 60);

/// How often `--tail` looks for lines: without Live Tail for one function, and beside it, for what that has left out.
const LOOK: Duration = Duration::from_secs(2);
const LOOK_BESIDE: Duration = Duration::from_secs(20);

/// How long a look at one function may count: AWS allows an account five of them per second.
const SHARE: Duration = Duration::from_millis(250);

/// How far back `--tail` looks again, in milliseconds: lines arrive late and out of order.
const LATE: i64 = 60_000;

/// A line of a function's log.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) function: String,
    /// Milliseconds since 1970.
    pub(super) time: i64,
    pub(super) message: String,
    /// Only lines that a look has found have one.
    pub(super) id: Option<String>,
}

pub(super) async fn run(arguments: &cli::Logs, config: &SdkConfig, target: Target) -> Result<(), Failure> {
    let stack = Stack::new(config, target);
    let all = known(&stack).await?;
    let (chosen, names) = match &arguments.function {
        Some(name) => (vec![named(name, &stack, &all)?], None),
        None => {
            let ids = all.iter().map(|function| function.id.clone()).collect();
            (all.iter().collect(), Some(Functions::new(ids)))
        }
    };
    // Nothing may come for a long time.
    let patient = Builder::from(config).stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    let client = Client::from_conf(patient.build());
    let mut signals = Signals::listen()?;
    let since = millis(arguments.since.unwrap_or_else(|| OffsetDateTime::now_utc() - RECENT));
    let mut shown = Shown { names, begin: since, since, newest: since, ..Shown::default() };
    let mut live = match arguments.tail {
        true => {
            Some(Live::open(&client, &chosen, &place(&stack.existing().await?.id), config.endpoint_url()))
        }
        false => None,
    };
    loop {
        let text = shown.add(lines(&client, &chosen, shown.since).await?);
        if let Reader::Gone = show(text.as_bytes())? {
            return Ok(());
        }
        if !arguments.tail {
            return Ok(());
        }
        shown.forget();
        let many = SHARE * u32::try_from(chosen.len()).unwrap_or(u32::MAX);
        let began = Instant::now();
        loop {
            let pause = if live.is_some() { LOOK_BESIDE } else { LOOK };
            let next = async {
                match &mut live {
                    Some(live) => live.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = signals.next() => return Ok(()),
                () = tokio::time::sleep_until(began + pause.max(many)) => break,
                received = next => match received {
                    Some(Ok(lines)) => {
                        if let Reader::Gone = show(shown.add(lines).as_bytes())? {
                            return Ok(());
                        }
                    }
                    Some(Err(failure)) => {
                        warn(&format!("{}; lines are shown some seconds later", failure.message()));
                        live = None;
                    }
                    None => live = None,
                },
            }
        }
    }
}

/// Returns the beginning of the ARNs of log groups in the account and region of a stack, whose ARN this is.
fn place(stack: &str) -> String {
    let parts: Vec<&str> = stack.splitn(6, ':').collect();
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    format!("arn:{}:logs:{}:{}:log-group:", part(1), part(3), part(4))
}

/// What was shown, so that no line is shown twice: a look finds lines that came live, and the other way round.
#[derive(Default)]
struct Shown {
    /// `None` for the log of one function, whose lines are shown as they are.
    names: Option<Functions>,
    /// The time of the first line that is wanted.
    begin: i64,
    /// The time from which the next look searches.
    since: i64,
    newest: i64,
    /// The ids of lines that a look has found, with their times.
    ids: BTreeMap<String, i64>,
    /// How often each line has come live and from looks: a function may print the same line twice in a millisecond.
    lines: BTreeMap<(i64, String, String), [usize; 2]>,
}

impl Shown {
    /// Returns the text of those lines that were not shown yet.
    fn add(&mut self, lines: Vec<Line>) -> String {
        let mut text = String::new();
        for Line { function, time, message, id } in lines {
            self.newest = self.newest.max(time);
            let from = usize::from(id.is_some());
            if time < self.begin || id.is_some_and(|id| self.ids.insert(id, time).is_some()) {
                continue;
            }
            let line = message.trim_end();
            let times = self.lines.entry((time, function.clone(), line.to_owned())).or_default();
            times[from] += 1;
            if times[from] <= times[1 - from] {
                continue;
            }
            text += &match &self.names {
                Some(names) => names.line(&function, line.as_bytes()),
                None => readable(line.as_bytes()),
            };
            text.push('\n');
        }
        text
    }

    /// Forgets what no later look finds again.
    fn forget(&mut self) {
        self.since = self.since.max(self.newest.saturating_sub(LATE));
        self.lines.retain(|(time, ..), _| *time >= self.since);
        self.ids.retain(|_, time| *time >= self.since);
    }
}

/// Returns the lines of the functions since a time, the oldest first.
async fn lines(client: &Client, functions: &[&Function], since: i64) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    for function in functions {
        let call = client.filter_log_events().log_group_name(&function.log_group).start_time(since);
        let mut pages = call.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = match page {
                // A function that has not run yet.
                Err(error) if error.code() == Some("ResourceNotFoundException") => break,
                page => page.map_err(|error| {
                    failure(&format!("read the log of `{}` in CloudWatch", function.id), &error)
                })?,
            };
            lines.extend(page.events.unwrap_or_default().into_iter().map(|event| Line {
                function: function.id.clone(),
                time: event.timestamp.unwrap_or_default(),
                message: event.message.unwrap_or_default(),
                id: Some(event.event_id.unwrap_or_default()),
            }));
        }
    }
    // Stable, so the lines of one function stay in order.
    lines.sort_by_key(|line| line.time);
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_shown_twice() {
        let line = |time: i64, message: &str, id: Option<&str>| Line {
            function: "f".to_owned(),
            time,
            message: format!("{message}\n"),
            id: id.map(str::to_owned),
        };
        let mut shown = Shown { since: 10, ..Shown::default() };
        let mut add = |lines: Vec<Line>| shown.add(lines);
        assert_eq!(add(vec![line(10, "a", Some("1")), line(11, "b", Some("2"))]), "a\nb\n");
        // Live, a line that a look has found, and two equal ones of which it has found one.
        assert_eq!(add(vec![line(11, "b", None), line(11, "b", None), line(12, "c", None)]), "b\nc\n");
        let again = vec![line(11, "b", Some("2")), line(11, "b", Some("3")), line(12, "c", Some("4"))];
        assert_eq!(add(again), "");
        assert_eq!(add(vec![line(12, "c", Some("5"))]), "c\n", "another one, which did not come live");
        shown.newest = 100_000;
        shown.forget();
        assert_eq!((shown.since, shown.lines.len()), (40_000, 0));
    }

    #[test]
    fn log_groups_are_where_the_stack_is() {
        let stack = "arn:aws-cn:cloudformation:cn-north-1:123456789012:stack/shop-dev/0a1b";
        assert_eq!(place(stack), "arn:aws-cn:logs:cn-north-1:123456789012:log-group:");
    }
}
