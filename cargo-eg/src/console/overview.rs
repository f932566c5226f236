//! Formats the overview of a running application (triggers, addresses) and the summary of a reload. The commands to try
//! are chosen in `trials`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use eg_grammar::Schedule;
use eg_local::queues::dead_letters_of;
use eg_local::websockets::client_url;
use eg_sdk::manifest::{Function, Trigger};
use time::OffsetDateTime;

use super::lines::span;
use super::text::{BOLD, DIM, GREEN, YELLOW, coloured, columns, count, printable};
use super::trials::trials;
use crate::project::services::{Service, describe};
use crate::run::Update;
use crate::sockets::is_socket;

/// The maximum number of functions that a reload lists by name.
const SHOWN: usize = 4;

/// The addresses and folders of an application.
#[derive(Debug)]
pub(crate) struct Addresses<'a> {
    pub(crate) events: &'a str,
    pub(crate) config: &'a str,
    pub(crate) lambda: &'a str,
    /// The state directory.
    pub(crate) state: &'a Path,
    /// Whether schedules call functions.
    pub(crate) schedules: bool,
    /// Whether changed sources are reloaded.
    pub(crate) watching: bool,
    /// Whether commands in the current directory find this application by themselves.
    pub(crate) is_found: bool,
    /// Whether commands in the current directory find its state directory by themselves.
    pub(crate) finds_state: bool,
}

/// Returns the overview of an application: triggers, addresses and commands to try. Folders are relative to
/// `current`. `update` is what has changed since the last run.
pub(crate) fn overview(
    services: &[Service],
    update: &Update,
    addresses: &Addresses<'_>,
    current: &Path,
) -> String {
    let functions: Vec<&Function> = services.iter().flat_map(|service| &service.manifest.functions).collect();
    let mut text = String::new();
    section(
        &mut text,
        "services",
        services.iter().map(|service| {
            [
                service.manifest.service.clone(),
                service.manifest.version.clone(),
                count(service.manifest.functions.len(), "function"),
                seen_from(current, &service.folder),
            ]
        }),
    );
    section(&mut text, "functions", functions.iter().flat_map(|function| rows(function)));
    section(&mut text, "schedules", schedules(&functions, addresses.schedules));
    section(&mut text, "queues", queues(&functions));
    let state = seen_from(current, addresses.state);
    let pages = format!("{}{}", addresses.config.trim_end_matches('/'), eg_dashboard::ROOT);
    let has_sockets = functions.iter().any(|function| function.events().any(is_socket));
    let sockets = if has_sockets { client_url(addresses.lambda) } else { String::new() };
    let has_queues = queues(&functions).next().is_some();
    let rows = [
        ["events", addresses.events],
        ["config", addresses.config],
        ["lambda", addresses.lambda],
        // The same port serves the SQS API.
        ["sqs", if has_queues { addresses.lambda } else { "" }],
        ["websocket", &sockets],
        ["state", &state],
        ["dashboard", &pages],
    ];
    let rows = rows.into_iter().filter(|row| !row[1].is_empty());
    section(&mut text, "addresses", rows.map(|row| row.map(str::to_owned)));
    section(&mut text, "try", trials(services, addresses).into_iter().map(|line| [line]));
    text += &orphans(update);
    let watching = if addresses.watching { "; changes of the sources are followed" } else { "" };
    // Writing to a string cannot fail.
    let _ = write!(text, "{GREEN}ready{GREEN:#}; Ctrl-C stops{watching}");
    coloured(&text)
}

/// Returns the summary of a reload.
pub(crate) fn reloaded(services: &[Service], update: &Update, took: Duration) -> String {
    let functions = || services.iter().flat_map(|service| &service.manifest.functions);
    let mut text = String::new();
    let added = functions()
        .filter(|function| update.added.contains(&function.id))
        .flat_map(rows)
        .map(|[id, trigger, emits]| ["new".to_owned(), id, trigger, emits]);
    let removed =
        update.removed.iter().map(|id| ["gone".to_owned(), id.clone(), String::new(), String::new()]);
    section(&mut text, "functions", added.chain(removed));
    text += &orphans(update);
    let time = format!("{DIM}{}{DIM:#}", span(took));
    if update == &Update::default() {
        return format!("no function had to restart {time}");
    }
    let _ = write!(text, "{GREEN}reloaded{GREEN:#} {time}");
    match update.replaced.len() {
        0 => {}
        1..=SHOWN => {
            let _ = write!(text, ": {}", update.replaced.join(", "));
        }
        more => {
            let _ = write!(text, ": {}", count(more, "function"));
        }
    }
    coloured(&text)
}

/// Returns a line for each function that left deliveries behind.
fn orphans(update: &Update) -> String {
    let line = |(function, letters): (&String, &usize)| {
        let (function, are) =
            (printable(function), if *letters == 1 { "is a dead letter" } else { "are dead letters" });
        let letters = count(*letters, "waiting delivery");
        format!(
            "{YELLOW}{letters}{YELLOW:#} of {function} {are}, because it no longer subscribes: \
             `cargo eg dead-letters --function {function}` lists them, \
             `cargo eg replay EVENT --to FUNCTION` delivers their events to another function\n"
        )
    };
    update.orphans.iter().map(line).collect()
}

/// Returns the time at which each schedule is due next, in UTC as on EventBridge.
fn schedules(functions: &[&Function], on: bool) -> impl Iterator<Item = [String; 3]> {
    let now = SystemTime::now();
    let next = move |schedule: &Schedule| {
        if !on {
            return "off".to_owned();
        }
        match schedule.next(now).map(OffsetDateTime::from) {
            Some(next) => {
                let (date, time) = (next.date(), next.time());
                format!("next {date} {:02}:{:02}:{:02} UTC", time.hour(), time.minute(), time.second())
            }
            None => "never".to_owned(),
        }
    };
    functions.iter().flat_map(move |function| {
        function.triggers.iter().filter_map(move |trigger| match trigger {
            Trigger::Schedule { schedule, .. } => {
                Some([function.id.clone(), schedule.to_string(), next(schedule)])
            }
            _ => None,
        })
    })
}

fn queues(functions: &[&Function]) -> impl Iterator<Item = [String; 3]> {
    functions.iter().flat_map(|function| {
        function.triggers.iter().filter_map(move |trigger| match trigger {
            Trigger::Queue { queue, .. } => Some([
                queue.to_string(),
                function.id.clone(),
                format!("dead letters in {}", dead_letters_of(queue.as_str())),
            ]),
            _ => None,
        })
    })
}

fn seen_from(current: &Path, path: &Path) -> String {
    match path.strip_prefix(current) {
        Ok(rest) if rest.as_os_str().is_empty() => ".".to_owned(),
        Ok(rest) => rest.display().to_string(),
        Err(_) => path.display().to_string(),
    }
}

/// Returns one row per trigger. The function's id and emitted types are in the first row only.
fn rows(function: &Function) -> Vec<[String; 3]> {
    let emits = if function.emits.is_empty() {
        String::new()
    } else {
        format!("emits {}", function.emits.join(", "))
    };
    let mut rows: Vec<[String; 3]> =
        function.triggers.iter().map(|trigger| [String::new(), describe(trigger), String::new()]).collect();
    if rows.is_empty() {
        rows.push([String::new(), "no trigger".to_owned(), String::new()]);
    }
    rows[0][0].clone_from(&function.id);
    rows[0][2] = emits;
    rows
}

/// Appends a heading and rows in aligned columns.
fn section<const N: usize>(text: &mut String, heading: &str, rows: impl Iterator<Item = [String; N]>) {
    let rows: Vec<[String; N]> = rows.collect();
    if rows.is_empty() {
        return;
    }
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{BOLD}{heading}{BOLD:#}");
    for line in columns(&rows).lines() {
        let _ = writeln!(text, "  {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_without_a_function_are_reported() {
        let update = Update { orphans: [("shop-list".to_owned(), 2)].into(), ..Update::default() };
        let text = anstream::adapter::strip_str(&reloaded(&[], &update, Duration::from_secs(1))).to_string();
        assert_eq!(
            text,
            "2 waiting deliveries of shop-list are dead letters, because it no longer subscribes: \
             `cargo eg dead-letters --function shop-list` lists them, \
             `cargo eg replay EVENT --to FUNCTION` delivers their events to another function\nreloaded 1.0 s"
        );
    }
}
