//! Reads the logs of deployed functions from CloudWatch, whose log groups it finds by the names that Lambda assigns.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatchlogs::types::{FilteredLogEvent, LogGroup};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use time::OffsetDateTime;

use super::{Reader, millis, show};
use crate::cli;
use crate::commands::functions;
use crate::console::signals::Signals;
use crate::console::text::readable;
use crate::exit::{Exit, Failure};

/// The prefix of Lambda's log groups.
const GROUPS: &str = "/aws/lambda/";

/// The period that is shown by default.
const RECENT: Duration = Duration::from_secs(60 * 60);

/// The polling interval of `--tail`. Each poll costs the account a request.
const LOOK: Duration = Duration::from_secs(2);

/// How far back `--tail` looks again, in milliseconds: lines arrive late and out of order.
const LATE: i64 = 30_000;

pub(super) async fn run(arguments: &cli::Logs, stack: &str) -> Result<(), Failure> {
    let client = client(arguments).await?;
    let known = functions_of(&client, stack).await?;
    // The command line requires it.
    let name = arguments.function.as_deref().unwrap_or_default();
    let function = find(name, stack, &known)?;
    let group = format!("{GROUPS}{function}");
    let mut signals = Signals::listen()?;
    let mut since = arguments.since.unwrap_or_else(|| OffsetDateTime::now_utc() - RECENT);
    let mut shown = BTreeSet::new();
    loop {
        let events = events(&client, &group, millis(since)).await?;
        let mut newest = millis(since);
        for event in events {
            newest = newest.max(event.timestamp().unwrap_or(0));
            if shown.insert(event.event_id().unwrap_or_default().to_owned()) {
                let line =
                    format!("{}\n", readable(event.message().unwrap_or_default().trim_end().as_bytes()));
                if let Reader::Gone = show(line.as_bytes())? {
                    return Ok(());
                }
            }
        }
        if !arguments.tail {
            return Ok(());
        }
        let from = i128::from(newest.saturating_sub(LATE)) * 1_000_000;
        since = since.max(OffsetDateTime::from_unix_timestamp_nanos(from).unwrap_or(since));
        tokio::select! {
            () = signals.next() => return Ok(()),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn client(arguments: &cli::Logs) -> Result<Client, Failure> {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(region) = &arguments.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &arguments.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err(Failure::new(Exit::Usage, "no AWS region is set")
            .hint("set it with --region, AWS_REGION or your AWS configuration"));
    }
    Ok(Client::new(&config))
}

/// Returns the functions of the stack that have a log group. CloudFormation prefixes their names with the stack's
/// name.
async fn functions_of(client: &Client, stack: &str) -> Result<Vec<String>, Failure> {
    let prefix = format!("{GROUPS}{stack}-");
    let mut pages = client.describe_log_groups().log_group_name_prefix(&prefix).into_paginator().send();
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| refused("list the log groups", &error))?;
        let groups = page.log_groups().iter().filter_map(LogGroup::log_group_name);
        names.extend(groups.filter_map(|name| name.strip_prefix(GROUPS)).map(str::to_owned));
    }
    Ok(names)
}

/// Returns the function that `name` identifies: its full name in the stack, or its id or name without the stack's
/// name.
fn find<'a>(name: &str, stack: &str, known: &'a [String]) -> Result<&'a str, Failure> {
    if known.is_empty() {
        return Err(Failure::new(
            Exit::NotFound,
            format!("no function of the stack `{stack}` has a log in CloudWatch"),
        )
        .hint("check the stack's name and region; a function has a log after its first invocation"));
    }
    let in_stack = format!("{stack}-{name}");
    if let Some(exact) = known.iter().find(|known| **known == in_stack) {
        return Ok(exact);
    }
    functions::find(name, known)
        .map_err(|problem| problem.failure(name, &format!("of the stack `{stack}` has a log")))
}

async fn events(client: &Client, group: &str, since: i64) -> Result<Vec<FilteredLogEvent>, Failure> {
    let mut pages =
        client.filter_log_events().log_group_name(group).start_time(since).into_paginator().send();
    let mut events = Vec::new();
    while let Some(page) = pages.next().await {
        events.extend(page.map_err(|error| refused("read the log", &error))?.events.unwrap_or_default());
    }
    // Sorts the streams' lines within a page, not across pages.
    events.sort_by_key(FilteredLogEvent::timestamp);
    Ok(events)
}

fn refused<E, R>(action: &str, error: &SdkError<E, R>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug,
{
    let failure =
        |exit, reason: String| Failure::new(exit, format!("cannot {action} in CloudWatch: {reason}"));
    match error {
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => {
            failure(Exit::Unreachable, DisplayErrorContext(error).to_string())
        }
        SdkError::ConstructionFailure(_) => failure(Exit::Usage, DisplayErrorContext(error).to_string())
            .hint("check your AWS credentials, for example AWS_PROFILE or AWS_ACCESS_KEY_ID"),
        _ => match (error.code(), error.message()) {
            (Some(code), message) => {
                failure(Exit::Refused, format!("{code}: {}", message.unwrap_or("no reason")))
            }
            (None, _) => failure(Exit::Refused, DisplayErrorContext(error).to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_in_their_stack() {
        let known: Vec<String> =
            ["shop-users-create", "shop-users-list", "shop-orders-list"].map(str::to_owned).into();
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(find(name, "shop", &known).ok(), expected, "{name}");
        };
        check("users-create", Some("shop-users-create"));
        check("shop-users-create", Some("shop-users-create"));
        check("create", Some("shop-users-create"));
        check("list", None);
        check("gone", None);
    }
}
