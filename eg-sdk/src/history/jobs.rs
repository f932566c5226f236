//! Jobs: work on many events or deliveries that the gateway does step by step, beside everything else. The gateway
//! runs them; these are the types of its answers.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Loss, ReplayRequest};
use crate::names::named;

named! {
    "a kind of job"
    /// What a job does.
    pub enum JobKind {
        /// Delivers stored events again.
        Replay = "replay",
        /// Delivers dead letters again.
        Redrive = "redrive",
        /// Discards dead letters.
        Discard = "discard",
        /// Gives up the waiting deliveries of a subscription that was deleted or disabled.
        GiveUp = "give_up",
    }
}

named! {
    "the state of a job"
    /// The state of a job.
    pub enum JobState {
        /// The gateway works on the job, and continues after a restart where it stopped.
        Running = "running",
        /// Everything is done.
        Done = "done",
        /// Somebody cancelled the job. What it had done stays done; it can be resumed.
        Cancelled = "cancelled",
    }
}

/// A job and its progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// The id of the job.
    pub job_id: i64,
    /// What the job does.
    pub kind: JobKind,
    /// The current state.
    pub state: JobState,
    /// How much of its range the job has passed, from 0 to 100.
    pub percent: u8,
    /// The number of events that were replayed, for [`JobKind::Replay`].
    pub events: usize,
    /// The number of deliveries that were created, redriven, discarded or given up.
    pub deliveries: usize,
    /// The number of dead letters that remain because their subscription was deleted or is disabled, for
    /// [`JobKind::Redrive`].
    pub skipped: usize,
    /// Why the job cannot continue now. It continues by itself once the reason is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// The id of the replay, for [`JobKind::Replay`]: the extension `replay` of its events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_id: Option<String>,
    /// Which events are replayed, for [`JobKind::Replay`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayRequest>,
    /// Which deliveries are redriven or discarded: dead or expired ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// The deleted or disabled subscription, for [`JobKind::GiveUp`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<String>,
    /// When the job was created.
    #[serde(with = "super::moment")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub created_at: OffsetDateTime,
    /// When the job was done or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::moment::option")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub ended_at: Option<OffsetDateTime>,
}

/// A page of jobs, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// The cursor (`before`) of the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}
