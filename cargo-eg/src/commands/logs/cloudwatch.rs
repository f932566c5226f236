//! Prints the logs of deployed functions from CloudWatch: those of one function, or of all functions of a stack, merged by time
//! and with the function in front of each line.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use time::OffsetDateTime;

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
use crate::exit::Failure;

/// The period that is shown by default.
const RECENT: Duration = Duration::from_secs(60 * 60);

/// The polling interval of `--tail`, for a single function and at least.
const LOOK: Duration = Duration::from_secs(2);

/// How long a look at one function may count: AWS allows an account five of them per second.
const SHARE: Duration = Duration::from_millis(250);

/// How far back `--tail` looks again, in milliseconds: lines arrive late and out of order.
const LATE: i64 = 30_000;

/// A line, and the function that printed it.
type Line<'a> = (&'a str, FilteredLogEvent);

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
    let client = Client::new(config);
    let mut signals = Signals::listen()?;
    let mut since = millis(arguments.since.unwrap_or_else(|| OffsetDateTime::now_utc() - RECENT));
    let pause = LOOK.max(SHARE * u32::try_from(chosen.len()).unwrap_or(u32::MAX));
    let mut shown = BTreeSet::new();
    loop {
        let mut newest = since;
        let mut text = String::new();
        for (function, event) in lines(&client, &chosen, since).await? {
            newest = newest.max(event.timestamp().unwrap_or(0));
            let message = event.message().unwrap_or_default().trim_end().as_bytes();
            if shown.insert(event.event_id().unwrap_or_default().to_owned()) {
                text += &match &names {
                    Some(names) => names.line(function, message),
                    None => readable(message),
                };
                text.push('\n');
            }
        }
        if let Reader::Gone = show(text.as_bytes())? {
            return Ok(());
        }
        if !arguments.tail {
            return Ok(());
        }
        since = since.max(newest.saturating_sub(LATE));
        tokio::select! {
            () = signals.next() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Returns the lines of the functions since a time, the oldest first.
async fn lines<'a>(
    client: &Client,
    functions: &[&'a Function],
    since: i64,
) -> Result<Vec<Line<'a>>, Failure> {
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
            lines.extend(
                page.events.unwrap_or_default().into_iter().map(|event| (function.id.as_str(), event)),
            );
        }
    }
    // Stable, so the lines of one function stay in order.
    lines.sort_by_key(|(_, event)| event.timestamp());
    Ok(lines)
}
