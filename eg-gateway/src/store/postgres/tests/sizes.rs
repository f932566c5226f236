//! What large events make the database send.

use std::sync::atomic::Ordering;

use eg_sdk::history::{EventFilter, Loss, ReplayRequest};

use super::super::stored::seal_of;
use super::*;
use crate::decide::delivery::Next;
use crate::store::claims::{Claimed, Finish};
use crate::store::dead_letters::DeadLetterQuery;
use crate::store::events::{EventQuery, PAGE};
use crate::store::jobs::Work;
use crate::store::room::ROW;

/// The number of events, and the bytes of each.
const EVENTS: usize = 40;
const SIZE: usize = 300_000;

/// Returns a store with the events, and a delivery of each that is due.
async fn filled(server: &Postgres, database: &str, url: &str) -> PostgresStore {
    let store = open(url).await;
    store.change(Version::default(), put("sub"), NOW).await.unwrap();
    // The numbers of the last transaction are those of the connection.
    store.close().await;
    let (before, after) = (r#"{"specversion":"1.0","id":"a","source":"/s","type":"e","data":""#, r#""}"#);
    let json = format!("{before}{}{after}", "x".repeat(SIZE));
    let seal = seal_of(["s", "a", "e", "/s"], None, ["POST", "/"], NOW, json.as_bytes()).number();
    server.sql(
        database,
        &format!(
            "INSERT INTO events SELECT n, 's', 'a', 'e', '/s', NULL, 'POST', '/', 5000,
                 convert_to('{before}' || repeat('x', {SIZE}) || '{after}', 'UTF8'), {seal}
             FROM generate_series(1, {EVENTS}) AS n;
             INSERT INTO deliveries (seq, event, space, subscription_id, function_id, state, since, due_at)
             SELECT n, n, 's', 'sub', 'f', 'pending', 1000, 1000 FROM generate_series(1, {EVENTS}) AS n;
             UPDATE writer SET event = {EVENTS}, delivery = {EVENTS}, bytes = 1000000"
        ),
    );
    open(url).await
}

/// Claims what is due, up to so many bytes.
async fn claim(store: &PostgresStore, bytes: usize) -> Vec<Claimed> {
    let lane = Lane { space: "s".to_owned(), function: "f".to_owned() };
    let due = Due { first: Some(NOW), retry: None };
    let limit = 2 * EVENTS;
    let wanted =
        Wanted { lane, limit, room: limit, reserved: 0, retries: 9, side: Side::Oldest, due, stop: None };
    let notices = notices(store).await;
    let gate = Gatekeeper::new(Arc::clone(&notices.snapshot), DeliveryPolicy::default());
    let (mut claims, losses) = store.claim(vec![wanted], NOW, bytes, gate, notices).await.unwrap();
    assert!(losses.lost.is_empty(), "{losses:?}");
    claims.remove(0).claimed
}

/// Claims of large events never came to an end: the database sent all events that were due, and most of them were
/// thrown away.
#[tokio::test]
async fn the_database_sends_no_more_than_what_is_kept() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let (proxy, url) = Proxy::start(server, &database).await;
    let store = filled(server, &database, &url).await;
    let notices = notices(&store).await;
    let sent = || proxy.sent.swap(0, Ordering::SeqCst);
    sent();
    assert_eq!(claim(&store, SIZE + SIZE / 2).await.len(), 2);
    assert!(sent() < 3 * SIZE, "a claim");

    let query =
        EventQuery { space: "s".to_owned(), filter: EventFilter::default(), before: None, limit: 1_000 };
    let page = store.events(query).await.unwrap();
    assert_eq!((page.events.len(), page.next), (PAGE.div_ceil(SIZE), Some(27)));
    assert!(sent() < PAGE + 2 * SIZE, "a page of events");

    let work = Work::Replay { name: "again".to_owned(), request: ReplayRequest::default() };
    store.begin_job("s".to_owned(), work.clone(), NOW).await.unwrap();
    let job = store.running_jobs().await.unwrap().remove(0);
    let Work::Replay { name, request } = work else { return };
    sent();
    let replayed = store.replay_slice(&job, name, request, NOW, notices.clone(), |_| Vec::new()).await;
    replayed.unwrap().unwrap();
    assert!(sent() < PAGE + 2 * SIZE, "a slice of a replay");
    let events = store.job("s".to_owned(), job.id).await.unwrap().unwrap().events;
    assert_eq!(events, PAGE.div_ceil(SIZE));

    // What is given up is read in parts, too, because reports contain it.
    let (subscription_id, reason) = ("sub".to_owned(), "no".to_owned());
    let work = Work::GiveUp { subscription_id: subscription_id.clone(), reason: reason.clone() };
    store.begin_job("s".to_owned(), work, NOW).await.unwrap();
    let job = store.running_jobs().await.unwrap().pop().unwrap();
    let lost = store.give_up_slice(&job, subscription_id, reason, NOW, notices).await.unwrap().unwrap().lost;
    assert!(lost.iter().map(|lost| lost.delivery).eq(3..=40), "{lost:?}");

    sent();
    let query = DeadLetterQuery { space: "s".to_owned(), loss: Loss::Dead, before: None, limit: 1_000 };
    let page = store.dead_letters(query).await.unwrap();
    assert_eq!((page.dead_letters.len(), page.next), (PAGE.div_ceil(SIZE), Some(27)));
    assert!(sent() < PAGE + 2 * SIZE, "a page of dead letters");
}

/// The attempts of a function that always fails took no room, and the store grew beyond its limit.
#[tokio::test]
async fn attempts_take_room() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let store = filled(server, &url, &url).await;
    let notices = notices(&store).await;
    assert_eq!(store.room.used(), 1_000_000);
    let claimed = claim(&store, SIZE + SIZE / 2).await;
    assert_eq!(store.room.used(), 1_000_000 + 2 * ROW);
    let [unmade, made] = &claimed[..] else { panic!("{claimed:?}") };
    let finish = |claimed: &Claimed, next| Finish {
        delivery: claimed.delivery,
        attempt: claimed.attempt,
        duration: Duration::ZERO,
        next,
        ordered: false,
        suspect: false,
        now: NOW,
    };
    let again = Next::Unmade { after: Duration::ZERO, error: "busy".to_owned() };
    let finishes = vec![finish(unmade, again), finish(made, Next::Delivered)];
    let losses = store.finish(finishes, notices).await.unwrap();
    assert!(losses.lost.is_empty());
    assert_eq!(store.room.used(), 1_000_000 + ROW);
    // An event, a delivery and an attempt are forgotten.
    let later = NOW.saturating_add(LEASE);
    assert_eq!(store.retain(Limits { older_than: later, needed_since: NOW }).await.unwrap(), 1);
    let json = u64::try_from(made.json.len()).unwrap();
    assert_eq!(store.room.used(), 1_000_000 - 2 * ROW - json);
}
