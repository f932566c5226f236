//! Looking back: what became of an event for each subscription, lists, dead letters, replays, and books that balance.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Api, CLOUDEVENTS, Functions, PATIENCE, TestGateway};

async fn get(api: &Api, path: &str) -> Value {
    let (status, body) = api.config(Method::GET, path, "").await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

async fn post(api: &Api, path: &str, body: Value, expected: u16) -> Value {
    let (status, answer) =
        api.config(Method::POST, path, if body.is_null() { String::new() } else { body.to_string() }).await;
    assert_eq!(status, expected, "{path} {body}: {answer}");
    serde_json::from_str(&answer).unwrap()
}

async fn emit(api: &Api, event: Value) {
    let request = api.client.post(&api.events).header("content-type", CLOUDEVENTS).body(event.to_string());
    assert_eq!(request.send().await.unwrap().status(), 202, "{event}");
}

/// Waits until the books say so.
async fn wait_for_books(api: &Api, expected: &[(&str, i64)]) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let books = api.accounting().await;
        if expected.iter().all(|(name, value)| books[name] == *value) {
            return books;
        }
        assert!(Instant::now() < deadline, "{expected:?} expected, the books are {books}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Starts the gateway again so that it keeps nothing longer than needed, and waits until at most `left` events are left.
async fn forgetting(gateway: TestGateway, left: usize) -> TestGateway {
    let gateway = gateway
        .restart_with(|options| {
            options.retention = Duration::ZERO;
            options.dedupe_window = Duration::ZERO;
        })
        .await;
    let deadline = Instant::now() + PATIENCE;
    while get(&gateway.api, "default/events").await["events"].as_array().unwrap().len() > left {
        assert!(Instant::now() < deadline, "the events are not forgotten");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gateway
}

/// A subscription that takes everything, one that filters, one that fails.
async fn three_subscriptions(gateway: &TestGateway, functions: &Functions) {
    gateway.api.event_type("e").await;
    for id in ["all", "some", "failing"] {
        gateway.api.http_function(id, &functions.url(&format!("/{id}"))).await;
    }
    gateway.api.subscribe("e", "all").await;
    let filter =
        json!({ "subject": [{ "prefix": "orders/" }], "data": { "amount": [{ "numeric": [">", 10] }] } });
    let subscription = json!({ "type": "async", "eventType": "e", "functionId": "some", "filter": filter });
    gateway.api.create("subscriptions", subscription).await;
    let retry = json!({ "attempts": 2, "maxBackoffMs": 1 });
    let subscription = json!({ "type": "async", "eventType": "e", "functionId": "failing", "retry": retry });
    gateway.api.create("subscriptions", subscription).await;
}

async fn failing() -> Functions {
    Functions::start(|call| match call.path.as_str() {
        "/failing" => Answer::Http(500, "boom".to_owned()),
        _ => Answer::Http(200, String::new()),
    })
    .await
}

fn order(id: &str, subject: &str, amount: u32) -> Value {
    json!({ "specversion": "1.0", "type": "e", "source": "/shop", "id": id, "subject": subject, "data": { "amount": amount } })
}

#[tokio::test]
async fn an_event_tells_what_became_of_it() {
    let functions = failing().await;
    let gateway = TestGateway::start().await;
    three_subscriptions(&gateway, &functions).await;
    emit(&gateway.api, order("1", "orders/1", 5)).await;
    wait_for_books(&gateway.api, &[("delivered", 1), ("filtered", 1), ("dead", 1), ("accepted", 3)]).await;
    let shown = get(&gateway.api, "default/events/1").await;
    assert_eq!(shown["eventType"], "e");
    assert_eq!(shown["subject"], "orders/1");
    assert_eq!(shown["event"], order("1", "orders/1", 5));
    let of = |function: &str| {
        let deliveries = shown["deliveries"].as_array().unwrap();
        deliveries.iter().find(|delivery| delivery["functionId"] == function).unwrap()
    };
    assert_eq!((&of("all")["matched"], &of("all")["state"]), (&json!(true), &json!("delivered")));
    assert_eq!(of("all")["attempts"][0]["outcome"], "delivered");
    assert!(of("all")["attempts"][0]["durationMs"].is_u64());
    assert_eq!((&of("some")["matched"], &of("some")["state"]), (&json!(false), &json!("filtered")));
    let mismatch = json!({ "clause": "data.amount", "path": ["data", "amount"], "value": 5,
        "expected": [{ "numeric": [">", 10] }] });
    assert_eq!(of("some")["mismatch"], mismatch);
    assert_eq!(of("some")["attempts"], json!([]));
    assert_eq!(of("failing")["state"], "dead");
    assert_eq!(of("failing")["reason"], "all 2 attempts failed, the last one with: HTTP status 500: boom");
    let errors: Vec<_> =
        of("failing")["attempts"].as_array().unwrap().iter().map(|a| a["error"].clone()).collect();
    assert_eq!(errors, ["HTTP status 500: boom", "HTTP status 500: boom"]);
    assert_eq!(gateway.api.config(Method::GET, "default/events/2", "").await.0, 404);
    assert_eq!(gateway.api.config(Method::GET, "other/events/1", "").await.0, 404);
    assert_eq!(gateway.api.config(Method::GET, "default/events/1?source=/else", "").await.0, 404);
}

#[tokio::test]
async fn system_events_are_left_out_on_request() {
    let functions = failing().await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("eventgateway.event.received").await;
    gateway.api.http_function("hears", &functions.url("/hears")).await;
    gateway.api.subscribe("eventgateway.event.received", "hears").await;
    emit(&gateway.api, order("1", "orders/1", 5)).await;
    wait_for_books(&gateway.api, &[("delivered", 1)]).await;
    for (query, expected) in [
        ("", &["e", "eventgateway.event.received"][..]),
        ("?system=true", &["e", "eventgateway.event.received"]),
        ("?system=false", &["e"]),
        ("?system=false&type=eventgateway.event.received", &[]),
    ] {
        let page = get(&gateway.api, &format!("default/events{query}")).await;
        let found: Vec<_> =
            page["events"].as_array().unwrap().iter().map(|event| event["eventType"].clone()).collect();
        assert_eq!(found, expected, "{query}");
    }
    let (status, refused) = gateway.api.config(Method::GET, "default/events?system=no", "").await;
    assert_eq!(status, 400);
    assert!(refused.contains("true or false"), "{refused}");
}

/// Two events with the same id were one in the history.
#[tokio::test]
async fn events_with_the_same_id_are_told_apart() {
    let gateway = TestGateway::start().await;
    let event = |ty: &str, source: &str, n: u32| json!({ "specversion": "1.0", "type": ty, "source": source, "id": "1", "data": n });
    emit(&gateway.api, event("user.created", "/users", 1)).await;
    emit(&gateway.api, event("email.sent", "/emails", 2)).await;
    emit(&gateway.api, event("user.changed", "/users", 3)).await;
    emit(&gateway.api, order("2", "orders/2", 4)).await;
    for (query, expected) in [
        ("?id=1", json!([3, 2, 1])),
        ("?id=1&source=/users", json!([3, 1])),
        ("?id=1&type=email.sent", json!([2])),
        ("?id=1&limit=1", json!([3])),
        ("?id=3", json!([])),
    ] {
        let page = get(&gateway.api, &format!("default/events{query}")).await;
        let found: Vec<_> =
            page["events"].as_array().unwrap().iter().map(|e| e["event"]["data"].clone()).collect();
        assert_eq!(json!(found), expected, "{query}");
    }
    let mut query = "default/events?id=1&limit=2".to_owned();
    let first = get(&gateway.api, &query).await;
    query += &format!("&before={}", first["next"]);
    let second = get(&gateway.api, &query).await;
    assert_eq!((second["events"].as_array().unwrap().len(), &second["next"]), (1, &Value::Null));
    for (query, expected) in
        [("", 3), ("?source=/users", 3), ("?source=/users&type=user.created", 1), ("?type=email.sent", 2)]
    {
        let shown = get(&gateway.api, &format!("default/events/1{query}")).await;
        assert_eq!(shown["event"]["data"], expected, "{query}");
    }
}

/// Retention deleted the newest rows, and the next ones got their numbers: a cursor or the number of a dead letter that a
/// client had kept then meant something else.
#[tokio::test]
async fn numbers_of_dead_letters_are_used_once() {
    let functions = failing().await;
    let gateway = TestGateway::start().await;
    three_subscriptions(&gateway, &functions).await;
    emit(&gateway.api, order("0", "orders/1", 5)).await;
    emit(&gateway.api, order("1", "orders/1", 5)).await;
    let first = gateway.api.wait_for_dead_letters(2).await[0]["deadLetterId"].as_i64().unwrap();
    let cursor = get(&gateway.api, "default/events?limit=1").await["next"].as_i64().unwrap();
    assert_eq!(gateway.api.config(Method::DELETE, "default/dead-letters", "").await.0, 200);
    let gateway = forgetting(gateway, 1).await;
    emit(&gateway.api, order("2", "orders/2", 5)).await;
    let second = gateway.api.wait_for_dead_letters(1).await[0]["deadLetterId"].as_i64().unwrap();
    assert!(second > first, "{second} after {first}");
    let older = get(&gateway.api, &format!("default/events?before={cursor}")).await;
    assert_eq!(older["events"], json!([]), "what is new is not before what was old");
}

#[tokio::test]
async fn a_waiting_delivery_names_its_next_attempt() {
    let functions = failing().await;
    let gateway = TestGateway::with(|options| {
        options.retry.min_backoff = Duration::from_secs(3600);
        options.retry.max_backoff = Duration::from_secs(3600);
    })
    .await;
    gateway.api.event_type("e").await;
    gateway.api.http_function("failing", &functions.url("/failing")).await;
    gateway.api.subscribe("e", "failing").await;
    let mut watcher = gateway.activity();
    gateway.api.emit("e", "1").await;
    watcher.delivery().await;
    let delivery = get(&gateway.api, "default/events/1").await["deliveries"][0].clone();
    assert_eq!(delivery["state"], "pending");
    assert!(delivery["nextAttemptAt"].is_string(), "{delivery}");
}

#[tokio::test]
async fn events_are_listed_searched_and_paged() {
    let gateway = TestGateway::start().await;
    for n in 0..5 {
        emit(&gateway.api, order(&n.to_string(), &format!("orders/{n}"), n)).await;
    }
    emit(
        &gateway.api,
        json!({ "specversion": "1.0", "type": "other", "source": "/else", "id": "x", "data": "needle" }),
    )
    .await;
    for (query, expected) in [
        ("", &["x", "4", "3", "2", "1", "0"][..]),
        ("?type=other", &["x"]),
        ("?source=/shop&limit=2", &["4", "3"]),
        ("?subject=orders/3", &["3"]),
        ("?text=needle", &["x"]),
        ("?text=%22amount%22:2", &["2"]),
        ("?text=haystack", &[]),
        ("?from=2000-01-01T00:00:00Z&type=other", &["x"]),
        ("?to=2000-01-01T00:00:00Z", &[]),
        ("?from=2999-01-01T00:00:00%2B01:00", &[]),
    ] {
        let page = get(&gateway.api, &format!("default/events{query}")).await;
        let found: Vec<_> = page["events"].as_array().unwrap().iter().map(|e| e["eventId"].clone()).collect();
        assert_eq!(found, expected, "{query}");
    }
    let (mut paged, mut query) = (Vec::new(), "default/events?limit=4".to_owned());
    loop {
        let page = get(&gateway.api, &query).await;
        paged.extend(
            page["events"].as_array().unwrap().iter().map(|e| e["eventId"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_i64() else { break };
        query = format!("default/events?limit=4&before={next}");
    }
    assert_eq!(paged, ["x", "4", "3", "2", "1", "0"]);
    for query in ["limit=0", "before=x", "from=yesterday"] {
        let (status, body) = gateway.api.config(Method::GET, &format!("default/events?{query}"), "").await;
        assert_eq!(status, 400, "{query}: {body}");
    }
    assert_eq!(get(&gateway.api, "other/events").await, json!({ "events": [] }));
}

#[tokio::test]
async fn events_are_listed_by_what_became_of_them() {
    let functions = failing().await;
    let gateway = TestGateway::start().await;
    three_subscriptions(&gateway, &functions).await;
    emit(&gateway.api, order("1", "orders/1", 5)).await;
    emit(&gateway.api, order("2", "orders/2", 50)).await;
    emit(&gateway.api, json!({ "specversion": "1.0", "type": "other", "source": "/else", "id": "x" })).await;
    wait_for_books(&gateway.api, &[("delivered", 3), ("filtered", 1), ("dead", 2)]).await;
    for (query, expected) in [
        ("state=dead", &["2", "1"][..]),
        ("state=filtered", &["1"]),
        ("state=pending", &[]),
        ("function=some", &["2", "1"]),
        ("function=some&state=delivered", &["2"]),
        ("function=all&state=dead", &[]),
        ("function=none", &[]),
    ] {
        let page = get(&gateway.api, &format!("default/events?{query}")).await;
        let found: Vec<_> = page["events"].as_array().unwrap().iter().map(|e| e["eventId"].clone()).collect();
        assert_eq!(found, expected, "{query}");
    }
    let (status, _) = gateway.api.config(Method::GET, "default/events?state=lost", "").await;
    assert_eq!(status, 400);
    let events = get(&gateway.api, "default/events").await["events"].clone();
    let counts = |at: usize| {
        let mut counts = events[at]["counts"].clone();
        let ended_at = counts.as_object_mut().unwrap().remove("endedAt");
        (counts, ended_at.is_some())
    };
    let of = |delivered: u32, dead: u32, filtered: u32| json!({ "pending": 0, "inFlight": 0, "delivered": delivered, "dead": dead, "expired": 0, "filtered": filtered });
    assert_eq!(
        [counts(0), counts(1), counts(2)],
        [(of(0, 0, 0), false), (of(2, 1, 0), true), (of(1, 1, 1), true)]
    );
}

#[tokio::test]
async fn dead_letters_are_redriven_edited_and_discarded() {
    let healthy = Arc::new(AtomicBool::new(false));
    let answering = Arc::clone(&healthy);
    let mut functions = Functions::start(move |_| {
        Answer::Http(if answering.load(Ordering::SeqCst) { 200 } else { 422 }, String::new())
    })
    .await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &functions.url("/")).await;
    gateway.api.subscribe("e", "f").await;
    for id in ["1", "2", "3", "4"] {
        gateway.api.emit("e", id).await;
    }
    let letters = gateway.api.wait_for_dead_letters(4).await;
    for _ in 0..4 {
        functions.next_call().await;
    }
    let letter = |id: &str| letters.iter().find(|l| l["eventId"] == id).unwrap()["deadLetterId"].to_string();
    let path = |id: &str| format!("default/dead-letters/{}", letter(id));
    assert_eq!(get(&gateway.api, &path("1")).await["event"]["id"], "1");
    healthy.store(true, Ordering::SeqCst);

    let redriven = post(&gateway.api, &format!("{}/redrive", path("1")), Value::Null, 202).await;
    assert_eq!(redriven, json!({ "redriven": 1, "skipped": 0 }));
    assert_eq!(functions.next_call().await.json()["id"], "1");
    let edited = json!({ "specversion": "1.0", "type": "e", "source": "/fixed", "id": "2", "data": { "fixed": true } });
    post(&gateway.api, &format!("{}/redrive", path("2")), json!({ "event": edited }), 202).await;
    assert_eq!(functions.next_call().await.json(), edited);
    wait_for_books(&gateway.api, &[("delivered", 2), ("dead", 2)]).await;
    let delivery = get(&gateway.api, "default/events/2").await["deliveries"][0].clone();
    assert_eq!((&delivery["edited"], delivery["attempts"].as_array().unwrap().len()), (&json!(true), 2));

    assert_eq!(gateway.api.config(Method::DELETE, &path("3"), "").await.0, 204);
    assert_eq!(gateway.api.config(Method::GET, &path("3"), "").await.0, 404);
    assert_eq!(gateway.api.config(Method::DELETE, &path("3"), "").await.0, 404);
    assert_eq!(gateway.api.dead_letters().await.len(), 1);
    assert_eq!(post(&gateway.api, "default/dead-letters/redrive", Value::Null, 202).await["redriven"], 1);
    assert_eq!(functions.next_call().await.json()["id"], "4");
    let books = wait_for_books(&gateway.api, &[("delivered", 3), ("dead", 1), ("discarded", 1)]).await;
    assert_eq!(books["balanced"], true);

    for (path, body, status) in [
        (format!("{}/redrive", path("1")), Value::Null, 404),
        ("default/dead-letters/x/redrive".to_owned(), Value::Null, 404),
        (format!("{}/redrive", path("1")), json!({ "event": { "id": "1" } }), 400),
        ("default/dead-letters/redrive".to_owned(), json!({ "event": edited }), 400),
    ] {
        post(&gateway.api, &path, body, status).await;
    }
    let (status, body) = gateway.api.config(Method::DELETE, "default/dead-letters", "").await;
    assert_eq!((status, body.as_str()), (200, "{\"discarded\":0}\n"));
}

#[tokio::test]
async fn events_are_replayed_and_marked() {
    let mut functions = Functions::accepting().await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &functions.url("/f")).await;
    let first = gateway.api.subscribe("e", "f").await;
    for id in ["1", "2"] {
        gateway.api.emit("e", id).await;
        assert_eq!(functions.next_call().await.json().get("replay"), None);
    }
    // Subscribed later, it gets the events of before only by replay.
    gateway.api.http_function("g", &functions.url("/g")).await;
    gateway.api.subscribe("e", "g").await;

    let replay = post(&gateway.api, "default/replays", json!({ "eventId": "1" }), 202).await;
    assert_eq!((&replay["events"], &replay["deliveries"]), (&json!(1), &json!(2)));
    let mut paths = BTreeSet::new();
    for _ in 0..2 {
        let call = functions.next_call().await;
        assert_eq!(call.json()["replay"], replay["replayId"]);
        assert_eq!(call.json()["data"], json!({ "n": 1 }));
        paths.insert(call.path);
    }
    assert_eq!(paths, BTreeSet::from(["/f".to_owned(), "/g".to_owned()]));
    let range = json!({ "from": "2000-01-01T00:00:00Z", "type": "e", "subscriptionId": first });
    let replay = post(&gateway.api, "default/replays", range, 202).await;
    assert_eq!((&replay["events"], &replay["deliveries"]), (&json!(2), &json!(2)));
    let mut ids = BTreeSet::new();
    for _ in 0..2 {
        let call = functions.next_call().await;
        assert_eq!(call.path, "/f");
        ids.insert(call.json()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids, BTreeSet::from(["1".to_owned(), "2".to_owned()]));
    let books = wait_for_books(&gateway.api, &[("delivered", 6), ("accepted", 6)]).await;
    assert_eq!(books["balanced"], true);
    let replays = get(&gateway.api, "default/events/2").await["deliveries"].clone();
    assert_eq!(replays.as_array().unwrap().last().unwrap()["replay"], replay["replayId"]);
    for (body, status) in [
        (json!({}), 400),
        (json!({ "eventId": "1", "colour": "red" }), 400),
        (json!({ "from": "yesterday" }), 400),
        (json!({ "eventId": "1", "subscriptionId": "none" }), 404),
    ] {
        post(&gateway.api, "default/replays", body, status).await;
    }
}

#[tokio::test]
async fn the_books_balance_across_restarts_and_retention() {
    let functions = failing().await;
    let gateway = TestGateway::start().await;
    three_subscriptions(&gateway, &functions).await;
    for id in ["1", "2", "3"] {
        emit(&gateway.api, order(id, "orders/1", 5)).await;
    }
    let expected = [("accepted", 9), ("delivered", 3), ("filtered", 3), ("dead", 3), ("pending", 0)];
    wait_for_books(&gateway.api, &expected).await;
    let letter = gateway.api.dead_letters().await[2]["deadLetterId"].clone();
    assert_eq!(
        gateway.api.config(Method::DELETE, &format!("default/dead-letters/{letter}"), "").await.0,
        204
    );
    // Nothing is kept longer than needed, so only events with dead letters survive.
    let gateway = forgetting(gateway, 2).await;
    let books = wait_for_books(&gateway.api, &expected).await;
    assert_eq!((&books["discarded"], &books["balanced"]), (&json!(1), &json!(true)));
    assert_eq!(books["spaces"]["default"]["accepted"], 9);
    assert_eq!(gateway.api.dead_letters().await.len(), 2);
}

/// By age nothing would go; by size the oldest events that are over do, and what was accepted stays on the books.
#[tokio::test]
async fn a_store_that_is_too_large_forgets_the_oldest() {
    const EVENTS: usize = 20;
    let functions = Functions::accepting().await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &functions.url("/f")).await;
    gateway.api.subscribe("e", "f").await;
    for id in 0..EVENTS {
        let data = "x".repeat(50_000);
        let event = json!({ "specversion": "1.0", "type": "e", "source": "/test", "id": id.to_string(), "data": data });
        assert_eq!(gateway.api.emit_json(&event).await.status(), 202);
    }
    wait_for_books(&gateway.api, &[("delivered", 20)]).await;
    let gateway = gateway
        .restart_with(|options| {
            options.store_limit = 600_000;
            options.dedupe_window = Duration::ZERO;
        })
        .await;
    let ids = || async {
        let list = get(&gateway.api, "default/events").await;
        let events = list["events"].as_array().unwrap().clone();
        events.iter().map(|event| event["eventId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let deadline = Instant::now() + PATIENCE;
    let left = loop {
        let left = ids().await;
        if left.len() < EVENTS {
            break left;
        }
        assert!(Instant::now() < deadline, "nothing is forgotten");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let newest: Vec<String> = (0..EVENTS).rev().take(left.len()).map(|id| id.to_string()).collect();
    assert_eq!(left, newest);
    let books = wait_for_books(&gateway.api, &[("accepted", 20), ("delivered", 20)]).await;
    assert_eq!(books["balanced"], true);
    gateway.api.emit("e", "another").await;
    wait_for_books(&gateway.api, &[("delivered", 21)]).await;
}
