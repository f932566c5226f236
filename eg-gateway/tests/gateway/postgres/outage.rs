//! The database goes away and comes back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eg_tests::postgres::Postgres;

use crate::support::{Functions, PATIENCE, TestGateway, error, sync};

/// Emits events until `over`, one after the other. Returns the acknowledged ones and the number of refused ones.
async fn emit_until(
    gateway: &TestGateway,
    name: &str,
    over: impl Fn(&BTreeSet<String>, usize) -> bool,
) -> (BTreeSet<String>, usize) {
    let (mut acknowledged, mut refused) = (BTreeSet::new(), 0);
    let deadline = Instant::now() + PATIENCE;
    while !over(&acknowledged, refused) {
        assert!(Instant::now() < deadline, "{} accepted, {refused} refused", acknowledged.len());
        let id = format!("{name} {}", acknowledged.len() + refused);
        let answer = gateway.api.try_emit("e", &id).await.unwrap();
        match answer.status().as_u16() {
            202 => {
                acknowledged.insert(id);
            }
            503 => {
                assert_eq!(answer.headers()["retry-after"], "1");
                error(503, &answer.text().await.unwrap());
                refused += 1;
            }
            other => panic!("{other}: {}", answer.text().await.unwrap()),
        }
    }
    (acknowledged, refused)
}

/// Waits until a synchronous call has this status.
async fn asked(gateway: &TestGateway, status: u16) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let url = format!("{}/asked", gateway.api.events.trim_end_matches('/'));
        let answer = gateway.api.client.post(url).send().await.unwrap();
        if answer.status() == status {
            return;
        }
        assert!(Instant::now() < deadline, "{} instead of {status}", answer.status());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// No false 202 while the database is away, and everything goes on by itself when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_restarted() {
    let Some(server) = Postgres::start() else { return };
    let server = Arc::new(server);
    let run = async |work: fn(&Postgres)| {
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || work(&server)).await.unwrap();
    };
    let url = server.database();
    let mut functions = Functions::accepting().await;
    let gateway = TestGateway::with(|options| {
        options.store = Some(url.parse().unwrap());
        options.store_lease = Duration::from_secs(1);
    })
    .await;
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &functions.url("/")).await;
    gateway.api.subscribe("e", "f").await;
    gateway.api.event_type("http.request").await;
    sync(&gateway, "POST", "/asked", "http.request", "f").await;
    let mut acknowledged = BTreeSet::new();
    for (round, at_once) in [("first", true), ("second", false)] {
        let before = emit_until(&gateway, round, |acknowledged, _| acknowledged.len() >= 30).await;
        acknowledged.extend(before.0);
        // In the middle of whatever is under way.
        let stop: fn(&Postgres) =
            if at_once { |server| server.stop(true) } else { |server| server.stop(false) };
        let during = format!("{round} during");
        let during = emit_until(&gateway, &during, |_, refused| refused >= 20);
        let (during, ()) = tokio::join!(during, run(stop));
        acknowledged.extend(during.0);
        let status =
            gateway.api.client.get(format!("{}/v1/status", gateway.api.config)).send().await.unwrap();
        assert_eq!(status.status(), 503);
        // Another gateway might work by then.
        asked(&gateway, 503).await;
        run(Postgres::resume).await;
        asked(&gateway, 200).await;
        let after =
            emit_until(&gateway, &format!("{round} after"), |acknowledged, _| acknowledged.len() >= 10).await;
        acknowledged.extend(after.0);
    }
    let status = gateway.api.client.get(format!("{}/v1/status", gateway.api.config)).send().await.unwrap();
    assert_eq!(status.status(), 200);
    let mut arrived = BTreeSet::new();
    while !arrived.is_superset(&acknowledged) {
        // A request has no id.
        arrived.extend(functions.next_call().await.json()["id"].as_str().map(str::to_owned));
    }
    let deadline = Instant::now() + PATIENCE;
    while gateway.api.accounting().await["pending"] != 0 {
        assert!(Instant::now() < deadline, "deliveries do not come to an end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let books = gateway.api.accounting().await;
    assert_eq!(books["balanced"], true, "{books}");
    assert_eq!(books["dead"], 0, "{books}");
    gateway.gateway.shutdown().await;
}

/// Connections are lost again and again, also during commits. Whatever becomes of a commit, the answer is true.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_lost() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let name = url.rsplit('/').next().unwrap().to_owned();
    let mut functions = Functions::accepting().await;
    let gateway = TestGateway::with(|options| options.store = Some(url.parse().unwrap())).await;
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &functions.url("/")).await;
    gateway.api.subscribe("e", "f").await;
    let ending = tokio::task::spawn_blocking(move || {
        let end = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        );
        for _ in 0..20 {
            server.sql("postgres", &end);
        }
    });
    let emitters = (0..8).map(|emitter| {
        let (gateway, ending) = (&gateway, &ending);
        async move {
            emit_until(gateway, &emitter.to_string(), |acknowledged, _| {
                ending.is_finished() && acknowledged.len() >= 20
            })
            .await
            .0
        }
    });
    let acknowledged: BTreeSet<String> =
        futures_util::future::join_all(emitters).await.into_iter().flatten().collect();
    ending.await.unwrap();
    let mut arrived = BTreeSet::new();
    while !arrived.is_superset(&acknowledged) {
        arrived.insert(functions.next_call().await.json()["id"].as_str().unwrap().to_owned());
    }
    let deadline = Instant::now() + PATIENCE;
    while gateway.api.accounting().await["pending"] != 0 {
        assert!(Instant::now() < deadline, "a delivery is forgotten: {}", gateway.api.accounting().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The configuration in memory is that of the store.
    gateway.api.event_type("another").await;
    gateway.gateway.shutdown().await;
}
