//! Deleting what nobody needs any more.

use eg_sdk::history::{DeliveryState, Loss};
use serde_json::json;

use super::Site;
use super::bench::{Bench, dead, picky, space, subscription};
use crate::decide::delivery::Next;
use crate::store::{Limits, StoreState};

/// Returns which of the events are still there.
async fn there<S: Site>(bench: &Bench<S>, ids: &[&str]) -> Vec<bool> {
    let mut there = Vec::new();
    for id in ids {
        let event = bench.store.event(space(), (*id).to_owned(), None, None).await.unwrap();
        there.push(event.is_some());
    }
    there
}

pub(super) async fn finished_events_are_deleted_after_their_time<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    bench.emit(&["a", "b"]).await;
    bench.end_all("one", &Next::Delivered).await;
    bench.later(100);
    bench.emit(&["c"]).await;
    bench.end_all("one", &Next::Delivered).await;
    bench.emit(&["newest"]).await;
    assert_eq!(bench.retain(101).await, 0);
    assert_eq!(bench.retain(99).await, 2);
    assert_eq!(there(&bench, &["a", "b", "c", "newest"]).await, [false, false, true, true]);
    let tally = bench.tally().await;
    assert_eq!((tally.accepted, tally.delivered, tally.pending), (4, 3, 1));
}

pub(super) async fn needed_events_stay<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one"), subscription("two")]).await;
    bench.emit(&["pending", "under way", "dead", "discarded", "expired", "finished"]).await;
    bench.end_all("two", &Next::Delivered).await;
    let claimed = bench.claim("one").await;
    let of = |id: &str| claimed.iter().find(|one| one.event_id == id).unwrap();
    let _ = bench.finish(of("pending"), super::bench::retry(9_999)).await;
    let _ = bench.finish(of("dead"), dead()).await;
    let _ = bench.finish(of("discarded"), dead()).await;
    let late = Next::Expired { error: "late".to_owned(), reason: "late".to_owned() };
    let _ = bench.finish(of("expired"), late).await;
    let _ = bench.finish(of("finished"), Next::Delivered).await;
    assert!(bench.store.discard(space(), of("discarded").delivery, bench.now).await.unwrap());
    bench.later(100);
    bench.emit(&["newest"]).await;
    assert_eq!(bench.retain(50).await, 3);
    let ids = ["pending", "under way", "dead", "discarded", "expired", "finished", "newest"];
    assert_eq!(there(&bench, &ids).await, [true, true, true, false, false, false, true]);
    assert_eq!(bench.state("under way", "one").await, DeliveryState::InFlight);
    assert_eq!(bench.dead_letters(Loss::Dead).await, ["dead"]);
    // When a dead letter is discarded, its event is not needed any more.
    assert!(bench.store.discard(space(), of("dead").delivery, bench.now).await.unwrap());
    assert_eq!(bench.retain(50).await, 1);
    let tally = bench.tally().await;
    assert_eq!((tally.dead, tally.discarded, tally.expired, tally.delivered), (2, 2, 1, 7));
}

pub(super) async fn numbers_are_not_used_again<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    let mut last = 0;
    for round in 0..4 {
        let id = format!("round {round}");
        bench.emit(&[&id]).await;
        let number = bench.end_all("one", &Next::Delivered).await[0];
        assert!(number > last, "{number} after {last}");
        last = number;
        bench.later(100);
        bench.retain(50).await;
        if round % 2 == 1 {
            bench.restart().await;
        }
    }
}

pub(super) async fn the_accounts_balance_after_a_deletion<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one"), picky("two", 1)]).await;
    for data in 0..4 {
        let id = data.to_string();
        bench.emit_with(&id, json!({ "data": data })).await;
    }
    let claimed = bench.claim("one").await;
    let late = Next::Expired { error: "late".to_owned(), reason: "late".to_owned() };
    for (one, next) in claimed.iter().zip([Next::Delivered, dead(), late, Next::Delivered]) {
        let _ = bench.finish(one, next).await;
    }
    bench.end_all("two", &Next::Delivered).await;
    assert!(bench.store.discard(space(), claimed[1].delivery, bench.now).await.unwrap());
    let mut before = bench.tally().await;
    bench.later(100);
    bench.emit(&["newest"]).await;
    assert_eq!(bench.retain(50).await, 4);
    let after = bench.tally().await;
    // `newest` has a pending delivery and a filtered one.
    before.accepted += 2;
    before.pending += 1;
    before.filtered += 1;
    assert_eq!(after, before);
    assert_eq!(
        (after.delivered, after.dead, after.discarded, after.expired, after.filtered),
        (3, 1, 1, 1, 4)
    );
}

pub(super) async fn a_full_store_makes_room<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    bench.emit(&["a", "b"]).await;
    bench.end_all("one", &Next::Delivered).await;
    bench.later(100);
    bench.emit(&["newest"]).await;
    bench.store.set_limit(1);
    // Events that are needed to recognize duplicates stay, however full the store is.
    let limits = |older_than: u64, needed_since: u64| {
        let [older_than, needed_since] = [older_than, needed_since]
            .map(|age| bench.now.saturating_sub(std::time::Duration::from_secs(age)));
        Limits { older_than, needed_since }
    };
    assert_eq!(bench.store.retain(limits(1_000, 1_000)).await.unwrap(), 0);
    assert_eq!(bench.store.retain(limits(1_000, 50)).await.unwrap(), 2);
    assert_eq!(there(&bench, &["a", "b", "newest"]).await, [false, false, true]);
}

pub(super) async fn the_state_of_a_store_that_works<S: Site>() {
    let bench = Bench::<S>::with([subscription("one")]).await;
    bench.store.check_writable().await.unwrap();
    let StoreState { writable, damaged, gateways, .. } = bench.store.state();
    assert_eq!((writable, damaged, gateways), (true, 0, 1));
    assert!(!bench.store.is_full());
}
