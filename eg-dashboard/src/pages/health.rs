//! Health: whether the gateway can store events, the accounting of all deliveries, and the jobs.

use axum::response::Response;
use eg_sdk::history::{Accounting, Job, JobKind, Tally};
use maud::{Markup, html};

use crate::failure::{Failure, is_about_the_key};
use crate::frame::{Part, page};
use crate::show;
use crate::visitor::Visitor;

/// The number of jobs that are listed.
const JOBS: usize = 20;

/// `GET …/health`
pub(crate) async fn show(visitor: Visitor) -> Result<Response, Failure> {
    let jobs = visitor.gateway.jobs();
    let (status, accounting, jobs) =
        tokio::join!(visitor.gateway.status(), visitor.gateway.accounting(), jobs.page(None, JOBS));
    let accounting = match accounting {
        // A key for one space does not open what belongs to none.
        Err(error) if is_about_the_key(&error) => None,
        other => Some(other?),
    };
    let jobs = jobs?.jobs;
    let body = html! {
        div .title { h1 { "Health" } }
        @match status {
            Ok(()) => p .notice role="status" { "The gateway stores events." },
            Err(error) => p .notice .bad role="alert" { "The gateway cannot store events: " (show::clipped(&error.to_string(), 500)) },
        }
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
    Ok(page(&visitor, Part::Health, "Health", &body))
}

fn table(accounting: &Accounting) -> Markup {
    html! {
        p {
            @if accounting.balanced { "Every delivery is accounted for: the states add up to what was accepted." }
            @else { span .chip .dead { "out of balance" } " The states do not add up to what was accepted." }
        }
        div .scroll {
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
