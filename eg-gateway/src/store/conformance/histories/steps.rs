//! The steps of a history, and what each of them may change.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eg_sdk::config::Subscription;
use eg_sdk::history::{AttemptOutcome, Delivery, DeliveryState, Loss, ReplayRequest};
use serde_json::json;

use super::{History, define};
use crate::decide::delivery::Next;
use crate::decide::lanes::Wanted;
use crate::store::conformance::Site;
use crate::store::conformance::bench::{MAX_AGE, dead, delete, put, retry, space, wanted};
use crate::store::{Accepted, Claimed, Losses, Redrive, Work};

impl<S: Site> History<S> {
    pub(super) async fn emit(&mut self, id: u8, key: u8, data: u8) {
        let (id, key) = (format!("event {id}"), format!("key {key}"));
        // Within a minute, the same id and source is a duplicate.
        let source = format!("/{}", self.bench.now.as_millis() / 60_000);
        let members = json!({ "source": source, "partitionkey": key, "data": data });
        let accepted = self.bench.emit_with(&id, members).await;
        if self.events.contains_key(&(id.clone(), source.clone())) {
            assert!(matches!(accepted, Accepted::Duplicate { .. }));
            self.duplicates += 1;
            return;
        }
        assert_eq!(accepted, Accepted::New);
        self.events.insert((id, source), key);
        let changed = self.look().await;
        let mut of = BTreeSet::new();
        for (number, (before, after)) in changed {
            assert!(before.is_none(), "{after:?}");
            let filtered = after.subscription_id == "picky" && data != 1;
            assert_eq!(after.state == DeliveryState::Filtered, filtered);
            of.insert(after.subscription_id);
            self.since.insert(number, self.bench.now);
        }
        let subscribed = self.bench.snapshot.catalog.table::<Subscription>().all();
        assert_eq!(of, subscribed.map(|one| one.subscription_id.clone()).collect());
    }

    fn is_due(&self, one: &Delivery) -> bool {
        one.state == DeliveryState::Pending
            && one.next_attempt_at.is_some_and(|due| due <= self.bench.now.date_time())
            && !self.suspects.contains(&one.delivery_id)
    }

    pub(super) async fn claim(&mut self, subscription: &'static str, limit: usize) {
        let due =
            self.deliveries.values().filter(|one| one.subscription_id == subscription && self.is_due(one));
        let due: BTreeSet<i64> = due.map(|one| one.delivery_id).collect();
        let wanted = Wanted { limit, ..wanted(subscription, self.bench.now) };
        let (claimed, losses) = self.bench.claim_with(wanted).await;
        assert_eq!(claimed.len() + losses.lost.len(), due.len().min(limit));
        self.began(claimed, &losses, &due).await;
    }

    pub(super) async fn claim_suspects(&mut self) {
        let suspects = self.bench.store.suspects().await.unwrap();
        let numbers: BTreeSet<i64> = suspects.iter().map(|suspect| suspect.delivery).collect();
        assert_eq!(numbers, self.suspects);
        let (gate, notices) = (self.bench.gate(), self.bench.notices());
        let claims = self.bench.store.claim_suspects(suspects, self.bench.now, gate, notices).await;
        let (claims, losses) = claims.unwrap();
        let claimed = claims.into_iter().flat_map(|claim| claim.claimed).collect();
        self.began(claimed, &losses, &numbers).await;
        self.suspects.clear();
    }

    /// Checks what a claim of some of these deliveries has changed.
    async fn began(&mut self, claimed: Vec<Claimed>, losses: &Losses, due: &BTreeSet<i64>) {
        let changed = self.changed().await;
        let begun: BTreeSet<i64> = claimed.iter().map(|one| one.delivery).collect();
        let lost: BTreeSet<i64> = losses.lost.iter().map(|one| one.delivery).collect();
        assert_eq!(changed.keys().copied().collect::<BTreeSet<_>>(), &begun | &lost);
        for (number, (before, after)) in changed {
            let before = before.expect("it waited");
            assert!(due.contains(&number), "{before:?} was not due");
            let old = self.bench.now.since(self.since[&number]) > MAX_AGE;
            if begun.contains(&number) {
                assert_eq!(
                    (after.state, after.attempts.len()),
                    (DeliveryState::InFlight, before.attempts.len() + 1)
                );
                assert!(!old, "{after:?} is too old");
                let exists = self.bench.snapshot.catalog.table::<Subscription>();
                assert!(
                    exists.get(&space(), &after.subscription_id).is_some(),
                    "{after:?} has no subscription"
                );
            } else {
                let expected = if after.state == DeliveryState::Expired {
                    old
                } else {
                    after.state == DeliveryState::Dead
                };
                assert!(expected && after.attempts == before.attempts, "{after:?}");
            }
        }
        self.claimed.extend(claimed);
    }

    pub(super) async fn finish(&mut self, which: usize, how: u8) {
        if self.claimed.is_empty() {
            return;
        }
        let claimed = self.claimed.swap_remove(which % self.claimed.len());
        let expired = Next::Expired { error: "late".to_owned(), reason: "late".to_owned() };
        let unmade = Next::Unmade { after: Duration::from_secs(1), error: "no place".to_owned() };
        let next = [Next::Delivered, retry(5), dead(), expired, unmade][usize::from(how)].clone();
        let state = match &next {
            Next::Delivered => DeliveryState::Delivered,
            Next::Retry { .. } | Next::Unmade { .. } => DeliveryState::Pending,
            Next::Dead { .. } | Next::Disable { .. } => DeliveryState::Dead,
            Next::Expired { .. } => DeliveryState::Expired,
        };
        let losses = self.bench.finish(&claimed, next.clone()).await;
        assert_eq!(losses.lost.len(), usize::from(next.gives_up()));
        let changed = self.changed().await;
        assert_eq!(changed.len(), 1, "{changed:#?}");
        assert_eq!(changed[&claimed.delivery].1.state, state);
        // Twice is once.
        let again = self.bench.finish(&claimed, next).await;
        assert!(again.lost.is_empty() && again.due.is_empty());
    }

    /// Checks what is left of a gateway, and starts another one.
    pub(super) async fn ended(&mut self, unexpectedly: bool) {
        self.bench.restart().await;
        let mut flying: BTreeMap<i64, u32> =
            self.claimed.drain(..).map(|claimed| (claimed.delivery, claimed.crashes)).collect();
        for (number, (before, after)) in self.look().await {
            let crashes = flying.remove(&number).unwrap_or_else(|| panic!("{before:?} is {after:?}"));
            assert_eq!(after.next_attempt_at, Some(self.bench.now.date_time()));
            let last = after.attempts.last().map(|attempt| attempt.outcome);
            assert_eq!(last, Some(AttemptOutcome::Interrupted));
            if unexpectedly || crashes > 0 {
                self.suspects.insert(number);
            }
        }
        assert!(flying.is_empty(), "{flying:?} did not change");
    }

    /// Goes on at the next gateway.
    pub(super) fn elsewhere(&mut self) {
        let Some((store, claimed)) = self.others.pop_front() else { return };
        let here = std::mem::replace(&mut self.bench.store, store);
        self.others.push_back((here, std::mem::replace(&mut self.claimed, claimed)));
    }

    /// Returns one of the deliveries.
    fn choose(&self, which: usize) -> Option<i64> {
        let count = self.deliveries.len().max(1);
        self.deliveries.keys().nth(which % count).copied()
    }

    pub(super) async fn redrive(&mut self, which: usize) {
        let Some(number) = self.choose(which) else { return };
        let before = self.deliveries[&number].clone();
        let possible = before.state.loss().is_some() && before.discarded_at.is_none();
        let redriven = self.bench.store.redrive(space(), number, None, self.bench.now).await.unwrap();
        assert_eq!(matches!(redriven, Redrive::Missing), !possible, "{redriven:?}");
        if let Redrive::Due(_) = redriven {
            let changed = self.look().await;
            assert_eq!(changed.keys().collect::<Vec<_>>(), [&number]);
            assert_eq!(changed[&number].1.state, DeliveryState::Pending);
            self.since.insert(number, self.bench.now);
        }
    }

    pub(super) async fn discard(&mut self, which: usize) {
        let Some(number) = self.choose(which) else { return };
        let before = self.deliveries[&number].clone();
        let possible = before.state.loss().is_some() && before.discarded_at.is_none();
        assert_eq!(self.bench.store.discard(space(), number, self.bench.now).await.unwrap(), possible);
        if possible {
            let changed = self.look().await;
            let after = Delivery { discarded_at: Some(self.bench.now.date_time()), ..before.clone() };
            assert_eq!(changed, BTreeMap::from([(number, (Some(before), after))]));
        }
    }

    pub(super) async fn toggle(&mut self, name: &'static str) {
        let catalog = &self.bench.snapshot.catalog;
        let exists = catalog.table::<Subscription>().get(&space(), name).is_some();
        if exists {
            self.deleted.insert(name);
        }
        let change = if exists { delete(name) } else { put(define(name)) };
        self.bench.change([change]).await.unwrap();
    }

    pub(super) async fn expire(&mut self, subscription: &'static str) {
        let since = self.bench.now.saturating_sub(MAX_AGE);
        let mut late: BTreeSet<i64> = self
            .deliveries
            .values()
            .filter(|one| one.subscription_id == subscription && one.state == DeliveryState::Pending)
            .map(|one| one.delivery_id)
            .filter(|number| self.since[number] < since)
            .collect();
        loop {
            let (gate, notices) = (self.bench.gate(), self.bench.notices());
            let id = subscription.to_owned();
            let expired =
                self.bench.store.expire(space(), id, since, self.bench.now, gate, notices).await.unwrap();
            if expired.lost.is_empty() {
                break;
            }
            for lost in expired.lost {
                assert!(late.remove(&lost.delivery), "{lost:?}");
                self.suspects.remove(&lost.delivery);
            }
        }
        assert!(late.is_empty(), "{late:?} did not expire");
        for (_, after) in self.changed().await.into_values() {
            assert_eq!((after.state, after.subscription_id.as_str()), (DeliveryState::Expired, subscription));
        }
    }

    pub(super) async fn run_jobs(&mut self) {
        self.bench.run_jobs().await;
        for (number, (before, after)) in self.changed().await {
            match before {
                None => {
                    assert_eq!(after.replay.as_deref(), Some("again"));
                    self.since.insert(number, self.bench.now);
                }
                Some(before) => match (before.state, after.state) {
                    (DeliveryState::Dead | DeliveryState::Expired, DeliveryState::Pending) => {
                        self.since.insert(number, self.bench.now);
                    }
                    (DeliveryState::Dead, DeliveryState::Dead) => {
                        assert_eq!(Delivery { discarded_at: after.discarded_at, ..before }, after);
                    }
                    (DeliveryState::Pending, DeliveryState::Dead) => {
                        assert!(self.deleted.contains(after.subscription_id.as_str()), "{after:?}");
                        self.suspects.remove(&number);
                    }
                    // It was given up and redriven.
                    (DeliveryState::Pending, DeliveryState::Pending) => {
                        assert!(self.deleted.contains(after.subscription_id.as_str()), "{after:?}");
                        self.since.insert(number, self.bench.now);
                        self.suspects.remove(&number);
                    }
                    change => panic!("a job makes {change:?} of {after:?}"),
                },
            }
        }
    }

    pub(super) async fn begin(&mut self, work: u8) {
        let replay = Work::Replay { name: "again".to_owned(), request: ReplayRequest::default() };
        let work = match work {
            0 => Work::Redrive { loss: Loss::Dead },
            1 => Work::Redrive { loss: Loss::Expired },
            2 => Work::Discard { loss: Loss::Dead },
            _ => replay,
        };
        self.bench.begin(work).await;
    }
}
