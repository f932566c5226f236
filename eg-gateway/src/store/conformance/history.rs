//! Finding stored events.

use std::time::Duration;

use eg_sdk::history::{DeliveryState, EventFilter};
use serde_json::json;

use super::Site;
use super::bench::{Bench, REPORT, dead, space, subscription};
use crate::decide::delivery::Next;
use crate::store::{Accepted, Backlog, EventQuery, PAGE};

/// Returns the ids of the events that match, the newest first.
async fn found<S: Site>(bench: &Bench<S>, filter: EventFilter) -> Vec<String> {
    let mut query = EventQuery { space: space(), filter, before: None, limit: 100 };
    let mut found = Vec::new();
    // A page may be short although there are more.
    loop {
        let page = bench.store.events(query.clone()).await.unwrap();
        found.extend(page.events.into_iter().map(|event| event.event_id));
        match page.next {
            Some(next) => query.before = Some(next),
            None => return found,
        }
    }
}

pub(super) async fn events_are_found_by_what_they_are<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    let begin = bench.now;
    for (id, members) in [
        ("a", json!({ "subject": "it" })),
        ("b", json!({ "source": "/other" })),
        ("c", json!({ "type": "other" })),
        ("d", json!({ "data": "needle" })),
        ("f", json!({ "type": REPORT })),
    ] {
        assert_eq!(bench.emit_with(id, members).await, Accepted::New);
        bench.later(10);
    }
    let _ = bench.accept(vec![bench.arrival_in("other", "e", json!({}))]).await.unwrap();
    let claimed = bench.claim("one").await;
    let _ = bench.finish(&claimed[0], Next::Delivered).await;
    let at = |seconds| Some(begin.saturating_add(Duration::from_secs(seconds)).date_time());
    let text = |text: &str| Some(text.to_owned());
    let all = EventFilter::default;
    for (filter, expected) in [
        (all(), vec!["f", "d", "c", "b", "a"]),
        (EventFilter { without_system: true, ..all() }, vec!["d", "c", "b", "a"]),
        (EventFilter { without_system: true, ty: text(REPORT), ..all() }, vec![]),
        (EventFilter { id: text("b"), ..all() }, vec!["b"]),
        (EventFilter { id: text("e"), ..all() }, vec![]),
        (EventFilter { subject: text("it"), ..all() }, vec!["a"]),
        (EventFilter { source: text("/other"), ..all() }, vec!["b"]),
        (EventFilter { ty: text("other"), ..all() }, vec!["c"]),
        (EventFilter { text: text("needle"), ..all() }, vec!["d"]),
        (EventFilter { from: at(10), ..all() }, vec!["f", "d", "c", "b"]),
        (EventFilter { to: at(10), ..all() }, vec!["a"]),
        (EventFilter { from: at(5), to: at(25), ..all() }, vec!["c", "b"]),
        (EventFilter { from: at(100), ..all() }, vec![]),
        (EventFilter { state: Some(DeliveryState::Delivered), ..all() }, vec!["a"]),
        (EventFilter { state: Some(DeliveryState::InFlight), ..all() }, vec!["d", "b"]),
        (EventFilter { function: text("one"), ..all() }, vec!["d", "b", "a"]),
        (EventFilter { function: text("two"), ..all() }, vec![]),
        (EventFilter { ty: text("e"), source: text("/s"), from: at(10), ..all() }, vec!["d"]),
    ] {
        let name = format!("{filter:?}");
        assert_eq!(found(&bench, filter).await, expected, "{name}");
    }
}

pub(super) async fn pages_of_events_follow_each_other<S: Site>() {
    let bench = Bench::<S>::with([subscription("one"), subscription("two")]).await;
    bench.emit(&["a", "b", "c", "d", "e"]).await;
    bench.end_all("one", &Next::Delivered).await;
    let (mut before, mut pages) = (None, Vec::new());
    loop {
        let query = EventQuery { space: space(), filter: EventFilter::default(), before, limit: 2 };
        let page = bench.store.events(query).await.unwrap();
        for event in &page.events {
            let counts = event.counts.as_ref().expect("a list counts the deliveries");
            assert_eq!((counts.delivered, counts.pending, counts.dead), (1, 1, 0));
            assert_eq!(counts.ended_at, Some(bench.now.date_time()));
        }
        pages.push(page.events.into_iter().map(|event| event.event_id).collect::<Vec<_>>());
        before = page.next;
        if before.is_none() {
            break;
        }
        // What comes meanwhile changes no later page.
        bench.emit(&[&format!("new {}", pages.len())]).await;
        bench.end_all("one", &Next::Delivered).await;
    }
    pages.retain(|page| !page.is_empty());
    assert_eq!(pages, [vec!["e", "d"], vec!["c", "b"], vec!["a"]]);
}

pub(super) async fn the_newest_of_several_events_is_shown<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    for data in 0..2 {
        assert_eq!(bench.emit_with("a", json!({ "data": data })).await, Accepted::New);
        let other = json!({ "source": "/other", "type": "other", "data": 10 + data });
        assert_eq!(bench.emit_with("a", other).await, Accepted::New);
        bench.later(60);
    }
    let event = async |source: Option<&str>, ty: Option<&str>| {
        let [source, ty] = [source, ty].map(|text| text.map(str::to_owned));
        let found = bench.store.event(space(), "a".to_owned(), source, ty).await.unwrap()?;
        let json: serde_json::Value = serde_json::from_str(found.event.event.get()).unwrap();
        Some((json["data"].as_i64().unwrap(), found.deliveries.len()))
    };
    assert_eq!(event(None, None).await, Some((11, 0)));
    assert_eq!(event(Some("/s"), None).await, Some((1, 1)));
    assert_eq!(event(None, Some("e")).await, Some((1, 1)));
    assert_eq!(event(Some("/s"), Some("other")).await, None);
    let elsewhere = bench.store.event("other".to_owned(), "a".to_owned(), None, None).await;
    assert!(elsewhere.unwrap().is_none());
}

pub(super) async fn a_page_of_large_events_ends_early<S: Site>() {
    let bench = Bench::<S>::with([]).await;
    for id in ["a", "b", "c"] {
        let members = json!({ "data": "x".repeat(PAGE / 2) });
        assert_eq!(bench.emit_with(id, members).await, Accepted::New);
    }
    let query = |before| EventQuery { space: space(), filter: EventFilter::default(), before, limit: 10 };
    let first = bench.store.events(query(None)).await.unwrap();
    assert_eq!(first.events.len(), 2);
    let second = bench.store.events(query(first.next)).await.unwrap();
    assert_eq!((second.events.len(), second.events[0].event_id.as_str()), (1, "a"));
}

pub(super) async fn hops_are_those_of_the_newest_event<S: Site>() {
    let mut bench = Bench::<S>::with([]).await;
    for hops in [3, 5] {
        let members = json!({ "hops": hops });
        assert_eq!(bench.emit_with("a", members).await, Accepted::New);
        bench.later(60);
    }
    for (space, id, hops) in [("default", "a", Some(5)), ("default", "b", None), ("other", "a", None)] {
        assert_eq!(bench.store.hops_of(space.to_owned(), id.to_owned()).await.unwrap(), hops, "{space} {id}");
    }
}

pub(super) async fn the_backlog_is_what_waits<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one"), subscription("two")]).await;
    let empty = bench.store.backlog().await.unwrap();
    assert!(empty.bytes > 0);
    assert_eq!(empty, Backlog { bytes: empty.bytes, ..Backlog::default() });
    bench.emit(&["a"]).await;
    let oldest = bench.now;
    bench.later(5);
    bench.emit(&["b", "c"]).await;
    let claimed = bench.claim("one").await;
    let _ = bench.finish(&claimed[1], dead()).await;
    let _ = bench.finish(&claimed[2], dead()).await;
    assert!(bench.store.discard(space(), claimed[2].delivery, bench.now).await.unwrap());
    let backlog = bench.store.backlog().await.unwrap();
    let bytes = backlog.bytes;
    let expected = Backlog { deliveries: 4, oldest: Some(oldest), dead: vec![(space(), 1)], bytes };
    assert_eq!(backlog, expected);
}
