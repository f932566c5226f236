//! The recent figures: of functions and of the gateway.

use std::time::Duration;

use eg_sdk::history::{FunctionStatistics, GatewayStatistics, SpaceStatistics};
use eg_tests::eventually;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::support::{Answer, Api, Functions, TestGateway, sync};

async fn read<T: DeserializeOwned>(api: &Api, path: &str) -> T {
    let answer = api.client.get(format!("{}/v1/{path}", api.config)).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

async fn function(api: &Api, id: &str) -> FunctionStatistics {
    let all: SpaceStatistics = read(api, "spaces/default/statistics").await;
    all.functions.into_iter().find(|one| one.function_id == id).unwrap()
}

#[tokio::test]
async fn functions_have_figures_of_their_calls() {
    let functions = Functions::start(|call| match call.path.as_str() {
        "/broken" => Answer::Http(503, "out of paper".to_owned()),
        "/page" => Answer::Http(200, json!({"statusCode": 500, "body": "no"}).to_string()),
        _ => Answer::Http(200, String::new()),
    })
    .await;
    let gateway = TestGateway::start().await;
    let api = &gateway.api;
    for ty in ["e", "http.request"] {
        api.event_type(ty).await;
    }
    for id in ["good", "broken", "page", "unused"] {
        api.http_function(id, &functions.url(&format!("/{id}"))).await;
    }
    api.subscribe("e", "good").await;
    let never = json!({ "type": "async", "eventType": "e", "functionId": "broken",
        "retry": { "attempts": 20, "minBackoffMs": 3_600_000, "maxBackoffMs": 3_600_000 } });
    api.create("subscriptions", never).await;
    sync(&gateway, "GET", "/", "http.request", "page").await;

    for at in 0..12 {
        api.emit("e", &at.to_string()).await;
    }
    assert_eq!(api.client.get(&api.events).send().await.unwrap().status(), 500);
    eventually("the circuit to open", async || function(api, "broken").await.circuit_open.then_some(()))
        .await;
    let good = eventually("all calls to end", async || {
        let good = function(api, "good").await;
        (good.calls == 12 && good.under_way == 0).then_some(good)
    })
    .await;
    assert_eq!((good.failures, good.last_failure, good.circuit_open), (0, None, false));
    assert!(good.p50 <= good.p95 && good.p95.unwrap() < Duration::from_secs(60), "{:?}", good.p95);

    let broken = function(api, "broken").await;
    assert!(broken.calls >= 10 && broken.failures == broken.calls, "{broken:?}");
    let failure = broken.last_failure.unwrap();
    assert_eq!((failure.event_type.as_deref(), Some(failure.at)), (Some("e"), broken.last_call_at));
    assert!(failure.error.contains("503") && failure.error.contains("out of paper"), "{}", failure.error);
    let page = function(api, "page").await;
    assert_eq!((page.calls, page.failures), (1, 1));
    let failure = page.last_failure.unwrap();
    assert_eq!((failure.error.as_str(), failure.trigger.as_str()), ("answered 500", "GET /"));
    let unused = function(api, "unused").await;
    assert_eq!(unused, FunctionStatistics { function_id: "unused".to_owned(), ..Default::default() });

    let all: SpaceStatistics = read(api, "spaces/default/statistics").await;
    assert_eq!((all.functions.len(), all.default_retry.attempts), (4, Some(16)));
    assert!(all.window > Duration::ZERO && all.window < Duration::from_secs(900));
    let other: SpaceStatistics = read(api, "spaces/other/statistics").await;
    assert_eq!(other.functions, []);
}

#[tokio::test]
async fn the_gateway_has_figures_of_all_spaces() {
    let functions = Functions::start(|_| Answer::Http(503, String::new())).await;
    let gateway = TestGateway::with(|options| options.store_limit = 77_000_000).await;
    let api = &gateway.api;
    let before: GatewayStatistics = read(api, "statistics").await;
    assert_eq!(
        (before.backlog, before.oldest_waiting_since, before.store_limit_bytes),
        (0, None, 77_000_000)
    );
    api.event_type("e").await;
    api.http_function("broken", &functions.url("/")).await;
    let later = json!({ "type": "async", "eventType": "e", "functionId": "broken",
        "retry": { "minBackoffMs": 3_600_000, "maxBackoffMs": 3_600_000 } });
    api.create("subscriptions", later).await;
    api.emit("e", "1").await;
    api.emit("unheard", "2").await;
    let after = eventually("the call to end", async || {
        let now: GatewayStatistics = read(api, "statistics").await;
        let sum = |of: fn(&eg_sdk::history::Minute) -> u64| now.minutes.iter().map(of).sum::<u64>();
        let sums = (sum(|one| one.accepted), sum(|one| one.calls), sum(|one| one.failures));
        (sums == (2, 1, 1) && now.oldest_waiting_since.is_some()).then_some(now)
    })
    .await;
    assert_eq!(after.backlog, 1);
    assert!(after.oldest_waiting_since.unwrap() >= after.started_at);
    assert!(after.store_bytes >= before.store_bytes && after.store_bytes > 0);
    assert!(after.minutes.len() <= 3, "{:?}", after.minutes);
    assert_eq!(after.version, env!("CARGO_PKG_VERSION"));
}
