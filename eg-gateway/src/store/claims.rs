//! The operations of deliveries: which are due, how their attempts begin and end, and what happens to those that a gateway
//! leaves. `decide` determines how much is claimed and what follows from an outcome.

use std::time::Duration;

use eg_sdk::history::Loss;

use super::{Losses, Notices, Store, StoreError};
use crate::decide::delivery::{Gate, Next, SUBSCRIPTION_DELETED};
use crate::decide::gate::{Candidate, Gatekeeper};
use crate::decide::lanes::{Due, Lane, Wanted};
use crate::decide::suspects::Suspect;
use crate::timestamp::Timestamp;

/// A delivery whose next attempt has begun.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) delivery: i64,
    pub(crate) attempt: u32,
    /// Failed attempts so far.
    pub(crate) failures: u32,
    /// When the last attempt began, if it failed.
    pub(crate) previous: Option<Timestamp>,
    pub(crate) subscription_id: String,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    /// The time from which its age is counted.
    pub(crate) since: Timestamp,
    pub(crate) ordered: bool,
    /// How many of its last attempts the end of the gateway has interrupted.
    pub(crate) crashes: u32,
    /// The replay that created it.
    pub(crate) replay: Option<String>,
    /// The JSON that the function receives.
    pub(crate) json: Vec<u8>,
}

/// The deliveries claimed in one lane.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) lane: Lane,
    pub(crate) claimed: Vec<Claimed>,
    /// When the next deliveries of the lane are due. Parked ones have no due time: they wait for another delivery.
    pub(crate) due: Due,
}

/// A due delivery as it was read.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) claimed: Claimed,
    /// Why there must be no attempt: it is damaged, its subscription was deleted, or a job gives it up.
    pub(super) given_up: Option<String>,
}

/// A delivery that must not be attempted: its number, how it ends and why.
pub(super) type Refused = (i64, Loss, String);

impl Loaded {
    /// Asks the gate whether the next attempt may begin.
    pub(super) fn pass(self, lane: &Lane, now: Timestamp, gate: &Gatekeeper) -> Result<Claimed, Refused> {
        let Self { claimed: one, given_up } = self;
        let candidate = Candidate {
            space: &lane.space,
            subscription_id: &one.subscription_id,
            failures: one.failures,
            crashes: one.crashes,
            since: one.since,
            now,
        };
        match given_up.map_or_else(|| gate.check(&candidate), |reason| Gate::Dead { reason }) {
            Gate::Open => Ok(one),
            Gate::Expired { reason } => Err((one.delivery, Loss::Expired, reason)),
            Gate::Dead { reason } => Err((one.delivery, Loss::Dead, reason)),
        }
    }
}

/// What the store says about a subscription.
#[derive(Debug, Default)]
pub(super) struct SubscriptionState {
    pub(super) exists: bool,
    /// The last delivery that each job gives up, and why.
    pub(super) jobs: Vec<(i64, String)>,
}

impl SubscriptionState {
    /// Returns why a delivery must not be attempted: the subscription was deleted, or a job gives the delivery up.
    pub(super) fn given_up(&self, delivery: i64) -> Option<String> {
        let job = self.jobs.iter().find(|(last, _)| *last >= delivery).map(|(_, reason)| reason.clone());
        job.or_else(|| (!self.exists).then(|| SUBSCRIPTION_DELETED.to_owned()))
    }
}

/// The end of an attempt.
#[derive(Debug, Clone)]
pub(crate) struct Finish {
    pub(crate) delivery: i64,
    pub(crate) attempt: u32,
    pub(crate) duration: Duration,
    pub(crate) next: Next,
    /// Whether other deliveries may be waiting for this one.
    pub(crate) ordered: bool,
    /// Whether the attempts before it were interrupted.
    pub(crate) suspect: bool,
    /// When it ended.
    pub(crate) now: Timestamp,
}

impl Store {
    /// Returns when the next deliveries are due, for each lane with a waiting delivery. Suspects are not among them.
    pub(crate) async fn lanes(&self) -> Result<Vec<(Lane, Due)>, StoreError> {
        backend!(self.lanes().await)
    }

    /// Begins the next attempt of the wanted deliveries, if they are due at `now` and `gate` lets them through, and of no
    /// more once their payloads exceed `bytes`. They are in flight when this returns, and belong to this gateway. Those
    /// that `gate` ends are given up, and so are those whose subscription was deleted and those with a damaged event.
    ///
    /// Returns a claim for each wanted lane, in that order.
    pub(crate) async fn claim(
        &self,
        wanted: Vec<Wanted>,
        now: Timestamp,
        bytes: usize,
        gate: Gatekeeper,
        notices: Notices,
    ) -> Result<(Vec<Claim>, Losses), StoreError> {
        backend!(self.claim(wanted, now, bytes, gate, notices).await)
    }

    /// Returns the suspects: the pending deliveries whose last attempts were interrupted because their gateway ended
    /// unexpectedly.
    pub(crate) async fn suspects(&self) -> Result<Vec<Suspect>, StoreError> {
        backend!(self.suspects().await)
    }

    /// Begins the next attempt of suspects that `gate` lets through. Each has a claim of its own, which is empty if the
    /// delivery ended meanwhile.
    pub(crate) async fn claim_suspects(
        &self,
        suspects: Vec<Suspect>,
        now: Timestamp,
        gate: Gatekeeper,
        notices: Notices,
    ) -> Result<(Vec<Claim>, Losses), StoreError> {
        backend!(self.claim_suspects(suspects, now, gate, notices).await)
    }

    /// Records the outcomes of attempts and the new states of their deliveries, all or none. An outcome counts only while
    /// its attempt is the one under way: repeated, or after the delivery went on without it, it changes nothing.
    pub(crate) async fn finish(&self, finishes: Vec<Finish>, notices: Notices) -> Result<Losses, StoreError> {
        backend!(self.finish(finishes, notices).await)
    }

    /// Makes the deliveries that this gateway has in flight pending and due at `now`, because it stops before their
    /// functions have answered. Their attempts end as interrupted, and they do not become suspects.
    pub(crate) async fn release(&self, now: Timestamp) -> Result<(), StoreError> {
        backend!(self.release(now).await)
    }

    /// Gives up a batch of a subscription's deliveries that are older than `since` and too old for `gate`. Returns no
    /// losses if there are no more.
    pub(crate) async fn expire(
        &self,
        space: String,
        subscription_id: String,
        since: Timestamp,
        now: Timestamp,
        gate: Gatekeeper,
        notices: Notices,
    ) -> Result<Losses, StoreError> {
        backend!(self.expire(space, subscription_id, since, now, gate, notices).await)
    }
}
