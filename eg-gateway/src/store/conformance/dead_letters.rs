//! Dead letters: how they are listed, redriven and discarded.

use eg_sdk::history::{DeliveryState, Loss};
use serde_json::json;

use super::Site;
use super::bench::{ATTEMPTS, Bench, dead, delete, disabled, lane, put, retry, space, subscription};
use crate::decide::delivery::Next;
use crate::store::{DeadLetterQuery, PAGE, Redrive};

pub(super) async fn those_that_were_given_up_last_come_first<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one"), subscription("two")]).await;
    bench.emit(&["a", "b", "c", "d"]).await;
    let claimed = bench.claim("one").await;
    for one in [2, 0, 3] {
        bench.later(1);
        let _ = bench.finish(&claimed[one], dead()).await;
    }
    let expired = Next::Expired { error: "late".to_owned(), reason: "too old".to_owned() };
    let _ = bench.finish(&claimed[1], expired).await;
    assert_eq!(bench.dead_letters(Loss::Dead).await, ["d", "a", "c"]);
    assert_eq!(bench.dead_letters(Loss::Expired).await, ["b"]);
    let (mut before, mut pages) = (None, Vec::new());
    loop {
        let query = DeadLetterQuery { space: space(), loss: Loss::Dead, before, limit: 2 };
        let page = bench.store.dead_letters(query).await.unwrap();
        pages.push(page.dead_letters.iter().map(|letter| letter.event_id.clone()).collect::<Vec<_>>());
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec!["d", "a"], vec!["c"]]);
    let other = DeadLetterQuery { space: "other".to_owned(), loss: Loss::Dead, before: None, limit: 2 };
    assert!(bench.store.dead_letters(other).await.unwrap().dead_letters.is_empty());
    let letter = bench.store.dead_letter(space(), claimed[0].delivery).await.unwrap().unwrap();
    assert_eq!(
        (letter.event_id.as_str(), letter.function_id.as_str(), letter.state),
        ("a", "one", Loss::Dead)
    );
    assert_eq!(
        (letter.attempts.len(), letter.reason.as_str(), letter.damaged),
        (1, "all attempts failed", false)
    );
    assert_eq!(letter.event.get(), bench.event("a").await.event.event.get());
    let pending = bench.delivery("a", "two").await.delivery_id;
    assert!(bench.store.dead_letter(space(), pending).await.unwrap().is_none());
    assert!(bench.store.dead_letter("other".to_owned(), claimed[0].delivery).await.unwrap().is_none());
}

pub(super) async fn a_redriven_delivery_has_all_its_attempts_again<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    bench.emit(&["a"]).await;
    for _ in 1..ATTEMPTS {
        bench.end_all("one", &retry(0)).await;
    }
    let buried = bench.end_all("one", &dead()).await[0];
    bench.later(3_600);
    let redriven = bench.store.redrive(space(), buried, None, bench.now).await.unwrap();
    assert!(matches!(redriven, Redrive::Due(due) if due == lane("one")));
    let found = bench.delivery("a", "one").await;
    assert_eq!((found.state, found.reason, found.ended_at), (DeliveryState::Pending, None, None));
    assert_eq!((found.attempts.len(), found.edited), (3, false));
    assert!(bench.dead_letters(Loss::Dead).await.is_empty());
    // Its age begins anew, too.
    let claimed = bench.claim("one").await.remove(0);
    assert_eq!((claimed.failures, claimed.attempt, claimed.since), (0, ATTEMPTS + 1, bench.now));
    let _ = bench.finish(&claimed, Next::Delivered).await;
    assert_eq!(bench.tally().await.delivered, 1);
}

pub(super) async fn a_delivery_that_waits_can_be_hastened<S: Site>() {
    let bench = Bench::<S>::with([subscription("one")]).await;
    bench.emit(&["a"]).await;
    let waiting = bench.end_all("one", &retry(60)).await[0];
    assert!(bench.claim("one").await.is_empty(), "it waits for a minute");
    let hasten = |space: &str, delivery| bench.store.hasten(space.to_owned(), delivery, bench.now);
    assert!(hasten("other", waiting).await.unwrap().is_none());
    assert!(hasten("default", waiting + 1).await.unwrap().is_none());
    assert_eq!(hasten("default", waiting).await.unwrap(), Some(lane("one")));
    for attempt in 2..2 + ATTEMPTS {
        let claimed = bench.claim("one").await;
        assert_eq!((claimed.len(), claimed[0].attempt, claimed[0].failures), (1, attempt, attempt - 2));
        let in_flight = bench.store.hasten(space(), waiting, bench.now).await.unwrap();
        assert!(in_flight.is_none(), "an attempt is under way");
        let next = if attempt == 1 + ATTEMPTS { dead() } else { retry(0) };
        let _ = bench.finish(&claimed[0], next).await;
    }
    assert!(bench.store.hasten(space(), waiting, bench.now).await.unwrap().is_none(), "it was given up");
    assert!(bench.tally().await.is_balanced());
}

pub(super) async fn an_edited_event_is_delivered_instead<S: Site>() {
    let bench = Bench::<S>::with([subscription("one")]).await;
    let buried = bench.bury("one", &["a"]).await[0];
    let edited =
        json!({ "specversion": "1.0", "id": "a", "source": "/s", "type": "e", "data": 2 }).to_string();
    let redriven =
        bench.store.redrive(space(), buried, Some(edited.clone().into()), bench.now).await.unwrap();
    assert!(matches!(redriven, Redrive::Due(_)));
    let claimed = bench.claim("one").await.remove(0);
    assert_eq!(claimed.json, edited.as_bytes());
    assert!(bench.delivery("a", "one").await.edited);
    assert_ne!(bench.event("a").await.event.event.get(), edited, "the event stays as it was accepted");
    let _ = bench.finish(&claimed, dead()).await;
    let letter = bench.store.dead_letter(space(), buried).await.unwrap().unwrap();
    assert_eq!(letter.event.get(), edited);
    // Redriven once more without an event, it keeps the edited one.
    let _ = bench.store.redrive(space(), buried, None, bench.now).await.unwrap();
    assert_eq!(bench.claim("one").await[0].json, edited.as_bytes());
}

pub(super) async fn what_cannot_be_redriven<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one"), subscription("two")]).await;
    let buried = bench.bury("one", &["a"]).await[0];
    let pending = bench.delivery("a", "two").await.delivery_id;
    for unknown in [pending, 9_999] {
        assert!(matches!(bench.redrive(unknown).await, Redrive::Missing));
    }
    bench.change([delete("one")]).await.unwrap();
    assert!(matches!(bench.redrive(buried).await, Redrive::Inactive));
    bench.change([put(disabled("one", "it is off"))]).await.unwrap();
    assert!(matches!(bench.redrive(buried).await, Redrive::Inactive));
    bench.change([put(subscription("one"))]).await.unwrap();
    assert!(matches!(bench.redrive(buried).await, Redrive::Due(_)));
    assert!(matches!(bench.redrive(buried).await, Redrive::Missing), "it is pending");
}

pub(super) async fn a_discarded_dead_letter_is_not_listed<S: Site>() {
    let bench = Bench::<S>::with([subscription("one"), subscription("two")]).await;
    let buried = bench.bury("one", &["a"]).await[0];
    let discard = |delivery| bench.store.discard(space(), delivery, bench.now);
    assert!(!discard(9_999).await.unwrap());
    assert!(!discard(bench.delivery("a", "two").await.delivery_id).await.unwrap());
    assert!(discard(buried).await.unwrap());
    assert!(!discard(buried).await.unwrap());
    assert!(bench.dead_letters(Loss::Dead).await.is_empty());
    assert!(bench.store.dead_letter(space(), buried).await.unwrap().is_none());
    let redriven = bench.store.redrive(space(), buried, None, bench.now).await.unwrap();
    assert!(matches!(redriven, Redrive::Missing));
    // Its history stays.
    let found = bench.delivery("a", "one").await;
    assert_eq!((found.state, found.discarded_at), (DeliveryState::Dead, Some(bench.now.date_time())));
    assert_eq!(found.attempts.len(), 1);
    let tally = bench.tally().await;
    assert_eq!((tally.dead, tally.discarded), (1, 1));
}

pub(super) async fn a_page_of_large_dead_letters_ends_early<S: Site>() {
    let bench = Bench::<S>::with([subscription("one")]).await;
    for id in ["a", "b", "c"] {
        let _ = bench.emit_with(id, json!({ "data": "x".repeat(PAGE / 2) })).await;
    }
    bench.end_all("one", &dead()).await;
    let page = |before| DeadLetterQuery { space: space(), loss: Loss::Dead, before, limit: 10 };
    let first = bench.store.dead_letters(page(None)).await.unwrap();
    let second = bench.store.dead_letters(page(first.next)).await.unwrap();
    assert_eq!((first.dead_letters.len(), second.dead_letters.len()), (2, 1));
}
