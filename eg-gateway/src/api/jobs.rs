//! `/v1/spaces/<space>/jobs`: shows the long work of the gateway, cancels and resumes it. `crate::jobs` runs the jobs,
//! and other resources create them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_sdk::history::{Job, JobKind, JobPage, JobState};

use super::errors::ApiError;
use super::query::{BEFORE, LIMIT, Query};
use super::routes::{Content, Doc, Parameter, Routes};
use super::{ApiState, json};
use crate::clock;
use crate::store::Work;

/// How long a request that creates a job waits for its end.
const PATIENCE: Duration = Duration::from_secs(1);

const PAGE: [Parameter; 2] = [LIMIT, BEFORE];

pub(super) fn routes() -> Routes {
    let job = || Content::json::<Job>("Job");
    let list_doc = Doc::new(
        "listJobs",
        "Lists the jobs, the newest first: replays, redrives, discards, and deliveries of deleted subscriptions. The \
         newest thousand are kept.",
    )
    .query(&PAGE)
    .answer(Content::json::<JobPage>("JobPage"));
    let show_doc = Doc::new("getJob", "Returns one job and its progress.").answer(job());
    let cancel_doc =
        Doc::new("cancelJob", "Stops a job that runs. What it has done stays done.").answer(job());
    let resume_doc = Doc::new("resumeJob", "Continues a cancelled job where it stopped.").answer(job());
    Routes::new("jobs")
        .get("/jobs", list, list_doc)
        .get("/jobs/{id}", show, show_doc)
        .post("/jobs/{id}/cancel", cancel, cancel_doc)
        .post("/jobs/{id}/resume", resume, resume_doc)
}

/// Lists the newest first; `limit` and `before=<next>` page through them.
async fn list(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
    query: Query,
) -> Result<Response, ApiError> {
    let before = query.cursor("before", "the `next` of an earlier page")?;
    let limit = query.limit()?;
    Ok(json(StatusCode::OK, &app.store.jobs(space, before, limit).await?))
}

async fn show(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    Ok(json(StatusCode::OK, &find(&app, space, &id).await?))
}

async fn cancel(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let job = find(&app, space.clone(), &id).await?;
    if job.kind == JobKind::GiveUp {
        return Err(ApiError::job_not_cancellable(&id));
    }
    app.store.set_job_running(space.clone(), job.job_id, false, clock::timestamp()).await?;
    Ok(json(StatusCode::OK, &find(&app, space, &id).await?))
}

async fn resume(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let job = find(&app, space.clone(), &id).await?;
    app.store.set_job_running(space.clone(), job.job_id, true, clock::timestamp()).await?;
    Ok(json(StatusCode::OK, &find(&app, space, &id).await?))
}

/// Creates a job, and waits a moment for its end. Returns it as it is then.
pub(super) async fn begin(app: &ApiState, space: String, work: Work) -> Result<Job, ApiError> {
    let id = app.store.begin_job(space.clone(), work, clock::timestamp()).await?;
    app.store.job_within(space, id, PATIENCE).await?.ok_or_else(ApiError::internal)
}

/// Returns the job's id unless it is done.
pub(super) fn unfinished(job: &Job) -> Option<i64> {
    (job.state != JobState::Done).then_some(job.job_id)
}

async fn find(app: &ApiState, space: String, id: &str) -> Result<Job, ApiError> {
    let missing = || ApiError::not_found(format!("Job \"{id}\" not found."));
    let number = id.parse().map_err(|_| missing())?;
    app.store.job(space, number).await?.ok_or_else(missing)
}
