//! Deliveries with a key, of which only one at a time is due.

use eg_sdk::history::DeliveryState;
use serde_json::json;

use super::Site;
use super::bench::{Bench, MAX_AGE, dead, ids, lane, ordered, retry, space, wanted};
use crate::decide::delivery::Next;
use crate::store::{Accepted, Redrive};

/// Emits events with this key.
async fn emit<S: Site>(bench: &Bench<S>, key: &str, ids: &[&str]) {
    for id in ids {
        assert_eq!(bench.emit_with(id, json!({ "partitionkey": key })).await, Accepted::New);
    }
}

async fn waits<S: Site>(bench: &Bench<S>, id: &str) -> bool {
    bench.delivery(id, "one").await.waits_for_earlier
}

pub(super) async fn one_delivery_of_a_key_is_due<S: Site>() {
    let bench = Bench::<S>::with([ordered("one")]).await;
    emit(&bench, "k", &["a", "b", "c"]).await;
    emit(&bench, "l", &["d"]).await;
    // Events without a key do not wait.
    bench.emit(&["e", "f"]).await;
    assert_eq!(
        [waits(&bench, "a").await, waits(&bench, "b").await, waits(&bench, "c").await],
        [false, true, true]
    );
    let claimed = bench.claim("one").await;
    let mut names = ids(&claimed);
    names.sort_unstable();
    assert_eq!(names, ["a", "d", "e", "f"]);
    let first = claimed.iter().find(|one| one.event_id == "a").unwrap();
    assert!(first.ordered && claimed.iter().any(|one| !one.ordered));
    assert!(bench.claim("one").await.is_empty());
    let losses = bench.finish(first, Next::Delivered).await;
    assert_eq!(losses.due, [lane("one")]);
    assert_eq!(ids(&bench.claim("one").await), ["b"]);
    assert!(waits(&bench, "c").await);
}

pub(super) async fn a_retry_keeps_its_turn<S: Site>() {
    let mut bench = Bench::<S>::with([ordered("one")]).await;
    emit(&bench, "k", &["a", "b"]).await;
    bench.end_all("one", &retry(5)).await;
    assert!(bench.claim("one").await.is_empty());
    assert!(waits(&bench, "b").await);
    bench.later(5);
    let claimed = bench.claim("one").await;
    assert_eq!(ids(&claimed), ["a"]);
    // Neither does an interruption pass it on.
    bench.store.release(bench.now).await.unwrap();
    assert_eq!(ids(&bench.claim("one").await), ["a"]);
}

pub(super) async fn the_turn_passes_on_whatever_the_end<S: Site>() {
    let mut bench = Bench::<S>::with([ordered("one")]).await;
    emit(&bench, "k", &["a", "b"]).await;
    let first = bench.claim("one").await.remove(0);
    assert_eq!(bench.finish(&first, dead()).await.due, [lane("one")]);
    bench.end_all("one", &Next::Delivered).await;
    emit(&bench, "k", &["c", "d", "e"]).await;
    // A parked delivery that ends has no turn to pass on.
    bench.later(MAX_AGE.as_secs() / 2);
    let (claimed, _) = bench.claim_with(wanted("one", bench.now)).await;
    assert_eq!(ids(&claimed), ["c"]);
    emit(&bench, "k", &["f"]).await;
    bench.later(MAX_AGE.as_secs() / 2 + 1);
    let since = bench.now.saturating_sub(MAX_AGE);
    let (gate, notices) = (bench.gate(), bench.notices());
    let expired =
        bench.store.expire(space(), "one".to_owned(), since, bench.now, gate, notices).await.unwrap();
    let mut lost: Vec<_> = expired.lost.iter().map(|lost| lost.event_id.as_str()).collect();
    lost.sort_unstable();
    assert_eq!((lost, expired.due), (vec!["d", "e"], vec![]));
    assert!(waits(&bench, "f").await && bench.claim("one").await.is_empty());
    assert_eq!(bench.finish(&claimed[0], Next::Delivered).await.due, [lane("one")]);
    // One that is due and expires passes it on.
    emit(&bench, "k", &["g"]).await;
    bench.later(MAX_AGE.as_secs() / 2 + 1);
    let (claimed, losses) = bench.claim_with(wanted("one", bench.now)).await;
    assert_eq!((claimed.len(), losses.lost.len(), losses.due), (0, 1, vec![lane("one")]));
    assert_eq!(ids(&bench.claim("one").await), ["g"]);
}

pub(super) async fn a_redriven_delivery_waits_for_its_turn<S: Site>() {
    let bench = Bench::<S>::with([ordered("one")]).await;
    emit(&bench, "k", &["a", "b", "c"]).await;
    let buried = bench.end_all("one", &dead()).await;
    assert!(matches!(bench.redrive(buried[0]).await, Redrive::Due(_)));
    // `b` has the turn now, and the oldest waiting one is next.
    assert!(waits(&bench, "a").await && waits(&bench, "c").await);
    for expected in ["b", "a", "c"] {
        let claimed = bench.claim("one").await;
        assert_eq!(ids(&claimed), [expected]);
        let _ = bench.finish(&claimed[0], Next::Delivered).await;
    }
    // Alone, it has the turn at once.
    emit(&bench, "k", &["d"]).await;
    let buried = bench.end_all("one", &dead()).await;
    assert!(matches!(bench.redrive(buried[0]).await, Redrive::Due(_)));
    assert_eq!(ids(&bench.claim("one").await), ["d"]);
    assert_eq!(bench.state("a", "one").await, DeliveryState::Delivered);
}

pub(super) async fn keys_of_other_subscriptions_do_not_count<S: Site>() {
    let bench = Bench::<S>::with([ordered("one"), ordered("two")]).await;
    emit(&bench, "k", &["a", "b"]).await;
    assert_eq!(ids(&bench.claim("one").await), ["a"]);
    assert_eq!(bench.end_all("two", &Next::Delivered).await.len(), 1);
    assert_eq!(ids(&bench.claim("two").await), ["b"]);
    assert!(bench.claim("one").await.is_empty());
}
