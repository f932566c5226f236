//! `cargo eg stats`: what the last minutes brought, for each function and for the gateway.

use std::time::Duration;

use eg_sdk::history::{FunctionStatistics, GatewayStatistics, Minute, SpaceStatistics};
use serde::Serialize;

use super::history::{client, failure};
use super::{json_line, print};
use crate::cli;
use crate::console::text::{DIM, RED, clock, columns, count, one_line, styled};
use crate::exit::Failure;

/// The output for programs.
#[derive(Serialize)]
struct Statistics {
    /// Absent for a key that opens one space only.
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<GatewayStatistics>,
    space: SpaceStatistics,
}

pub(crate) async fn run(arguments: cli::Stats) -> Result<(), Failure> {
    let cli::Stats { json, gateway } = arguments;
    let gateway = client(gateway.settings())?;
    let space = gateway.function_statistics().await.map_err(failure)?;
    let all = match gateway.statistics().await {
        Ok(all) => Some(all),
        Err(error) if matches!(error.status(), Some(401 | 403)) => None,
        Err(error) => return Err(failure(error)),
    };
    let statistics = Statistics { gateway: all, space };
    if json { print(&json_line(&statistics)?) } else { print(&explained(&statistics)) }
}

fn explained(Statistics { gateway, space }: &Statistics) -> String {
    let window = match space.window.as_secs().div_ceil(60) {
        0 | 1 => "minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    };
    let mut text = format!("{DIM}calls of the last {window}{DIM:#}\n");
    let head = ["function", "calls", "failed", "p50", "p95", "under way", "last call"];
    let mut rows = vec![head.map(|title| styled(DIM, title))];
    rows.extend(space.functions.iter().map(row));
    text += &columns(&rows);
    for function in &space.functions {
        if function.circuit_open {
            text += &format!(
                "{RED}{}{RED:#}: many events fail, so it is called once per second\n",
                function.function_id
            );
        }
        if let Some(last) = &function.last_failure {
            text += &format!(
                "{}: {} failed at {}: {}\n",
                function.function_id,
                one_line(&last.trigger),
                clock(last.at),
                one_line(&last.error)
            );
        }
    }
    if let Some(gateway) = gateway {
        let sum = |of: fn(&Minute) -> u64| gateway.minutes.iter().map(of).sum::<u64>();
        text += &format!(
            "gateway: {} accepted in the last hour, {} waiting, {} MiB of {} MiB stored\n",
            count(usize::try_from(sum(|minute| minute.accepted)).unwrap_or(usize::MAX), "event"),
            count(usize::try_from(gateway.backlog).unwrap_or(usize::MAX), "delivery"),
            gateway.store_bytes.div_ceil(1 << 20),
            gateway.store_limit_bytes >> 20,
        );
    }
    text
}

fn row(function: &FunctionStatistics) -> [String; 7] {
    let took = |length: Option<Duration>| match length.map(|length| length.as_millis()) {
        None => "-".to_owned(),
        Some(0) => "<1 ms".to_owned(),
        Some(millis) => format!("{millis} ms"),
    };
    let failed = function.failures.to_string();
    [
        function.function_id.clone(),
        function.calls.to_string(),
        if function.failures > 0 { styled(RED, &failed) } else { failed },
        took(function.p50),
        took(function.p95),
        function.under_way.to_string(),
        function.last_call_at.map_or_else(|| "never".to_owned(), clock),
    ]
}
