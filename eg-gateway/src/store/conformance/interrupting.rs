//! What a gateway leaves when it stops, or ends unexpectedly.

use std::time::Duration;

use eg_sdk::history::{AttemptOutcome, DeliveryState};
use serde_json::json;

use super::Site;
use super::bench::{Bench, dead, ids, lane, retry, subscription, wanted};
use crate::decide::delivery::Next;
use crate::decide::lanes::Due;
use crate::decide::lived::Stop;
use crate::decide::suspects::{INTERRUPTIONS, Suspect};
use crate::store::StoreError;

pub(super) async fn what_a_stopped_gateway_has_left_is_due_at_once<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    bench.emit(&["a", "b"]).await;
    let claimed = bench.claim("one").await;
    let _ = bench.finish(&claimed[1], Next::Delivered).await;
    bench.later(1);
    bench.store.release(bench.now).await.unwrap();
    assert_eq!(bench.outcomes("a", "one").await, [AttemptOutcome::Interrupted]);
    assert_eq!(bench.state("b", "one").await, DeliveryState::Delivered);
    bench.later(1);
    bench.restart().await;
    assert_eq!(bench.store.suspects().await.unwrap(), []);
    let due = Due { first: Some(bench.now.saturating_sub(Duration::from_secs(1))), retry: None };
    assert_eq!(bench.store.lanes().await.unwrap(), [(lane("one"), due)]);
    let claimed = bench.claim("one").await;
    // It was no failure.
    assert_eq!((ids(&claimed), claimed[0].attempt, claimed[0].failures), (vec!["a"], 2, 0));
}

pub(super) async fn what_an_unexpected_end_has_interrupted_is_a_suspect<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    bench.emit(&["a", "b"]).await;
    let delivery = bench.delivery("a", "one").await.delivery_id;
    let claimed = bench.claim("one").await;
    let _ = bench.finish(&claimed[1], Next::Delivered).await;
    for crashes in 1..=INTERRUPTIONS {
        bench.later(1);
        bench.restart().await;
        let suspect = Suspect { delivery, lane: lane("one"), crashes };
        assert_eq!(bench.store.suspects().await.unwrap(), std::slice::from_ref(&suspect));
        // Nobody meets it by chance.
        assert_eq!(bench.store.lanes().await.unwrap(), []);
        assert!(bench.claim("one").await.is_empty());
        let claim = bench.store.claim_suspects(vec![suspect], bench.now, bench.gate(), bench.notices());
        let (claims, losses) = claim.await.unwrap();
        let claimed = &claims[0].claimed;
        if crashes < INTERRUPTIONS {
            assert_eq!((claimed.len(), claimed[0].crashes, claimed[0].attempt), (1, crashes, crashes + 1));
        } else {
            assert_eq!((claimed.len(), losses.lost.len()), (0, 1));
        }
    }
    assert_eq!(bench.state("a", "one").await, DeliveryState::Dead);
    let interrupted = vec![AttemptOutcome::Interrupted; usize::try_from(INTERRUPTIONS).unwrap()];
    assert_eq!(bench.outcomes("a", "one").await, interrupted);
    bench.tally().await;
}

pub(super) async fn an_outcome_that_comes_too_late_changes_nothing<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    bench.emit(&["a"]).await;
    let claimed = bench.claim("one").await.remove(0);
    bench.store.release(bench.now).await.unwrap();
    for next in [Next::Delivered, dead(), retry(5)] {
        assert!(bench.finish(&claimed, next).await.lost.is_empty());
        assert_eq!(bench.state("a", "one").await, DeliveryState::Pending);
    }
    bench.later(1);
    bench.restart().await;
    let again = bench.claim("one").await.remove(0);
    assert_eq!(again.attempt, 2);
    assert!(bench.finish(&claimed, dead()).await.lost.is_empty());
    let _ = bench.finish(&again, Next::Delivered).await;
    let outcomes = [AttemptOutcome::Interrupted, AttemptOutcome::Delivered];
    assert_eq!(bench.outcomes("a", "one").await, outcomes);
}

pub(super) async fn a_suspect_that_survives_is_none_any_more<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    bench.emit(&["a", "b"]).await;
    assert_eq!(bench.claim("one").await.len(), 2);
    bench.restart().await;
    let suspects = bench.store.suspects().await.unwrap();
    assert_eq!(suspects.len(), 2);
    let claim = || bench.store.claim_suspects(suspects.clone(), bench.now, bench.gate(), bench.notices());
    let (claims, _) = claim().await.unwrap();
    let _ = bench.finish(&claims[0].claimed[0], retry(0)).await;
    let _ = bench.finish(&claims[1].claimed[0], Next::Delivered).await;
    assert_eq!(bench.store.suspects().await.unwrap(), []);
    // A suspect that has ended meanwhile has an empty claim.
    let (claims, _) = claim().await.unwrap();
    assert_eq!(claims.iter().map(|claim| claim.claimed.len()).collect::<Vec<_>>(), [0, 0]);
    assert_eq!(bench.claim("one").await.len(), 1);
}

pub(super) async fn the_store_knows_when_no_gateway_ran<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    assert_eq!(bench.store.stops().await.unwrap(), []);
    bench.emit(&["a"]).await;
    let left = bench.now;
    assert_eq!(bench.store.reached().await.unwrap(), left);
    bench.later(100);
    bench.restart().await;
    assert_eq!(bench.store.reached().await.unwrap(), left);
    assert_eq!(bench.store.stops().await.unwrap(), [Stop { from: left, until: bench.now }]);
}

pub(super) async fn a_closed_store_changes_nothing<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    bench.emit(&["a"]).await;
    let old = bench.store.clone();
    bench.restart().await;
    let events = vec![bench.arrival("b", json!({}))];
    let refused = old.accept("default", events.into(), bench.notices()).await;
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    let claim = old.claim(vec![wanted("one", bench.now)], bench.now, 9, bench.gate(), bench.notices());
    assert!(matches!(claim.await, Err(StoreError::Closed)));
    assert_eq!(bench.tally().await.accepted, 1);
    assert_eq!(bench.state("a", "one").await, DeliveryState::Pending);
}
