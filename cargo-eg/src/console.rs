//! Lines for people: what is registered, and what happens. Text in, text out; the caller prints.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use cargo_eg::manifest::{EventTrigger, Function, HTTP_REQUEST};
use eg_gateway::{Activity, DeliveryOutcome};

use crate::services::{Service, describe};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();

/// Where an application can be reached.
#[derive(Debug)]
pub(crate) struct Addresses<'a> {
    pub(crate) events: &'a str,
    pub(crate) config: &'a str,
    pub(crate) lambda: &'a str,
    /// The state directory.
    pub(crate) state: &'a Path,
}

/// What is registered, where, and how to try it. Folders are shown as seen from `current`.
pub(crate) fn overview(services: &[Service], addresses: &Addresses<'_>, current: &Path) -> String {
    let functions: Vec<&Function> = services.iter().flat_map(|service| &service.manifest.functions).collect();
    let mut text = String::new();
    section(
        &mut text,
        "services",
        services.iter().map(|service| {
            let count = service.manifest.functions.len();
            let plural = if count == 1 { "" } else { "s" };
            [
                service.manifest.service.clone(),
                service.manifest.version.clone(),
                format!("{count} function{plural}"),
                seen_from(current, &service.folder),
            ]
        }),
    );
    section(&mut text, "functions", functions.iter().flat_map(|function| rows(function)));
    let state = seen_from(current, addresses.state);
    let rows = [
        ["events", addresses.events],
        ["config", addresses.config],
        ["lambda", addresses.lambda],
        ["state", &state],
    ];
    section(&mut text, "addresses", rows.into_iter().map(|row| row.map(str::to_owned)));
    section(&mut text, "try", trials(&functions, addresses.events).into_iter().map(|line| [line]));
    let _ = write!(text, "{GREEN}ready{GREEN:#}; Ctrl-C stops");
    text
}

/// One thing that happened, in one line.
pub(crate) fn line(activity: &Activity) -> String {
    match activity {
        Activity::Received { event_type, method, path, subscribers: 0, .. } if event_type == HTTP_REQUEST => {
            format!("{BOLD}{method} {path}{BOLD:#}: nobody answers it")
        }
        Activity::Received { id, event_type, source, subscribers, .. } => {
            let to = match subscribers {
                0 => "nobody subscribes to it".to_owned(),
                1 => "1 subscription".to_owned(),
                count => format!("{count} subscriptions"),
            };
            format!("{BOLD}{event_type}{BOLD:#} {DIM}{}{DIM:#} from {source}: {to}", short(id))
        }
        Activity::Answered { method, path, event_type, function, status, duration } => {
            let style = match status {
                0..400 => GREEN,
                400..500 => YELLOW,
                _ => RED,
            };
            let event = if event_type == HTTP_REQUEST { String::new() } else { format!(" {event_type}") };
            let function = function.as_deref().unwrap_or("no function");
            format!(
                "{BOLD}{method} {path}{BOLD:#}{event} → {function} {style}{status}{style:#} {DIM}{}{DIM:#}",
                span(*duration)
            )
        }
        Activity::Delivery { event_id, event_type, function, attempt, duration, outcome } => {
            let begin = format!("{BOLD}{event_type}{BOLD:#} {DIM}{}{DIM:#} → {function}", short(event_id));
            let nth = if *attempt > 1 { format!(" at attempt {attempt}") } else { String::new() };
            let duration = span(*duration);
            match outcome {
                DeliveryOutcome::Delivered => {
                    format!("{begin} {GREEN}delivered{GREEN:#}{nth} {DIM}{duration}{DIM:#}")
                }
                DeliveryOutcome::Retry { error, after } => format!(
                    "{begin} {YELLOW}failed{YELLOW:#}{nth} {DIM}{duration}{DIM:#}: {}; again in {}",
                    one_line(error),
                    span(*after)
                ),
                DeliveryOutcome::Dead { reason } => {
                    format!("{begin} {RED}dead letter{RED:#}{nth}: {}", one_line(reason))
                }
                DeliveryOutcome::Expired { reason } => {
                    format!("{begin} {RED}expired{RED:#}{nth}: {}", one_line(reason))
                }
                other => format!("{begin} {other:?}"),
            }
        }
        Activity::Duplicate { id, event_type, source } => {
            let event = format!("{BOLD}{event_type}{BOLD:#} {DIM}{}{DIM:#}", short(id));
            format!("{event} from {source}: accepted before, not delivered again")
        }
        Activity::Filtered { event_id, event_type, function, reason } => {
            let event = format!("{BOLD}{event_type}{BOLD:#} {DIM}{}{DIM:#}", short(event_id));
            format!("{event} → {function} filtered out: {}", one_line(reason))
        }
        other => format!("{other:?}"),
    }
}

fn seen_from(current: &Path, path: &Path) -> String {
    match path.strip_prefix(current) {
        Ok(rest) if rest.as_os_str().is_empty() => ".".to_owned(),
        Ok(rest) => rest.display().to_string(),
        Err(_) => path.display().to_string(),
    }
}

/// One row per trigger; the id and the emitted types stand in the first.
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

/// Commands that do something with this application.
fn trials(functions: &[&Function], events_url: &str) -> Vec<String> {
    let triggers = || functions.iter().flat_map(|function| function.events());
    let mut lines = Vec::new();
    if let Some(route) = triggers().find(|trigger| trigger.is_http()) {
        lines.push(curl(route, events_url));
    }
    if let Some(trigger) = triggers().find(|trigger| !trigger.is_http()) {
        lines.push(format!("cargo eg emit --event {} --data '{{}}'", trigger.event_type));
    }
    if let Some(function) = functions.first() {
        lines.push(format!("cargo eg logs --function {} --tail", function.id));
    }
    lines
}

fn curl(route: &EventTrigger, events_url: &str) -> String {
    let segment = |segment: &str| match segment.as_bytes().first() {
        Some(b':' | b'*') => "1".to_owned(),
        _ => segment.to_owned(),
    };
    let path: Vec<String> = route.path.split('/').map(segment).collect();
    let url = format!("{events_url}{}", path.join("/"));
    match route.method.as_str() {
        "GET" => format!("curl {url}"),
        "HEAD" => format!("curl --head {url}"),
        method @ ("POST" | "PUT" | "PATCH") => {
            format!("curl -X {method} {url} -H 'content-type: application/json' -d '{{}}'")
        }
        method => format!("curl -X {method} {url}"),
    }
}

/// A heading and rows in aligned columns.
fn section<const N: usize>(text: &mut String, heading: &str, rows: impl Iterator<Item = [String; N]>) {
    let rows: Vec<[String; N]> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{BOLD}{heading}{BOLD:#}");
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
    }
}

/// The end of an id: ids of one minute begin alike.
fn short(id: &str) -> &str {
    const SHOWN: usize = 8;
    let begin = id.char_indices().rev().nth(SHOWN - 1).map_or(0, |(begin, _)| begin);
    &id[begin..]
}

fn span(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1000.0),
        seconds if seconds < 60.0 => format!("{seconds:.1} s"),
        seconds => format!("{:.1} min", seconds / 60.0),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(activity: &Activity, expected: &str) {
        assert_eq!(anstream::adapter::strip_str(&line(activity)).to_string(), expected);
    }

    fn delivery(attempt: u32, outcome: DeliveryOutcome) -> Activity {
        Activity::Delivery {
            event_id: "0199aa00-0000-7000-8000-00000abcdef1".to_owned(),
            event_type: "user.created".to_owned(),
            function: "emails-send".to_owned(),
            attempt,
            duration: Duration::from_micros(4_230),
            outcome,
        }
    }

    #[test]
    fn every_activity_is_one_line() {
        let received = |id: &str, subscribers| Activity::Received {
            id: id.to_owned(),
            event_type: "user.created".to_owned(),
            source: "/services/users".to_owned(),
            method: "POST".to_owned(),
            path: "/".to_owned(),
            subscribers,
        };
        check(&received("order-1", 0), "user.created order-1 from /services/users: nobody subscribes to it");
        check(
            &received("0199aa00-0000-7000-8000-00000abcdef1", 2),
            "user.created 0abcdef1 from /services/users: 2 subscriptions",
        );
        let unanswered = Activity::Received {
            id: "0199aa00-0000-7000-8000-00000abcdef1".to_owned(),
            event_type: HTTP_REQUEST.to_owned(),
            source: "https://serverless.com/event-gateway/#transformationVersion=0.1".to_owned(),
            method: "GET".to_owned(),
            path: "/nowhere".to_owned(),
            subscribers: 0,
        };
        check(&unanswered, "GET /nowhere: nobody answers it");
        let answered = |event_type: &str| Activity::Answered {
            method: "POST".to_owned(),
            path: "/users".to_owned(),
            event_type: event_type.to_owned(),
            function: Some("users-create_user".to_owned()),
            status: 200,
            duration: Duration::from_millis(1500),
        };
        check(&answered(HTTP_REQUEST), "POST /users → users-create_user 200 1.5 s");
        check(&answered("user.check"), "POST /users user.check → users-create_user 200 1.5 s");
        check(
            &delivery(1, DeliveryOutcome::Delivered),
            "user.created 0abcdef1 → emails-send delivered 4.2 ms",
        );
        let retry = DeliveryOutcome::Retry { error: "no\n mail".to_owned(), after: Duration::from_secs(2) };
        check(
            &delivery(2, retry),
            "user.created 0abcdef1 → emails-send failed at attempt 2 4.2 ms: no mail; again in 2.0 s",
        );
        let dead = DeliveryOutcome::Dead { reason: "rejected".to_owned() };
        check(&delivery(1, dead), "user.created 0abcdef1 → emails-send dead letter: rejected");
    }

    #[test]
    fn a_route_is_tried_with_curl() {
        let check = |method: &str, path: &str, expected: &str| {
            let route = serde_json::json!(
                {"eventType": "http.request", "mode": "sync", "method": method, "path": path}
            );
            let route: EventTrigger = serde_json::from_value(route).unwrap();
            assert_eq!(curl(&route, "http://localhost:4000"), expected);
        };
        check("GET", "/users/:id/files/*rest", "curl http://localhost:4000/users/1/files/1");
        check(
            "POST",
            "/users",
            "curl -X POST http://localhost:4000/users -H 'content-type: application/json' -d '{}'",
        );
        check("DELETE", "/", "curl -X DELETE http://localhost:4000/");
    }
}
