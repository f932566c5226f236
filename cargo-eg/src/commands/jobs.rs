//! `cargo eg jobs`: lists, shows, cancels and resumes the long work of the gateway. Other commands that start such work
//! wait for it here.

use std::time::Duration;

use eg_sdk::EventGateway;
use eg_sdk::errors::ErrorCode;
use eg_sdk::history::{Job, JobKind, JobState};

use super::history::{client, failure};
use super::{json_line, print};
use crate::cli::{self, JobAction};
use crate::console::progress::Progress;
use crate::console::signals::Signals;
use crate::console::text::{DIM, clock, columns, count, styled};
use crate::exit::{Exit, Failure};

/// Pause between two looks at a job.
const PAUSE: Duration = Duration::from_millis(300);

pub(crate) async fn run(arguments: cli::Jobs) -> Result<(), Failure> {
    match arguments.action {
        None => list(arguments.list).await,
        Some(JobAction::List(arguments)) => list(arguments).await,
        Some(JobAction::Show(arguments)) => {
            let gateway = client(arguments.gateway.settings())?;
            let job = gateway.jobs().get(arguments.id).await.map_err(failure)?;
            let job = job.ok_or_else(|| missing(arguments.id))?;
            show(&[job], arguments.json)
        }
        Some(JobAction::Cancel(arguments)) => {
            let gateway = client(arguments.gateway.settings())?;
            let job = gateway.jobs().cancel(arguments.id).await;
            show(&[job.map_err(|error| about(arguments.id, error))?], arguments.json)
        }
        Some(JobAction::Resume(arguments)) => {
            let gateway = client(arguments.gateway.settings())?;
            let job = gateway.jobs().resume(arguments.id).await;
            show(&[job.map_err(|error| about(arguments.id, error))?], arguments.json)
        }
    }
}

async fn list(arguments: cli::ListJobs) -> Result<(), Failure> {
    let cli::ListJobs { limit, json, gateway } = arguments;
    let gateway = client(gateway.settings())?;
    let (mut jobs, mut before) = (Vec::new(), None);
    while jobs.len() < limit {
        let page = gateway.jobs().page(before, limit - jobs.len()).await.map_err(failure)?;
        jobs.extend(page.jobs);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    if jobs.is_empty() && !json {
        eprintln!("no jobs");
    }
    show(&jobs, json)
}

fn show(jobs: &[Job], json: bool) -> Result<(), Failure> {
    if json {
        return print(&jobs.iter().map(json_line).collect::<Result<String, _>>()?);
    }
    for (id, reason) in jobs.iter().filter_map(|job| Some((job.job_id, job.waits_for.as_ref()?))) {
        eprintln!("job {id} waits: {reason}");
    }
    let row = |job: &Job| {
        let state = match job.state {
            JobState::Running => format!("running, {} %", job.percent),
            JobState::Cancelled => format!("cancelled at {} %", job.percent),
            JobState::Done => job.state.to_string(),
        };
        [job.job_id.to_string(), styled(DIM, &clock(job.created_at)), what(job), state, done(job)]
    };
    print(&columns(&jobs.iter().map(row).collect::<Vec<_>>()))
}

/// Returns what a job does.
fn what(job: &Job) -> String {
    let of = job.loss.map(|loss| format!(" {loss}")).unwrap_or_default();
    match job.kind {
        JobKind::Replay => "replay".to_owned(),
        JobKind::Redrive => format!("retry{of}"),
        JobKind::Discard => format!("discard{of}"),
        JobKind::GiveUp => {
            format!("give up for subscription {}", job.subscription_id.as_deref().unwrap_or_default())
        }
    }
}

/// Returns what a job has done so far.
fn done(job: &Job) -> String {
    let deliveries = match job.kind {
        JobKind::Replay => format!("{}, {}", count(job.events, "event"), count(job.deliveries, "delivery")),
        JobKind::Redrive | JobKind::Discard | JobKind::GiveUp => count(job.deliveries, "delivery"),
    };
    match job.skipped {
        0 => deliveries,
        skipped => format!("{deliveries}, {skipped} skipped"),
    }
}

/// Waits for the end of a job, and shows its progress on a terminal. Ctrl-C ends the waiting, not the job.
pub(super) async fn wait(gateway: &EventGateway, id: i64, what: &'static str) -> Result<Job, Failure> {
    let mut signals = Signals::listen()?;
    let progress = Progress::begin(what);
    let mut told = None;
    loop {
        let job = gateway.jobs().get(id).await.map_err(failure)?.ok_or_else(|| missing(id))?;
        match job.state {
            JobState::Done => return Ok(job),
            JobState::Cancelled => {
                let message = format!("job {id} was cancelled after {}", done(&job));
                return Err(Failure::new(Exit::Failed, message)
                    .hint(format!("`cargo eg jobs resume {id}` continues it where it stopped")));
            }
            JobState::Running => progress.set(format!("{what}: {} %, {}", job.percent, done(&job))),
        }
        if job.waits_for != told {
            if let Some(reason) = &job.waits_for {
                crate::console::progress::beside(|| eprintln!("job {id} waits: {reason}"));
            }
            told = job.waits_for;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = signals.next() => {
                return Err(Failure::new(Exit::Interrupted, format!("job {id} continues in the gateway"))
                    .hint(format!("`cargo eg jobs` shows its progress, `cargo eg jobs cancel {id}` stops it")));
            }
        }
    }
}

fn about(id: i64, error: eg_sdk::Error) -> Failure {
    match error.code() {
        Some(ErrorCode::NotFound) => missing(id),
        _ => failure(error),
    }
}

fn missing(id: i64) -> Failure {
    Failure::new(Exit::NotFound, format!("no job `{id}`"))
        .hint("`cargo eg jobs` lists them with their numbers")
}
