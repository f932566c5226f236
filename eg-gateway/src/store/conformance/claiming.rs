//! Claiming deliveries and recording how their attempts end.

use std::time::Duration;

use eg_sdk::history::{AttemptOutcome, DeliveryState, Loss};
use serde_json::json;

use super::Site;
use super::bench::{Bench, MAX_AGE, REPORT, dead, ids, lane, retry, subscription, wanted};
use crate::decide::breaker::Side;
use crate::decide::delivery::Next;
use crate::decide::lanes::{Due, Wanted};
use crate::store::Accepted;

pub(super) async fn what_is_due_is_claimed_in_that_order<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one"), subscription("two")]).await;
    assert_eq!(bench.store.lanes().await.unwrap(), []);
    for id in ["a", "b", "c"] {
        bench.emit(&[id]).await;
        bench.later(1);
    }
    let first = Some(bench.now.saturating_sub(Duration::from_secs(3)));
    let mut lanes = bench.store.lanes().await.unwrap();
    lanes.sort_by(|one, other| one.0.cmp(&other.0));
    let due = Due { first, retry: None };
    assert_eq!(lanes, [(lane("one"), due), (lane("two"), due)]);
    let claimed = bench.claim("one").await;
    assert_eq!(ids(&claimed), ["a", "b", "c"]);
    let first = &claimed[0];
    assert_eq!((first.attempt, first.failures, first.crashes, first.previous), (1, 0, 0, None));
    assert_eq!((first.subscription_id.as_str(), first.event_type.as_str()), ("one", "e"));
    assert_eq!((first.ordered, first.replay.as_deref()), (false, None));
    assert_eq!(Some(first.since), due.first);
    assert_eq!(first.json, bench.event("a").await.event.event.get().as_bytes());
    // The attempts are recorded before anybody makes them.
    let recorded = bench.delivery("a", "one").await;
    assert_eq!(recorded.state, DeliveryState::InFlight);
    let [attempt] = recorded.attempts.as_slice() else { panic!("{recorded:?}") };
    assert_eq!((attempt.number, attempt.outcome), (1, AttemptOutcome::InFlight));
    assert_eq!((attempt.started_at, attempt.duration), (bench.now.date_time(), None));
    assert!(bench.claim("one").await.is_empty());
    assert_eq!(bench.store.lanes().await.unwrap(), [(lane("two"), due)]);
}

pub(super) async fn a_claim_has_limits<S: Site>() {
    let bench = Bench::<S>::with([subscription("one"), subscription("two")]).await;
    bench.emit(&["a", "b", "c", "d"]).await;
    let some = |function, limit| Wanted { limit, ..wanted(function, bench.now) };
    let claim = |wanted, bytes| bench.store.claim(wanted, bench.now, bytes, bench.gate(), bench.notices());
    let (claims, _) = claim(vec![some("one", 1), some("two", 2)], usize::MAX).await.unwrap();
    let found: Vec<_> = claims.iter().map(|claim| (claim.lane.clone(), claim.claimed.len())).collect();
    assert_eq!(found, [(lane("one"), 1), (lane("two"), 2)]);
    // The next ones are due now.
    assert!(claims.iter().all(|claim| claim.due.first == Some(bench.now)), "{claims:?}");
    // The last payload may exceed the limit, and no other one follows.
    let (claims, _) = claim(vec![some("one", 9), some("two", 9)], 1).await.unwrap();
    assert_eq!(claims.iter().map(|claim| claim.claimed.len()).collect::<Vec<_>>(), [1, 0]);
    let (claims, _) = claim(vec![some("one", 9), some("two", 9)], usize::MAX).await.unwrap();
    assert_eq!(claims.iter().map(|claim| claim.claimed.len()).collect::<Vec<_>>(), [2, 2]);
    assert!(claims.iter().all(|claim| claim.due == Due::default()), "{claims:?}");
}

pub(super) async fn retries_have_places_of_their_own<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    bench.emit(&["a", "b"]).await;
    bench.end_all("one", &retry(5)).await;
    bench.emit(&["c", "d"]).await;
    let due = bench.store.lanes().await.unwrap().remove(0).1;
    let then = bench.now.saturating_add(Duration::from_secs(5));
    assert_eq!(due, Due { first: Some(bench.now), retry: Some(then) });
    bench.later(5);
    let claim = |reserved, retries, limit| {
        bench.claim_with(Wanted { reserved, retries, limit, ..wanted("one", bench.now) })
    };
    let (claimed, _) = claim(0, 0, 1).await;
    assert_eq!(ids(&claimed), ["c"]);
    let (claimed, _) = claim(1, 1, 1).await;
    assert_eq!((claimed.len(), claimed[0].failures, claimed[0].attempt), (1, 1, 2));
    assert_eq!(claimed[0].previous, Some(then.saturating_sub(Duration::from_secs(5))));
    let (claimed, _) = claim(0, 1, 9).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.failures).collect::<Vec<_>>(), [0, 1]);
}

pub(super) async fn the_newest_come_first_if_wanted<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    for id in ["a", "b", "c"] {
        bench.emit(&[id]).await;
        bench.later(1);
    }
    let newest = Wanted { side: Side::Newest, limit: 1, ..wanted("one", bench.now) };
    assert_eq!(ids(&bench.claim_with(newest).await.0), ["c"]);
    assert_eq!(ids(&bench.claim("one").await), ["a", "b"]);
}

pub(super) async fn a_delivery_is_claimed_once<S: Site>() {
    let bench = Bench::<S>::with([subscription("one")]).await;
    let names: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    bench.emit(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let claims = (0..8).map(|_| bench.claim_with(Wanted { limit: 7, ..wanted("one", bench.now) }));
    let claims = futures_util::future::join_all(claims).await;
    let mut claimed: Vec<i64> =
        claims.iter().flat_map(|(one, _)| one.iter().map(|one| one.delivery)).collect();
    claimed.sort_unstable();
    claimed.dedup();
    assert_eq!(claimed.len(), claims.iter().map(|(claimed, _)| claimed.len()).sum::<usize>());
    assert_eq!(claimed.len() + bench.claim("one").await.len(), 40);
}

pub(super) async fn each_outcome_has_its_state<S: Site>() {
    let bench = Bench::<S>::with([subscription("one")]).await;
    let (error, reason) = (|| "it failed".to_owned(), || "because".to_owned());
    let after = Duration::from_secs(5);
    let (delivered, failed) = (AttemptOutcome::Delivered, AttemptOutcome::Failed);
    for (id, next, state, outcome) in [
        ("delivered", Next::Delivered, DeliveryState::Delivered, Some(delivered)),
        ("retry", retry(5), DeliveryState::Pending, Some(failed)),
        ("unmade", Next::Unmade { after, error: error() }, DeliveryState::Pending, None),
        ("dead", Next::Dead { error: error(), reason: reason() }, DeliveryState::Dead, Some(failed)),
        ("disable", Next::Disable { error: error(), reason: reason() }, DeliveryState::Dead, Some(failed)),
        ("expired", Next::Expired { error: error(), reason: reason() }, DeliveryState::Expired, Some(failed)),
    ] {
        bench.emit(&[id]).await;
        let claimed = bench.claim("one").await.remove(0);
        let losses = bench.finish(&claimed, next).await;
        let found = bench.delivery(id, "one").await;
        assert_eq!(found.state, state, "{id}");
        let outcomes: Vec<_> = found.attempts.iter().map(|attempt| attempt.outcome).collect();
        assert_eq!(outcomes, Vec::from_iter(outcome), "{id}");
        if let Some(attempt) = found.attempts.first() {
            assert_eq!(attempt.duration, Some(Duration::from_millis(7)), "{id}");
            assert_eq!(attempt.error.is_some(), outcome == Some(failed), "{id}");
        }
        let pending = state == DeliveryState::Pending;
        let due = bench.now.saturating_add(after).date_time();
        assert_eq!(found.next_attempt_at, pending.then_some(due), "{id}");
        assert_eq!(found.ended_at, (!pending).then(|| bench.now.date_time()), "{id}");
        let lost = state.loss().map(|loss| (claimed.delivery, loss, "because", true));
        assert_eq!(found.reason.as_deref(), lost.map(|lost| lost.2), "{id}");
        let one = losses.lost.iter().map(|one| (one.delivery, one.loss, one.reason.as_str(), one.attempted));
        assert_eq!(one.collect::<Vec<_>>(), Vec::from_iter(lost), "{id}");
    }
    let tally = bench.tally().await;
    assert_eq!((tally.delivered, tally.pending, tally.dead, tally.expired), (1, 2, 2, 1));
}

pub(super) async fn an_outcome_counts_once<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    for (id, next) in [("a", Next::Delivered), ("b", dead()), ("c", retry(5))] {
        bench.emit(&[id]).await;
        let claimed = bench.claim("one").await.remove(0);
        let first = bench.finish(&claimed, next.clone()).await;
        assert_eq!(first.lost.len(), usize::from(next.gives_up()));
        let before = bench.delivery(id, "one").await;
        for again in [next, Next::Delivered, dead(), retry(9)] {
            let losses = bench.finish(&claimed, again).await;
            assert!(losses.lost.is_empty() && losses.notices.is_empty(), "{losses:?}");
        }
        assert_eq!(bench.delivery(id, "one").await, before, "{id}");
    }
    bench.later(5);
    let claimed = bench.claim("one").await;
    assert_eq!((claimed[0].failures, claimed[0].attempt), (1, 2));
    // The outcome of the first attempt does not count for the second one.
    let stale = crate::store::Finish { attempt: 1, ..bench.ending(&claimed[0], dead()) };
    assert!(bench.store.finish(vec![stale], bench.notices()).await.unwrap().lost.is_empty());
    assert_eq!(bench.state("c", "one").await, DeliveryState::InFlight);
}

pub(super) async fn outcomes_are_recorded_together<S: Site>() {
    let bench = Bench::<S>::with([subscription("one")]).await;
    bench.emit(&["a", "b", "c"]).await;
    let claimed = bench.claim("one").await;
    let nexts = [Next::Delivered, dead(), retry(1)];
    let ends = claimed.iter().zip(nexts).map(|(one, next)| bench.ending(one, next)).collect();
    let losses = bench.store.finish(ends, bench.notices()).await.unwrap();
    assert_eq!(losses.lost.len(), 1);
    let tally = bench.tally().await;
    assert_eq!((tally.delivered, tally.dead, tally.pending), (1, 1, 1));
}

pub(super) async fn what_the_gate_refuses_is_given_up<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    bench.emit(&["old"]).await;
    bench.later(MAX_AGE.as_secs() + 1);
    bench.emit(&["new"]).await;
    let (claimed, losses) = bench.claim_with(wanted("one", bench.now)).await;
    assert_eq!(ids(&claimed), ["new"]);
    let [lost] = losses.lost.as_slice() else { panic!("{losses:?}") };
    assert_eq!((lost.event_id.as_str(), lost.loss, lost.attempted), ("old", Loss::Expired, false));
    let found = bench.delivery("old", "one").await;
    assert_eq!((found.state, found.attempts.len()), (DeliveryState::Expired, 0));
    assert_eq!(found.reason.as_ref(), Some(&lost.reason));
    assert_eq!(bench.tally().await.expired, 1);
}

pub(super) async fn what_the_gateway_stops_is_given_up<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    bench.emit(&["a"]).await;
    bench.end_all("one", &retry(0)).await;
    bench.emit(&["b"]).await;
    bench.later(1);
    let stopped = Wanted { stop: Some("a loop".to_owned()), ..wanted("one", bench.now) };
    let (claimed, losses) = bench.claim_with(stopped).await;
    // What has failed before is attempted.
    assert_eq!(ids(&claimed), ["a"]);
    assert_eq!(losses.lost.iter().map(|lost| lost.reason.as_str()).collect::<Vec<_>>(), ["a loop"]);
    assert_eq!(bench.state("b", "one").await, DeliveryState::Dead);
}

pub(super) async fn what_was_given_up_is_reported_to_subscribers<S: Site>() {
    let mut reports = subscription("reports");
    REPORT.clone_into(&mut reports.event_type);
    let bench = Bench::<S>::with([subscription("one"), reports]).await;
    assert_eq!(bench.emit_with("a", json!({ "data": 7 })).await, Accepted::New);
    let claimed = bench.claim("one").await.remove(0);
    let losses = bench.finish(&claimed, dead()).await;
    assert_eq!(losses.notices.len(), 1);
    let report = bench.claim("reports").await.remove(0);
    let json: serde_json::Value = serde_json::from_slice(&report.json).unwrap();
    let data = &json["data"];
    assert_eq!((&data["subscriptionId"], &data["attempts"]), (&json!("one"), &json!(1)), "{json}");
    assert_eq!(data["event"]["data"], json!(7), "{json}");
    // Reports that are given up are not reported.
    let losses = bench.finish(&report, dead()).await;
    assert_eq!((losses.lost.len(), losses.notices.len()), (1, 0));
    assert_eq!(bench.tally().await.dead, 2);
}

pub(super) async fn deliveries_expire<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one"), subscription("two")]).await;
    bench.emit(&["a", "b"]).await;
    bench.end_all("two", &Next::Delivered).await;
    bench.later(MAX_AGE.as_secs() + 1);
    bench.emit(&["c"]).await;
    for (id, lost) in [("two", 0), ("one", 2), ("one", 0)] {
        let since = bench.now.saturating_sub(MAX_AGE);
        let (space, gate, notices) = (super::bench::space(), bench.gate(), bench.notices());
        let expired = bench.store.expire(space, id.to_owned(), since, bench.now, gate, notices).await;
        assert_eq!(expired.unwrap().lost.len(), lost, "{id}");
    }
    assert_eq!(ids(&bench.claim("one").await), ["c"]);
    assert_eq!(bench.tally().await.expired, 2);
}
