//! Health: whether the gateway can store events, what the last hour brought, what waits, the accounting of all deliveries, and
//! the jobs.

use axum::response::Response;
use eg_sdk::Error;
use eg_sdk::history::{Accounting, GatewayStatistics, Job, JobKind, Minute, Tally};
use maud::{Markup, html};
use time::OffsetDateTime;

use crate::failure::{Failure, is_about_the_key};
use crate::frame::{Part, fragment, page};
use crate::reading::Fields;
use crate::visitor::Visitor;
use crate::{place, show};

/// The number of jobs that are listed.
const JOBS: usize = 20;

/// The number of minutes whose rates are shown.
const RECENT: usize = 5;

/// The height of the chart, in the units of its drawing.
const HEIGHT: f64 = 100.0;

/// `GET …/health`. With `fragment`, only what changes.
pub(crate) async fn show(visitor: Visitor, query: Fields) -> Result<Response, Failure> {
    let gateway = &visitor.gateway;
    let jobs = gateway.jobs();
    let (status, accounting, statistics, jobs) =
        tokio::join!(gateway.status(), gateway.accounting(), gateway.statistics(), jobs.page(None, JOBS));
    let (accounting, statistics) = (of_all_spaces(accounting)?, of_all_spaces(statistics)?);
    let jobs = jobs?.jobs;
    let now = OffsetDateTime::now_utc();
    let content = html! {
        @match status {
            Ok(()) => p .notice role="status" { "The gateway stores events." },
            Err(error) => p .notice .bad role="alert" { "The gateway cannot store events: " (show::clipped(&error.to_string(), 500)) },
        }
        @if let Some(statistics) = &statistics { (numbers(statistics, now)) }
        h2 { "Deliveries" }
        @match &accounting {
            Some(accounting) => (table(accounting)),
            None => p .quiet { "The accounting belongs to all spaces: log in with the key for all spaces to see it." },
        }
        h2 { "Jobs" }
        @if jobs.is_empty() { p .quiet { "No jobs: no long replay, redrive or discard." } }
        @else {
            table {
                thead { tr { th .number { "Job" } th { "Work" } th { "State" } th .number { "Deliveries" } th { "Created" } } }
                tbody { @for job in &jobs { (row(job)) } }
            }
        }
    };
    if query.get("fragment").is_some() {
        return Ok(fragment(&content));
    }
    let body = html! {
        div .title {
            h1 { "Health" }
            @if let Some(statistics) = &statistics {
                p .quiet { "Version " (show::text(&statistics.version)) ", started " (show::ago(statistics.started_at, now)) }
            }
        }
        div #listing data-live=(place::in_space(gateway.space(), "/live")) { (content) }
    };
    Ok(page(&visitor, Part::Health, "Health", &body))
}

/// Returns what belongs to all spaces; `None` for a key that opens only one of them, and from a gateway that is too old.
fn of_all_spaces<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Err(error) if is_about_the_key(&error) || error.status() == Some(404) => Ok(None),
        other => other.map(Some),
    }
}

fn numbers(statistics: &GatewayStatistics, now: OffsetDateTime) -> Markup {
    let GatewayStatistics { minutes, backlog, store_bytes, store_limit_bytes, .. } = statistics;
    let recent = &minutes[minutes.len().saturating_sub(RECENT)..];
    let from = recent.first().map_or(now, |first| first.at.max(statistics.started_at));
    let within = show::between(from, now);
    let sum = |of: fn(&Minute) -> u64| recent.iter().map(of).sum::<u64>();
    let (calls, failures) = (sum(|one| one.calls), sum(|one| one.failures));
    html! {
        dl .figures .card {
            div { dt { "Events per min" } dd { (show::rate(sum(|one| one.accepted), within)) } }
            div { dt { "Calls per min" } dd { (show::rate(calls, within)) } }
            div .bad[failures > 0] { dt { "Failed calls" } dd { (show::percent(failures, calls)) } }
            div { dt { "Backlog" } dd { (show::grouped(*backlog)) } }
            div {
                dt { "Oldest waits for" }
                dd { @match statistics.oldest_waiting_since { Some(since) => (show::span(show::between(since, now))), None => "–" } }
            }
            div .bad[store_bytes.saturating_mul(10) > store_limit_bytes.saturating_mul(9)] {
                dt { "Store" }
                dd { (show::bytes(*store_bytes)) " " span .quiet { "of " (show::bytes(*store_limit_bytes)) } }
            }
        }
        (chart(minutes))
    }
}

/// Draws the calls of each minute, with those that failed, and the events as a line.
fn chart(minutes: &[Minute]) -> Markup {
    let most = minutes.iter().map(|one| one.calls.max(one.accepted)).max().unwrap_or_default();
    if most == 0 {
        return html! { p .quiet { "No events and no calls in the last hour." } };
    }
    #[allow(clippy::cast_precision_loss, reason = "a drawing has a hundred units")]
    let height = |number: u64| number as f64 / most as f64 * HEIGHT;
    // A missing hour begins at the right.
    let start = 60_usize.saturating_sub(minutes.len());
    let x = |at: usize| (start + at) * 10;
    let line: Vec<String> = minutes
        .iter()
        .enumerate()
        .map(|(at, one)| format!("{},{:.1}", x(at) + 5, HEIGHT - height(one.accepted)))
        .collect();
    let sum = |of: fn(&Minute) -> u64| show::grouped(minutes.iter().map(of).sum());
    let words = format!(
        "In the last {}: {} events, {} calls, of which {} failed. At most {} per minute.",
        match minutes.len() {
            0 | 1 => "minute".to_owned(),
            length @ 2..60 => format!("{length} minutes"),
            _ => "hour".to_owned(),
        },
        sum(|one| one.accepted),
        sum(|one| one.calls),
        sum(|one| one.failures),
        show::grouped(most)
    );
    html! {
        figure .chart {
            svg viewBox="0 0 600 100" preserveAspectRatio="none" role="img" aria-label=(words) {
                @for (at, one) in minutes.iter().enumerate() {
                    @let (all, bad) = (height(one.calls), height(one.failures));
                    @if one.calls > 0 {
                        rect .delivered x=(x(at) + 1) y=(format!("{:.1}", HEIGHT - all)) width="8" height=(format!("{:.1}", all - bad)) {}
                        rect .failed x=(x(at) + 1) y=(format!("{:.1}", HEIGHT - bad)) width="8" height=(format!("{bad:.1}")) {}
                    }
                }
                polyline .events points=(line.join(" ")) {}
            }
            figcaption .quiet { (words) }
        }
    }
}

fn table(accounting: &Accounting) -> Markup {
    html! {
        p {
            @if accounting.balanced { "Every delivery is accounted for: the states add up to what was accepted." }
            @else { span .chip .dead { "out of balance" } " The states do not add up to what was accepted." }
        }
        div .scroll tabindex="0" role="region" aria-label="Deliveries by state" {
            table {
                thead { tr { th { "Space" } @for (name, _) in columns(&accounting.total) { th .number { (name) } } } }
                tbody {
                    @for (space, tally) in &accounting.spaces { (line(&show::text(space), tally)) }
                    @if accounting.spaces.len() > 1 { (line("all spaces", &accounting.total)) }
                }
            }
        }
    }
}

fn columns(tally: &Tally) -> [(&'static str, u64); 7] {
    [
        ("Accepted", tally.accepted),
        ("Delivered", tally.delivered),
        ("Pending", tally.pending),
        ("Filtered", tally.filtered),
        ("Dead letters", tally.dead),
        ("Expired", tally.expired),
        ("Of these, discarded", tally.discarded),
    ]
}

fn line(name: &str, tally: &Tally) -> Markup {
    html! { tr { th scope="row" { (name) } @for (_, number) in columns(tally) { td .number { (show::grouped(number)) } } } }
}

fn row(job: &Job) -> Markup {
    let work = match job.kind {
        JobKind::Replay => "replays events",
        JobKind::Redrive => "retries dead letters",
        JobKind::Discard => "discards dead letters",
        JobKind::GiveUp => "gives up the deliveries of a deleted or disabled subscription",
    };
    html! {
        tr {
            td .number { (job.job_id) }
            td { (work) }
            td {
                (job.state.as_str()) ", " (job.percent) " %"
                @if let Some(reason) = &job.waits_for { " " span .quiet { (show::text(reason)) } }
            }
            td .number { (show::grouped(job.deliveries as u64)) }
            td { (show::moment(job.created_at)) }
        }
    }
}
