//! Formats the overview of a running application (triggers, addresses, commands to try) and the summary of a reload.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use eg_grammar::{Schedule, is_fifo};
use eg_local::queues::dead_letters_of;
use eg_sdk::manifest::{EventTrigger, Function, Trigger};
use time::OffsetDateTime;

use super::lines::span;
use super::text::{BOLD, DIM, GREEN, columns, count};
use crate::project::sample;
use crate::project::services::{Service, describe};
use crate::run::Update;

/// The maximum number of functions that a reload lists by name.
const SHOWN: usize = 4;

/// The maximum length of a body in a command that the user could type.
const LONG: usize = 200;

/// The addresses that `cargo eg emit` uses by default for the gateway and the queues.
const EVENTS_URL: &str = "http://localhost:4000";
const LAMBDA_URL: &str = "http://127.0.0.1:9001";

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
}

/// Returns the overview of an application: triggers, addresses and commands to try. Folders are relative to
/// `current`.
pub(crate) fn overview(services: &[Service], addresses: &Addresses<'_>, current: &Path) -> String {
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
    let has_queues = queues(&functions).next().is_some();
    let rows = [
        ["events", addresses.events],
        ["config", addresses.config],
        ["lambda", addresses.lambda],
        // The same port serves the SQS API.
        ["sqs", if has_queues { addresses.lambda } else { "" }],
        ["state", &state],
    ];
    let rows = rows.into_iter().filter(|row| !row[1].is_empty());
    section(&mut text, "addresses", rows.map(|row| row.map(str::to_owned)));
    section(&mut text, "try", trials(services, addresses).into_iter().map(|line| [line]));
    let watching = if addresses.watching { "; changes of the sources are followed" } else { "" };
    // Writing to a string cannot fail.
    let _ = write!(text, "{GREEN}ready{GREEN:#}; Ctrl-C stops{watching}");
    text
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
    let time = format!("{DIM}{}{DIM:#}", span(took));
    if update == &Update::default() {
        return format!("nothing to start anew {time}");
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
    text
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
                queue.clone(),
                function.id.clone(),
                format!("dead letters in {}", dead_letters_of(queue)),
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

/// Returns commands to try with this application.
fn trials(services: &[Service], addresses: &Addresses<'_>) -> Vec<String> {
    let functions = || services.iter().flat_map(|service| &service.manifest.functions);
    let triggers =
        || functions().flat_map(|function| function.events().map(move |trigger| (function, trigger)));
    let schemas_of = |ty| services.iter().flat_map(move |service| service.manifest.schemas_of(ty));
    let mut lines = Vec::new();
    if let Some((function, route)) = triggers().find(|(_, trigger)| trigger.is_http()) {
        let emitted = function.emits.iter().flat_map(|ty| schemas_of(ty));
        let body = Some(sample::body(emitted)).filter(|body| body.len() < LONG);
        lines.push(curl(route, body.as_deref().unwrap_or("{}"), addresses.events));
    }
    if let Some((_, trigger)) = triggers().find(|(_, trigger)| !trigger.is_http()) {
        // A sample payload can be generated only if the service has a schema for the type.
        let known = schemas_of(&trigger.event_type).next().is_some();
        let data = if known { "--sample" } else { "--data '{}'" };
        let url = unless(EVENTS_URL, "--url", addresses.events);
        lines.push(format!("cargo eg emit --event {} {data}{url}", trigger.event_type));
    }
    let queue = functions().flat_map(|function| &function.triggers).find_map(|trigger| match trigger {
        Trigger::Queue { queue, .. } => Some(queue),
        _ => None,
    });
    if let Some(queue) = queue {
        let group = if is_fifo(queue) { " --group 1" } else { "" };
        let url = unless(LAMBDA_URL, "--lambda-url", addresses.lambda);
        lines.push(format!("cargo eg emit --queue {queue}{group} --data '{{}}'{url}"));
    }
    if let Some(function) = functions().next() {
        lines.push(format!("cargo eg logs --function {} --tail", function.id));
    }
    lines
}

/// Returns an option, or nothing if its value is the default.
fn unless(default: &str, option: &str, value: &str) -> String {
    if value == default { String::new() } else { format!(" {option} {value}") }
}

fn curl(route: &EventTrigger, body: &str, events_url: &str) -> String {
    let url = format!("{events_url}{}", sample::sample_path(&route.path));
    match route.method.as_str() {
        "GET" => format!("curl {url}"),
        "HEAD" => format!("curl --head {url}"),
        method if sample::has_body(method) => {
            let body = body.replace('\'', r"'\''");
            format!("curl -X {method} {url} -H 'content-type: application/json' -d '{body}'")
        }
        method => format!("curl -X {method} {url}"),
    }
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
    fn a_route_is_tried_with_curl() {
        let check = |method: &str, path: &str, expected: &str| {
            let route = serde_json::json!(
                {"eventType": "http.request", "mode": "sync", "method": method, "path": path}
            );
            let route: EventTrigger = serde_json::from_value(route).unwrap();
            assert_eq!(curl(&route, r#"{"name":"it's"}"#, "http://localhost:4000"), expected);
        };
        check("GET", "/users/:id/files/*rest", "curl http://localhost:4000/users/1/files/1");
        check(
            "POST",
            "/users",
            r#"curl -X POST http://localhost:4000/users -H 'content-type: application/json' -d '{"name":"it'\''s"}'"#,
        );
        check("DELETE", "/", "curl -X DELETE http://localhost:4000/");
    }
}
