//! Checks the requests of operators: what a redrive, a discard or a job may change while it is under way, that what was
//! acknowledged is on disk, and that jobs count what they did. `operator` makes the requests.

use std::collections::BTreeSet;

use eg_sdk::history::{Job, Loss, ReplayRequest};
use rusqlite::{Connection, Row};

use super::{Finding, Oracle};
use crate::simulation::record::Delivery;
use crate::simulation::world::{EVENT, NOTICES, SUBSCRIBERS};
use crate::store::Work;

/// The requests under way, and what jobs did.
#[derive(Debug, Default)]
pub(in crate::simulation) struct Requests {
    redrive: Option<RedriveUnderWay>,
    discard: Option<DiscardUnderWay>,
    /// The jobs that were requested.
    jobs: Vec<Work>,
    /// The jobs that ran after the last transaction.
    running: Vec<Work>,
    /// The number of deliveries that jobs redrove or discarded.
    redriven: usize,
    discarded: usize,
}

/// The redrive of a single delivery.
#[derive(Debug)]
struct RedriveUnderWay {
    one: i64,
    /// The event that replaces the stored one.
    edited: Option<Vec<u8>>,
    /// The number of its redrives before.
    before: usize,
}

/// The discard of a single delivery, and whether it was discarded before.
#[derive(Debug)]
struct DiscardUnderWay {
    one: i64,
    before: bool,
}

/// What a job has to do.
#[derive(Debug, Default)]
pub(in crate::simulation) struct ToDo {
    /// Given-up deliveries, and how often each was redriven before.
    letters: Vec<(i64, usize)>,
    /// Deliveries to create: event and subscription of each.
    replays: BTreeSet<(i64, String)>,
}

impl Requests {
    /// Forgets the requests of a process that has ended. Its jobs continue.
    pub(super) fn process_ended(&mut self) {
        (self.redrive, self.discard) = (None, None);
    }

    /// Checks that `before` may be redriven and become `now`.
    pub(in crate::simulation) fn permit_redrive(&mut self, before: &Delivery, now: &Delivery) -> Finding {
        let seq = before.seq;
        if before.discarded {
            return Err(format!("delivery {seq} was redriven although it had been discarded"));
        }
        if before.is_over() && before.state.loss().is_none() {
            return Err(format!("delivery {seq} was redriven although it was {:?}", before.state));
        }
        let mut json = before.json.as_bytes();
        if let Some(redrive) = self.redrive.as_ref().filter(|redrive| redrive.one == seq) {
            json = redrive.edited.as_deref().unwrap_or(json);
        } else if self.running.iter().any(|work| matches!(work, Work::Redrive { loss } if of(before, *loss)))
        {
            self.redriven += 1;
        } else {
            return Err(format!("delivery {seq} was redriven, and nobody asked for it"));
        }
        if now.json.as_bytes() != json {
            return Err(format!("delivery {seq} was redriven with another event than the requested one"));
        }
        Ok(())
    }

    /// Checks that this delivery may be discarded, or not be discarded any more.
    pub(in crate::simulation) fn permit_discard(&mut self, before: &Delivery) -> Finding {
        let seq = before.seq;
        if before.discarded {
            return Err(format!("delivery {seq} was discarded, and is back"));
        }
        if self.discard.as_ref().is_some_and(|discard| discard.one == seq) {
            return Ok(());
        }
        if self.running.iter().any(|work| matches!(work, Work::Discard { loss } if of(before, *loss))) {
            self.discarded += 1;
            return Ok(());
        }
        Err(format!("delivery {seq} was discarded, and nobody asked for it"))
    }

    /// Reads the jobs after a transaction, and checks that they were requested and count what they did.
    pub(super) fn jobs_count(&mut self, look: &Connection, replayed: usize) -> Finding {
        let (mut redriven, mut discarded, mut created) = (0, 0, 0);
        self.running.clear();
        let mut jobs = look.prepare_cached("SELECT work, state, deliveries FROM jobs").unwrap();
        let job = |row: &Row<'_>| {
            let work: Work = serde_json::from_str(&row.get::<_, String>("work")?).unwrap();
            let deliveries = usize::try_from(row.get::<_, i64>("deliveries")?).unwrap();
            Ok((work, row.get::<_, String>("state")? == "running", deliveries))
        };
        for job in jobs.query_map([], job).unwrap() {
            let (work, runs, deliveries) = job.unwrap();
            match &work {
                Work::GiveUp { .. } => {}
                work if !self.jobs.contains(work) => {
                    return Err(format!("nobody asked for the job {work:?}"));
                }
                Work::Redrive { .. } => redriven += deliveries,
                Work::Discard { .. } => discarded += deliveries,
                Work::Replay { .. } => created += deliveries,
            }
            if runs {
                self.running.push(work);
            }
        }
        for (what, counted, found) in [
            ("redriven", redriven, self.redriven),
            ("discarded", discarded, self.discarded),
            ("replayed", created, replayed),
        ] {
            if counted != found {
                return Err(format!("jobs count {counted} {what} deliveries, and there were {found}"));
            }
        }
        Ok(())
    }
}

fn disagreement(delivery: i64, what: &str, acknowledged: bool, found: bool) -> String {
    let [acknowledged, found] = [acknowledged, found].map(u8::from);
    format!(
        "of delivery {delivery}, a request counts {acknowledged} {what} deliveries, and there were {found}"
    )
}

/// Returns whether a job about this loss may include the delivery. In the same transaction, another write may have given
/// it up before.
fn of(delivery: &Delivery, loss: Loss) -> bool {
    !delivery.is_over() || delivery.state.loss() == Some(loss)
}

impl Oracle {
    /// Returns the given-up deliveries that have not been discarded.
    pub(in crate::simulation) fn letters(&self) -> Vec<i64> {
        self.deliveries.values().filter(|one| one.is_listed()).map(|one| one.seq).collect()
    }

    /// Returns whether jobs run.
    pub(in crate::simulation) fn jobs_run(&self) -> bool {
        !self.requests.running.is_empty()
    }

    /// Returns the event of a delivery.
    pub(in crate::simulation) fn event_of(&self, delivery: i64) -> &str {
        &self.deliveries[&delivery].json
    }

    /// Records that a delivery is to be redriven.
    pub(in crate::simulation) fn redrive_begins(&mut self, one: i64, edited: Option<Vec<u8>>) {
        let before = self.deliveries[&one].past.redrives.len();
        self.requests.redrive = Some(RedriveUnderWay { one, edited, before });
    }

    /// Checks a redrive that is over. `due` says whether it was acknowledged that the delivery is due again.
    pub(in crate::simulation) fn redrive_ends(&mut self, due: Option<bool>) -> Finding {
        let RedriveUnderWay { one, before, .. } =
            self.requests.redrive.take().expect("a redrive is under way");
        let redriven = self.deliveries[&one].past.redrives.len() > before;
        match due {
            Some(due) if due != redriven => Err(disagreement(one, "redriven", due, redriven)),
            _ => Ok(()),
        }
    }

    /// Records that a delivery is to be discarded.
    pub(in crate::simulation) fn discard_begins(&mut self, one: i64) {
        let before = self.deliveries[&one].discarded;
        self.requests.discard = Some(DiscardUnderWay { one, before });
    }

    /// Checks a discard that is over. `done` says whether it was acknowledged.
    pub(in crate::simulation) fn discard_ends(&mut self, done: Option<bool>) -> Finding {
        let DiscardUnderWay { one, before } = self.requests.discard.take().expect("a discard is under way");
        let discarded = self.deliveries[&one].discarded && !before;
        match done {
            Some(done) if done != discarded => Err(disagreement(one, "discarded", done, discarded)),
            _ => Ok(()),
        }
    }

    /// Records that a job is to be created. Returns what it has to do.
    pub(in crate::simulation) fn job_begins(&mut self, work: &Work) -> ToDo {
        self.requests.jobs.push(work.clone());
        let mut to_do = ToDo::default();
        match work {
            Work::Redrive { loss } | Work::Discard { loss } => {
                let listed =
                    self.deliveries.values().filter(|one| one.is_listed() && one.state.loss() == Some(*loss));
                to_do.letters = listed.map(|one| (one.seq, one.past.redrives.len())).collect();
            }
            Work::Replay { request, .. } => to_do.replays = self.to_replay(request),
            Work::GiveUp { .. } => {}
        }
        to_do
    }

    /// Checks a job that is done: it has left nothing out.
    pub(in crate::simulation) fn job_done(&self, work: &Work, to_do: &ToDo, job: &Job) -> Finding {
        let left_out = |(letter, redrives): &&(i64, usize)| {
            let now = &self.deliveries[letter];
            !now.discarded && !now.past.forgotten && now.past.redrives.len() == *redrives
        };
        let left = to_do.letters.iter().filter(left_out).count();
        match work {
            Work::Replay { name, request } => self.replayed(name, request, &to_do.replays, job.deliveries),
            _ if left > job.skipped => Err(format!("{work:?} is done, and left out {left} deliveries")),
            _ => Ok(()),
        }
    }

    /// Returns the deliveries that a replay has to create now: event and subscription of each.
    fn to_replay(&self, request: &ReplayRequest) -> BTreeSet<(i64, String)> {
        let stored = self.deliveries.values().filter(|one| one.replay.is_none() && !one.past.forgotten);
        let subscribers = |one: &Delivery| {
            let all: &[&str] = if one.subscription == NOTICES { &[NOTICES] } else { &SUBSCRIBERS };
            let wanted = request.subscription_id.as_deref();
            let event = one.event;
            all.iter()
                .filter(move |id| wanted.is_none_or(|wanted| wanted == **id))
                .map(move |id| (event, (*id).to_owned()))
        };
        stored.filter(|one| is_selected(one, request)).flat_map(subscribers).collect()
    }

    /// Checks a replay that is done with this number of deliveries. `expected` was to be replayed before.
    fn replayed(
        &self,
        name: &str,
        request: &ReplayRequest,
        expected: &BTreeSet<(i64, String)>,
        counted: usize,
    ) -> Finding {
        let created: Vec<&Delivery> =
            self.deliveries.values().filter(|one| one.replay.as_deref() == Some(name)).collect();
        let found = created.len();
        if found != counted {
            return Err(format!("a replay counts {counted} deliveries, and {found} are on disk"));
        }
        let pairs: BTreeSet<(i64, String)> =
            created.iter().map(|one| (one.event, one.subscription.clone())).collect();
        if pairs.len() != found {
            return Err(format!("a replay delivers an event twice to a subscription: {created:?}"));
        }
        let there = |event: i64| {
            let original = |one: &Delivery| one.event == event && one.replay.is_none() && !one.past.forgotten;
            self.deliveries.values().any(original)
        };
        if let Some((event, subscription)) =
            expected.iter().find(|pair| !pairs.contains(pair) && there(pair.0))
        {
            return Err(format!("a replay leaves out event {event} for {subscription}"));
        }
        // Events that were accepted meanwhile may be among them.
        let possible = self.to_replay(request);
        match pairs.iter().find(|pair| !possible.contains(pair) && there(pair.0)) {
            Some((event, subscription)) => {
                Err(format!("a replay delivers event {event} to {subscription}, which nobody asked for"))
            }
            None => Ok(()),
        }
    }
}

/// Returns whether a replay includes the event of this delivery.
fn is_selected(delivery: &Delivery, request: &ReplayRequest) -> bool {
    let notice = delivery.subscription == NOTICES;
    let accepted = delivery.accepted_at.date_time();
    request.ty.as_deref().is_none_or(|ty| (ty == EVENT) != notice)
        && request.event_id.as_deref().is_none_or(|id| id == delivery.event_id)
        && request.from.is_none_or(|from| accepted >= from)
        && request.to.is_none_or(|to| accepted < to)
}
