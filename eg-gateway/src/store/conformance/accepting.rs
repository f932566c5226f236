//! Accepting events.

use eg_sdk::history::{DeliveryState, ReplayRequest};
use serde_json::json;

use super::Site;
use super::bench::{Bench, EVENT, REPORT, ordered, picky, space, subscription};
use crate::decide::arrival::NewEvent;
use crate::decide::delivery::Next;
use crate::decide::place::OTHER_SPACES;
use crate::decide::router::DEFAULT_SPACE;
use crate::store::{Accepted, StoreError, Work};

const DUPLICATE: Accepted = Accepted::Duplicate { conflict: false };

pub(super) async fn an_event_is_stored_with_a_delivery_for_each_subscription<S: Site>() {
    let bench = Bench::<S>::with([subscription("one"), ordered("two"), picky("three", 5)]).await;
    let members = json!({ "data": 4, "subject": "it", "partitionkey": "k" });
    let arrival = bench.arrival("a", members);
    let json = arrival.event.json().clone();
    let (accepted, losses) = bench.accept(vec![arrival]).await.unwrap();
    assert_eq!(accepted, [Accepted::New]);
    assert!(losses.lost.is_empty() && losses.notices.is_empty() && losses.due.is_empty());
    let found = bench.event("a").await;
    let event = &found.event;
    assert_eq!(
        (event.event_id.as_str(), event.event_type.as_str(), event.source.as_str()),
        ("a", EVENT, "/s")
    );
    assert_eq!(
        (event.subject.as_deref(), event.method.as_str(), event.path.as_str()),
        (Some("it"), "POST", "/")
    );
    assert_eq!((event.accepted_at, event.damaged), (bench.now.date_time(), false));
    assert_eq!(event.event.get().as_bytes(), json, "it is what was accepted");
    let found: Vec<_> =
        found.deliveries.iter().map(|one| (one.subscription_id.as_str(), one.state)).collect();
    let (pending, filtered) = (DeliveryState::Pending, DeliveryState::Filtered);
    let mut expected = vec![("one", pending), ("two", pending), ("three", filtered)];
    expected.sort_by_key(|(id, _)| found.iter().position(|(other, _)| other == id));
    assert_eq!(found, expected);
    let tally = bench.tally().await;
    assert_eq!((tally.accepted, tally.pending, tally.filtered), (3, 2, 1));
}

pub(super) async fn a_duplicate_is_counted_and_not_stored<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    assert_eq!(bench.emit_with("a", json!({ "data": 1 })).await, Accepted::New);
    bench.later(1);
    assert_eq!(bench.emit_with("a", json!({ "data": 1 })).await, DUPLICATE);
    let conflict = bench.emit_with("a", json!({ "data": 2 })).await;
    assert_eq!(conflict, Accepted::Duplicate { conflict: true });
    bench.later(58);
    assert_eq!(bench.emit_with("a", json!({ "data": 1 })).await, DUPLICATE);
    let tally = bench.tally().await;
    assert_eq!((tally.accepted, tally.duplicates, tally.conflicts), (1, 3, 1));
    // The window begins with the event that was stored.
    bench.later(1);
    assert_eq!(bench.emit_with("a", json!({ "data": 2 })).await, Accepted::New);
    assert_eq!(bench.tally().await.accepted, 2);
    // Another gateway knows them, too.
    bench.restart().await;
    assert_eq!(bench.emit_with("a", json!({ "data": 2 })).await, DUPLICATE);
}

pub(super) async fn what_distinguishes_events_from_duplicates<S: Site>() {
    let bench = Bench::<S>::with([]).await;
    bench.emit(&["a"]).await;
    let other = |change: fn(&mut NewEvent)| {
        let mut arrival = bench.arrival("a", json!({}));
        change(&mut arrival);
        arrival
    };
    let events = [
        bench.arrival("b", json!({})),
        bench.arrival("a", json!({ "source": "/other" })),
        bench.arrival("a", json!({ "type": "other" })),
        bench.arrival_in("other", "a", json!({})),
        other(|arrival| arrival.origin.method = "PUT".to_owned()),
        other(|arrival| arrival.origin.path = "/other".to_owned()),
        other(|arrival| arrival.unique_since = None),
    ];
    for event in events {
        let name = format!("{event:?}");
        assert_eq!(bench.accept(vec![event]).await.unwrap().0, [Accepted::New], "{name}");
    }
    assert_eq!(bench.emit_with("a", json!({})).await, DUPLICATE);
}

pub(super) async fn of_equal_events_at_the_same_time_one_is_new<S: Site>() {
    let bench = Bench::<S>::with([subscription("one")]).await;
    // Two in one request, and eight requests at the same time.
    let requests =
        (0..8).map(|_| bench.accept(vec![bench.arrival("a", json!({})), bench.arrival("a", json!({}))]));
    let accepted = futures_util::future::join_all(requests).await;
    let accepted: Vec<_> = accepted.into_iter().flat_map(|accepted| accepted.unwrap().0).collect();
    assert_eq!(accepted.iter().filter(|accepted| **accepted == Accepted::New).count(), 1, "{accepted:?}");
    let tally = bench.tally().await;
    assert_eq!((tally.accepted, tally.duplicates), (1, 15));
    assert_eq!(bench.event("a").await.deliveries.len(), 1);
}

pub(super) async fn what_does_not_fit_is_refused<S: Site>() {
    let bench = Bench::<S>::with([subscription("one")]).await;
    bench.emit(&["before"]).await;
    bench.store.set_limit(1);
    assert!(bench.store.is_full());
    let events = ["a", "b"].map(|id| bench.arrival(id, json!({})));
    let refused = bench.accept(events.into()).await;
    assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
    assert_eq!(bench.tally().await.accepted, 1);
    bench.store.set_limit(u64::MAX);
    assert!(!bench.store.is_full());
    bench.emit(&["a", "b"]).await;
}

pub(super) async fn reports_of_an_event_come_before_it<S: Site>() {
    let bench = Bench::<S>::with([subscription("one")]).await;
    let with_report = |report| {
        let mut arrival = bench.arrival("a", json!({}));
        arrival.notices = vec![NewEvent { unique_since: None, ..bench.arrival(report, json!({})) }];
        arrival
    };
    assert_eq!(bench.accept(vec![with_report("report")]).await.unwrap().0, [Accepted::New]);
    let claimed = bench.claim("one").await;
    let mut numbers: Vec<_> = claimed.iter().map(|one| (one.delivery, one.event_id.as_str())).collect();
    numbers.sort_unstable();
    assert_eq!(numbers.iter().map(|(_, id)| *id).collect::<Vec<_>>(), ["report", "a"]);
    // A duplicate has none.
    assert_eq!(bench.accept(vec![with_report("another")]).await.unwrap().0, [DUPLICATE]);
    assert_eq!(bench.tally().await.accepted, 2);
}

pub(super) async fn deliveries_that_end_at_once<S: Site>() {
    let mut reports = subscription("reports");
    REPORT.clone_into(&mut reports.event_type);
    let bench = Bench::<S>::with([subscription("one"), picky("two", 1), reports]).await;
    let arrival = bench.arrival("a", json!({ "hops": 17, "data": 2 }));
    let (accepted, losses) = bench.accept(vec![arrival]).await.unwrap();
    assert_eq!(accepted, [Accepted::New]);
    let [lost] = losses.lost.as_slice() else { panic!("{losses:?}") };
    assert_eq!((lost.event_id.as_str(), lost.function.as_str(), lost.attempted), ("a", "one", false));
    assert_eq!(losses.notices.len(), 1);
    let dead = bench.delivery("a", "one").await;
    assert_eq!(dead.state, DeliveryState::Dead);
    assert!(dead.reason.is_some_and(|reason| reason.contains("a loop")));
    assert!(dead.attempts.is_empty() && dead.ended_at.is_some());
    let filtered = bench.delivery("a", "two").await;
    let mismatch = filtered.mismatch.expect("the clause is stored");
    assert_eq!(
        (mismatch.clause.as_str(), mismatch.path, mismatch.expected),
        ("data", vec!["data".to_owned()], json!([1]))
    );
    assert_eq!(bench.claim("reports").await.len(), 1);
    assert!(bench.claim("one").await.is_empty());
    let tally = bench.tally().await;
    assert_eq!((tally.accepted, tally.dead, tally.filtered, tally.pending), (3, 1, 1, 1));
}

pub(super) async fn counters_of_unknown_spaces_are_shared<S: Site>() {
    let bench = Bench::<S>::with([subscription("one")]).await;
    for space in [DEFAULT_SPACE, "made up", "another"] {
        for _ in 0..2 {
            let _ = bench.accept(vec![bench.arrival_in(space, "a", json!({}))]).await.unwrap();
        }
    }
    let tallies = bench.store.tallies().await.unwrap();
    let duplicates = tallies.iter().map(|(space, tally)| (space.as_str(), tally.duplicates));
    let duplicates: Vec<_> = duplicates.filter(|(_, count)| *count > 0).collect();
    assert_eq!(duplicates, [(OTHER_SPACES, 2), (DEFAULT_SPACE, 1)]);
}

/// Whatever an index holds of an attribute must be short.
pub(super) async fn attributes_may_be_long<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one"), ordered("two")]).await;
    let mut random = fastrand::Rng::with_seed(7);
    let [id, source, key, subject, ty] =
        [(); 5].map(|()| (0..20_000).map(|_| random.alphanumeric()).collect::<String>());
    let arrival = |bench: &Bench<S>, source: &str| {
        bench.arrival(&id, json!({ "source": source, "partitionkey": key, "subject": subject }))
    };
    let other = format!("{source}/other");
    for source in [&source, &other] {
        assert_eq!(bench.accept(vec![arrival(&bench, source)]).await.unwrap().0, [Accepted::New]);
        assert_eq!(bench.accept(vec![arrival(&bench, source)]).await.unwrap().0, [DUPLICATE]);
    }
    let elsewhere = bench.arrival_in(&key, &id, json!({ "type": ty }));
    assert_eq!(bench.accept(vec![elsewhere]).await.unwrap().0, [Accepted::New]);
    let found = bench.store.event(space(), id.clone(), Some(source.clone()), None).await.unwrap().unwrap();
    assert_eq!((found.event.event_id == id, found.event.source == source), (true, true));
    assert_eq!(bench.store.hops_of(space(), id.clone()).await.unwrap(), Some(0));
    // One after the other.
    for _ in 0..2 {
        assert_eq!(bench.end_all("two", &Next::Delivered).await.len(), 1);
    }
    // A replay writes deliveries with the key, too.
    bench.later(60);
    let request = ReplayRequest { event_id: Some(id.clone()), ..ReplayRequest::default() };
    bench.begin(Work::Replay { name: "again".to_owned(), request }).await;
    assert_eq!(bench.run_jobs().await, 4);
    assert_eq!(bench.end_all("two", &Next::Delivered).await.len(), 1);
}
