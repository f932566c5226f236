//! Several gateways with one store.

use std::collections::BTreeSet;

use super::*;
use crate::configuration::Configuration;
use crate::decide::delivery::Next;
use crate::decide::intake::{Fate, Intake};
use crate::decide::members::Members;
use crate::decide::router::Target;
use crate::decide::routes::Routing;
use crate::store::Store;
use crate::store::claims::{Claimed, Finish};

/// Opens the store as another gateway does whose lease is short.
async fn open_for(url: &str, lease: Duration) -> PostgresStore {
    PostgresStore::open(url, lease, || NOW, pending()).await.unwrap()
}

/// Opens the store with the subscription `sub`, as two gateways do.
async fn pair(url: &str) -> (PostgresStore, PostgresStore) {
    let (one, other) = (open(url).await, open(url).await);
    one.change(Version::default(), put("sub"), NOW).await.unwrap();
    one.meet().await.unwrap();
    (one, other)
}

/// Accepts an event with a delivery, which has this key.
async fn emit(store: &PostgresStore, id: &str, order: Option<&str>) {
    let snapshot = notices(store).await.snapshot;
    let subscription = snapshot.catalog.table::<Subscription>().get("s", "sub").unwrap();
    let target = Target::new(subscription);
    let fate = Fate::Deliver { order: order.map(str::to_owned) };
    let json = format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"e"}}"#);
    let origin =
        Origin { space: "s".to_owned(), method: "POST".to_owned(), path: "/".to_owned(), accepted_at: NOW };
    let event = NewEvent {
        event: Event::read(json.into()).unwrap(),
        origin,
        intakes: vec![Intake { subscription: Arc::clone(&target.subscription), fate }],
        unique_since: Some(Timestamp::EARLIEST),
        notices: Vec::new(),
    };
    let _ = store.accept("s", Arc::from([event]), notices(store).await).await.unwrap();
}

fn lane() -> Lane {
    Lane { space: "s".to_owned(), function: "f".to_owned() }
}

async fn claim(store: &PostgresStore, limit: usize, room: usize) -> Vec<Claimed> {
    let due = Due { first: Some(NOW), retry: None };
    let wanted = Wanted {
        lane: lane(),
        limit,
        room,
        reserved: 0,
        retries: limit,
        side: Side::Oldest,
        due,
        stop: None,
    };
    let notices = notices(store).await;
    let gate = Gatekeeper::new(Arc::clone(&notices.snapshot), DeliveryPolicy::default());
    let (mut claims, _) = store.claim(vec![wanted], NOW, usize::MAX, gate, notices).await.unwrap();
    claims.remove(0).claimed
}

async fn finish(store: &PostgresStore, claimed: &Claimed) {
    let Claimed { delivery, attempt, ordered, .. } = *claimed;
    let (duration, next) = (Duration::ZERO, Next::Delivered);
    let finish =
        Finish { delivery, attempt, duration, next, ordered, suspect: claimed.crashes > 0, now: NOW };
    let _ = store.finish(vec![finish], notices(store).await).await.unwrap();
}

fn ids(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|one| one.event_id.as_str()).collect()
}

#[tokio::test]
async fn what_one_gateway_accepts_another_one_hears_of() {
    let Some(server) = Postgres::shared() else { return };
    let (one, other) = pair(&server.database()).await;
    // What there was before.
    let _ = other.news(|| NOW).await;
    let news = other.news(|| NOW);
    tokio::pin!(news);
    assert!(futures_util::FutureExt::now_or_never(news.as_mut()).is_none(), "nothing has happened");
    emit(&one, "a", None).await;
    let waiting = news.await.waiting;
    assert_eq!(waiting.lanes, [(lane(), Due { first: Some(NOW), retry: None })]);
    assert_eq!(ids(&claim(&other, 9, 9).await), ["a"]);
    // It is in flight, whoever has it.
    assert!(claim(&one, 9, 9).await.is_empty());
}

/// The condition behind all promises about calls: a delivery is claimed once, however many gateways try.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_claim_at_the_same_time_get_different_deliveries() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let (one, other) = pair(&url).await;
    let third = open(&url).await;
    for id in 0..60 {
        emit(if id % 2 == 0 { &one } else { &other }, &id.to_string(), None).await;
    }
    let claim_all = async |store: PostgresStore| {
        let mut all = Vec::new();
        loop {
            let claimed = claim(&store, 2, usize::MAX).await;
            if claimed.is_empty() {
                return all;
            }
            all.extend(claimed.iter().map(|one| one.event_id.clone()));
        }
    };
    let (a, b, c) = tokio::join!(claim_all(one), claim_all(other), claim_all(third));
    let all: Vec<_> = [a, b, c].concat();
    assert_eq!(all.len(), 60);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 60);
}

#[tokio::test]
async fn one_delivery_of_a_key_is_in_flight_at_all_gateways() {
    let Some(server) = Postgres::shared() else { return };
    let (one, other) = pair(&server.database()).await;
    for id in ["a", "b", "c"] {
        emit(if id == "b" { &other } else { &one }, id, Some("k")).await;
    }
    let first = claim(&one, 9, 9).await;
    assert_eq!(ids(&first), ["a"]);
    assert!(claim(&other, 9, 9).await.is_empty());
    finish(&one, &first[0]).await;
    let second = claim(&other, 9, 9).await;
    assert_eq!(ids(&second), ["b"]);
    assert!(claim(&one, 9, 9).await.is_empty());
    finish(&other, &second[0]).await;
    assert_eq!(ids(&claim(&one, 9, 9).await), ["c"]);
}

/// After a function has changed hands, its former gateway still has calls under way.
#[tokio::test]
async fn the_places_of_a_function_are_those_of_all_gateways() {
    let Some(server) = Postgres::shared() else { return };
    let (one, other) = pair(&server.database()).await;
    for id in 0..10 {
        emit(&one, &id.to_string(), None).await;
    }
    let first = claim(&one, 3, 4).await;
    assert_eq!(first.len(), 3);
    assert_eq!(claim(&other, 4, 4).await.len(), 1, "one place is left of four");
    assert!(claim(&other, 3, 3).await.is_empty());
    finish(&one, &first[0]).await;
    assert_eq!(claim(&other, 3, 3).await.len(), 1);
    // Nobody counts where there is no limit.
    assert_eq!(claim(&other, 9, usize::MAX).await.len(), 5);
}

/// Its client may emit events to any gateway as soon as it has the answer.
#[tokio::test]
async fn a_change_is_answered_when_every_gateway_works_with_it() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let (one, other) = (open(&url).await, open(&url).await);
    let configure = async |store: PostgresStore| {
        let store = Store { backend: crate::store::Backend::Postgres(store), signals: Arc::default() };
        Configuration::load(store, Clock::system(), Routing::default()).await.unwrap()
    };
    let (first, second) = (configure(one.clone()).await, configure(other.clone()).await);
    let change = first.change(|_| Ok(put("a")));
    tokio::pin!(change);
    assert!(tokio::time::timeout(Duration::from_millis(300), change.as_mut()).await.is_err());
    let subscriptions = |of: &Configuration| of.current().catalog.table::<Subscription>().all().count();
    assert_eq!((subscriptions(&first), subscriptions(&second)), (1, 0));
    let news = other.news(|| NOW).await;
    second.follow(news.version).await;
    assert_eq!(subscriptions(&second), 1);
    change.await.unwrap();
    // A change of an older version is planned anew.
    let (b, c) = tokio::join!(second.change(|_| Ok(put("b"))), async {
        while subscriptions(&first) < 2 {
            first.follow(one.news(|| NOW).await.version).await;
        }
        let third = first.change(|catalog| {
            assert_eq!(catalog.table::<Subscription>().all().count(), 2);
            Ok(put("c"))
        });
        let follow = async {
            while subscriptions(&second) < 3 {
                second.follow(other.news(|| NOW).await.version).await;
            }
        };
        tokio::join!(third, follow).0
    });
    b.unwrap();
    c.unwrap();
    assert_eq!((subscriptions(&first), subscriptions(&second)), (3, 3));
}

/// One that does not know of a change yet and makes one plans it anew.
#[tokio::test]
async fn a_change_that_collides_with_another_one_is_planned_anew() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let (one, other) = (open(&url).await, open(&url).await);
    let store = Store { backend: crate::store::Backend::Postgres(other.clone()), signals: Arc::default() };
    let configuration = Configuration::load(store, Clock::system(), Routing::default()).await.unwrap();
    let version = one.change(Version::default(), put("a"), NOW).await.unwrap();
    one.work_with(version.next()).await.unwrap();
    let seen = std::sync::Mutex::new(Vec::new());
    let planned = configuration.change(|catalog| {
        seen.lock().unwrap().push(catalog.table::<Subscription>().all().count());
        Ok(put("b"))
    });
    planned.await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [0, 1]);
}

/// Its deliveries go on elsewhere, and nobody waits for it any longer than for its lease.
#[tokio::test]
async fn a_gateway_that_is_silent_is_removed() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let lease = Duration::from_secs(1);
    let (one, silent) = (open_for(&url, lease).await, open_for(&url, lease).await);
    let version = one.change(Version::default(), put("sub"), NOW).await.unwrap();
    emit(&one, "a", None).await;
    assert_eq!(claim(&silent, 9, 9).await.len(), 1);
    one.meet().await.unwrap();
    assert_eq!(one.members().count(), 2);
    let began = Instant::now();
    // Nothing ends its row.
    silent.standing.closed();
    drop(silent);
    let following = tokio::spawn({
        let one = one.clone();
        async move {
            loop {
                let found = one.news(|| NOW).await.waiting.suspects;
                if !found.is_empty() {
                    return found;
                }
            }
        }
    });
    one.in_force(version).await.unwrap();
    let suspects = following.await.unwrap();
    assert!(began.elapsed() < 4 * lease, "{:?}", began.elapsed());
    assert_eq!((suspects[0].crashes, one.members().count()), (1, 1));
    assert_eq!(server.sql(&url, "SELECT count(*) FROM gateways"), "1");
    assert_eq!(*one.members(), Members::alone(one.membership.epoch));
}

/// After the database was away, the leases of all gateways have run out, and the first one to come back would remove the others.
#[tokio::test]
async fn whoever_could_not_reach_the_database_judges_nobody() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let lease = Duration::from_secs(1);
    let (one, other) = (open_for(&url, lease).await, open_for(&url, LEASE).await);
    tokio::time::sleep(lease + lease / 2).await;
    one.standing.not_renewed();
    server.sql(
        &url,
        &format!("UPDATE gateways SET expires_at = now() WHERE epoch = {}", other.membership.epoch),
    );
    let started = Instant::now();
    let count = || server.sql(&url, "SELECT count(*) FROM gateways");
    while count() == "2" {
        let _ = tokio::time::timeout(lease / 20, one.news(|| NOW)).await;
    }
    assert!(started.elapsed() >= lease, "{:?}", started.elapsed());
}
