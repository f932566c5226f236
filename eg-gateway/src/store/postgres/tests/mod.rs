//! Tests what only this backend has: several gateways, lost connections, migrations, and rows that somebody has changed.

mod proxy;
mod several;
mod sizes;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use eg_grammar::DeliveryPolicy;
use eg_sdk::config::Subscription;
use eg_tests::postgres::Postgres;
use tokio::time::Instant;

use self::proxy::{LOSE_THE_ANSWER, LOSE_THE_COMMIT, PASS, Proxy};
use super::*;
use crate::clock::Clock;
use crate::decide::arrival::{NewEvent, Origin, Terms};
use crate::decide::breaker::Side;
use crate::decide::catalog::{Change, Resource, Version};
use crate::decide::event::Event;
use crate::decide::gate::Gatekeeper;
use crate::decide::lanes::{Due, Lane, Wanted};
use crate::decide::snapshot::Snapshot;
use crate::store::notices::Notices;
use crate::store::retention::Limits;
use crate::store::seal::DAMAGED;

const NOW: Timestamp = Timestamp::from_millis(5_000);

const LEASE: Duration = Duration::from_secs(60);

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(url, LEASE, || NOW, pending()).await.unwrap()
}

fn put(id: &str) -> Vec<Change> {
    let mut subscription = Subscription::asynchronous("e", "f");
    "s".clone_into(&mut subscription.space);
    id.clone_into(&mut subscription.subscription_id);
    vec![Change::Put(Resource::Subscription(Arc::new(subscription)))]
}

async fn notices(store: &PostgresStore) -> Notices {
    let snapshot = Arc::new(Snapshot::new(store.load_catalog().await.unwrap()).unwrap());
    Notices { snapshot, terms: Terms { dedupe_window: LEASE, max_hops: 16 }, clock: Clock::system() }
}

/// Others remove a gateway whose lease has run out, and it hears of it when it writes.
#[tokio::test]
async fn a_gateway_that_was_removed_writes_nothing() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let first = open(&url).await;
    let version = first.change(Version::default(), put("a"), NOW).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(1), first.lost()).await.is_err());
    server.sql(&url, "UPDATE gateways SET expires_at = now()");
    let second = open(&url).await;
    second.take_over(NOW).await.unwrap();
    let refused = first.change(version, put("b"), NOW).await;
    assert!(matches!(refused, Err(StoreError::LeaseLost)), "{refused:?}");
    first.lost().await;
    assert!(!first.state().writable);
    assert!(
        matches!(first.load_catalog().await, Err(StoreError::LeaseLost)),
        "what it reads may be outdated"
    );
    first.close().await;
    second.check_writable().await.unwrap();
    assert_eq!(server.sql(&url, "SELECT bool_and(expires_at > now()) FROM gateways"), "t");
    assert_eq!(server.sql(&url, "SELECT id FROM config"), "a");
}

/// Whoever asks for a change may go away before it is made. The version did not change then, so a change of the same version
/// was made, too, by somebody who did not know the first one. A restart forgot the version.
#[tokio::test]
async fn a_change_makes_a_version_whether_or_not_somebody_waits_for_it() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let store = open(&url).await;
    let first = store.load_catalog().await.unwrap().version;
    // Its write is queued when it is polled first.
    assert!(futures_util::FutureExt::now_or_never(store.change(first, put("a"), NOW)).is_none());
    let refused = store.change(first, put("b"), NOW).await;
    assert!(matches!(refused, Err(StoreError::Outdated)), "{refused:?}");
    assert_eq!(server.sql(&url, "SELECT id FROM config"), "a");
    let second = store.load_catalog().await.unwrap().version;
    assert_eq!(second, first.next());
    store.close().await;
    let store = open(&url).await;
    let refused = store.change(first, put("b"), NOW).await;
    assert!(matches!(refused, Err(StoreError::Outdated)), "{refused:?}");
    assert_eq!(store.change(second, put("b"), NOW).await.unwrap(), second.next());
}

/// If the connection is lost during a commit, the answer says nevertheless what has become of it.
#[tokio::test]
async fn the_outcome_of_a_commit_is_found_out() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let (proxy, url) = Proxy::start(server, &database).await;
    let store = open(&url).await;
    let mut version = store.change(Version::default(), put("a"), NOW).await.unwrap();
    for round in 0..3 {
        let committed = format!("committed {round}");
        proxy.next_commit.store(LOSE_THE_ANSWER, Ordering::SeqCst);
        version = store.change(version, put(&committed), NOW).await.unwrap();
        assert_eq!(proxy.next_commit.load(Ordering::SeqCst), PASS, "no answer was lost");
        let count = format!("SELECT count(*) FROM config WHERE id = '{committed}'");
        assert_eq!(server.sql(&database, &count), "1");

        proxy.next_commit.store(LOSE_THE_COMMIT, Ordering::SeqCst);
        let refused = store.change(version, put("lost"), NOW).await;
        assert!(matches!(refused, Err(StoreError::Unreachable(_))), "{refused:?}");
        assert_eq!(server.sql(&database, "SELECT count(*) FROM config WHERE id = 'lost'"), "0");
    }
    store.close().await;
}

/// It went on to call functions, which another gateway called, too. And it must not end only because the database was away.
#[tokio::test]
async fn a_gateway_that_is_cut_off_pauses() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let (proxy, url) = Proxy::start(server, &database).await;
    let lease = Duration::from_secs(1);
    let store = PostgresStore::open(&url, lease, || NOW, pending()).await.unwrap();
    proxy.is_cut.store(true, Ordering::SeqCst);
    let until = async |is_ok: bool, patience: Duration| {
        let deadline = Instant::now() + patience;
        while store.check_standing().is_ok() != is_ok {
            assert!(Instant::now() < deadline, "it does not notice");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    until(false, 2 * lease).await;
    assert!(matches!(store.check_writable().await, Err(StoreError::Unreachable(_))));
    proxy.is_cut.store(false, Ordering::SeqCst);
    until(true, Duration::from_secs(20)).await;
    store.check_writable().await.unwrap();

    // While it is cut off again, another one removes it.
    proxy.is_cut.store(true, Ordering::SeqCst);
    let other = PostgresStore::open(&database, lease, || NOW, pending()).await.unwrap();
    while server.sql(&database, "SELECT count(*) FROM gateways") != "1" {
        let _ = tokio::time::timeout(lease / 10, other.news(|| NOW)).await;
    }
    assert!(store.check_standing().is_err(), "two gateways may make the same call");
    proxy.is_cut.store(false, Ordering::SeqCst);
    store.lost().await;
    assert!(matches!(store.check_writable().await, Err(StoreError::LeaseLost)));
    other.close().await;
}

#[tokio::test]
async fn gateways_that_start_together_create_the_tables_once() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let settings = Settings::read(&url, LEASE).unwrap();
    let prepared = futures_util::future::join_all((0..6).map(|_| migrations::prepare(&settings))).await;
    assert!(prepared.iter().all(Result::is_ok), "{prepared:?}");
    assert_eq!(server.sql(&url, "SELECT count(*) FROM writer"), "1");
    // The other tables may be those of another version, which a gateway works with.
    assert_eq!(server.sql(&url, "SELECT to_regclass('events') IS NULL"), "t");
    let migrated = futures_util::future::join_all((0..6).map(|_| migrations::run(&settings))).await;
    assert!(migrated.iter().all(Result::is_ok), "{migrated:?}");
    assert_eq!(server.sql(&url, "SELECT count(*) FROM events"), "0");
    // A gateway does not touch what a newer one has written.
    server.sql(&url, "INSERT INTO refinery_schema_history VALUES (9999, 'new', '2026-01-01T00:00:00Z', '1')");
    let refused = migrations::prepare(&settings).await.unwrap_err().to_string();
    assert!(refused.contains("use a newer gateway"), "{refused}");
}

#[tokio::test]
async fn a_database_that_forgets_is_refused() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let name = url.rsplit('/').next().unwrap();
    server.sql("postgres", &format!("ALTER DATABASE {name} SET synchronous_commit = off"));
    let refused = PostgresStore::open(&url, LEASE, || NOW, pending()).await.unwrap_err().to_string();
    assert!(refused.contains("`synchronous_commit` is off"), "{refused}");
}

/// PostgreSQL holds no NUL in a text. Attributes have none, but data and what functions answer may.
#[tokio::test]
async fn any_text_can_be_stored() {
    let Some(server) = Postgres::shared() else { return };
    let store = open(&server.database()).await;
    let json = r#"{"specversion":"1.0","id":"a","source":"/s","type":"e","data":"\u0000"}"#;
    let event = || {
        let (space, method, path) = ("s".to_owned(), "POST".to_owned(), "/\0".to_owned());
        let origin = Origin { space, method, path, accepted_at: NOW };
        let event = Event::read(json.into()).unwrap();
        NewEvent {
            event,
            origin,
            intakes: Vec::new(),
            unique_since: Some(Timestamp::EARLIEST),
            notices: Vec::new(),
        }
    };
    for is_new in [true, false] {
        let events = Arc::from([event()]);
        let (accepted, _) = store.accept("s", events, notices(&store).await).await.unwrap();
        assert_eq!(accepted == [crate::store::Accepted::New], is_new);
    }
    let found = store.event("s".to_owned(), "a".to_owned(), None, None).await.unwrap().unwrap();
    assert_eq!((found.event.event.get(), found.event.damaged), (json, false));
}

#[tokio::test]
async fn a_damaged_event_is_not_delivered() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let store = open(&url).await;
    store.change(Version::default(), put("sub"), NOW).await.unwrap();
    server.sql(
        &url,
        "INSERT INTO events VALUES (1, 's', 'a', 'e', '/s', NULL, 'POST', '/', 1000, '{}', 7);
         INSERT INTO deliveries (seq, event, space, subscription_id, function_id, state, since, due_at)
         VALUES (1, 1, 's', 'sub', 'f', 'pending', 1000, 1000)",
    );
    let lane = Lane { space: "s".to_owned(), function: "f".to_owned() };
    let due = Due { first: Some(NOW), retry: None };
    let wanted =
        Wanted { lane, limit: 9, room: 9, reserved: 0, retries: 9, side: Side::Oldest, due, stop: None };
    let notices = notices(&store).await;
    let gate = Gatekeeper::new(Arc::clone(&notices.snapshot), DeliveryPolicy::default());
    let (claims, losses) = store.claim(vec![wanted], NOW, 1_000, gate, notices).await.unwrap();
    assert!(claims[0].claimed.is_empty());
    assert_eq!(losses.lost.iter().map(|lost| &*lost.reason).collect::<Vec<_>>(), [DAMAGED]);
    assert_eq!(store.state().damaged, 1);
    let shown = store.event("s".to_owned(), "a".to_owned(), None, None).await.unwrap().unwrap().event;
    assert_eq!((shown.event.get(), shown.damaged), (r#""{}""#, true));
    server.sql(&url, "UPDATE config SET body = body || ' '");
    let refused = store.load_catalog().await.err().unwrap().to_string();
    assert!(refused.contains("subscription `sub` of space `s` does not match its checksum"), "{refused}");
}

/// Each request for the status was a transaction that waited for the disk.
#[tokio::test]
async fn the_status_of_a_store_that_works_costs_no_transaction() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let store = open(&url).await;
    let tick = || server.sql(&url, "SELECT tick FROM writer");
    let before = tick();
    for _ in 0..3 {
        store.check_writable().await.unwrap();
    }
    assert_eq!(tick(), before);
    // After an error it may be the only write.
    store.health.wrote(Err(&StoreError::Unreachable("gone".to_owned())));
    store.check_writable().await.unwrap();
    assert_ne!(tick(), before);
    assert!(store.state().writable);
}

/// They took the connections for the queries that everybody waits for.
#[tokio::test]
async fn long_queries_take_turns_with_searches() {
    let Some(server) = Postgres::shared() else { return };
    let store = open(&server.database()).await;
    let (one, two, three) =
        tokio::join!(store.readers.search(), store.readers.search(), store.readers.search());
    let searches = [one.unwrap(), two.unwrap(), three.unwrap()];
    let limits = Limits { older_than: NOW, needed_since: NOW };
    let patience = Duration::from_millis(100);
    assert!(tokio::time::timeout(patience, store.tallies()).await.is_err());
    assert!(tokio::time::timeout(patience, store.retain(limits)).await.is_err());
    store.job("s".to_owned(), 1).await.unwrap();
    drop(searches);
    store.tallies().await.unwrap();
    store.retain(limits).await.unwrap();
}
