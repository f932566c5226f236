//! What keeps the flow of events orderly: duplicates, loops, order, limits of functions, breakers, pressure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use eg_gateway::{Activity, DeliveryOutcome};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{Answer, Api, CLOUDEVENTS, Functions, TestGateway};

async fn subscribed(gateway: &TestGateway, functions: &Functions, fields: Value) {
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &functions.url("/f")).await;
    let mut subscription = json!({ "type": "async", "eventType": "e", "functionId": "f" });
    subscription.as_object_mut().unwrap().append(fields.clone().as_object_mut().unwrap());
    gateway.api.create("subscriptions", subscription).await;
}

async fn emit(api: &Api, attributes: Value) -> u16 {
    let mut event = json!({ "specversion": "1.0", "type": "e", "source": "/test" });
    event.as_object_mut().unwrap().append(attributes.clone().as_object_mut().unwrap());
    api.emit_json(&event).await.status().as_u16()
}

/// Emits events of type `e` with these ids, in one request. Returns how many were duplicates by the answer.
async fn emitted_again(api: &Api, ids: &[&str]) -> Option<String> {
    let event = |id: &&str| json!({ "specversion": "1.0", "type": "e", "source": "/test", "id": id });
    let (media_type, body) = match ids {
        [id] => (CLOUDEVENTS, event(id)),
        ids => ("application/cloudevents-batch+json", ids.iter().map(event).collect()),
    };
    let request = api.client.post(&api.events).header("content-type", media_type);
    let answer = request.body(body.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let duplicates = answer.headers().get("eg-duplicates").map(|n| n.to_str().unwrap().to_owned());
    assert_eq!(answer.text().await.unwrap(), "");
    duplicates
}

/// An emitter could not tell an accepted event from one that was dropped as a duplicate.
#[tokio::test]
async fn the_answer_says_how_many_events_were_duplicates() {
    let gateway = TestGateway::start().await;
    for (ids, expected) in [
        (&["1"][..], None),
        (&["1"], Some("1")),
        (&["1", "2", "2"], Some("2")),
        (&["3"], None),
        (&["3", "4"], Some("1")),
    ] {
        assert_eq!(emitted_again(&gateway.api, ids).await.as_deref(), expected, "{ids:?}");
    }
}

/// The answer counted the copies of a batch, one for each space, and not its events.
#[tokio::test]
async fn an_event_that_several_spaces_get_is_one_duplicate() {
    let functions = Functions::accepting().await;
    let gateway = TestGateway::start().await;
    let subscribe = async |space: &str| {
        for (kind, resource) in [
            ("eventtypes", json!({ "name": "e" })),
            (
                "functions",
                json!({ "functionId": "f", "type": "http", "provider": { "url": functions.url("/") } }),
            ),
            ("subscriptions", json!({ "type": "async", "eventType": "e", "functionId": "f" })),
        ] {
            let (status, body) =
                gateway.api.config(Method::POST, &format!("{space}/{kind}"), resource.to_string()).await;
            assert_eq!(status, 201, "{space}: {body}");
        }
    };
    subscribe("one").await;
    subscribe("two").await;
    assert_eq!(emitted_again(&gateway.api, &["1", "2"]).await, None);
    assert_eq!(emitted_again(&gateway.api, &["2"]).await.as_deref(), Some("1"));
    assert_eq!(emitted_again(&gateway.api, &["1", "3", "2", "3"]).await.as_deref(), Some("3"));
    subscribe("three").await;
    assert_eq!(emitted_again(&gateway.api, &["1", "4"]).await, None, "to the third space, it is new");
    assert_eq!(emitted_again(&gateway.api, &["1"]).await.as_deref(), Some("1"));
}

/// Two events with one id: the second one is not delivered, and that is on record.
#[tokio::test]
async fn a_duplicate_with_another_payload_is_on_record() {
    let gateway = TestGateway::start().await;
    let emit = async |media_type: &str, body: Value| {
        let request = gateway.api.client.post(&gateway.api.events).header("content-type", media_type);
        let answer = request.body(body.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 202);
        let count =
            |name: &str| answer.headers().get(name).map_or(0, |n| n.to_str().unwrap().parse().unwrap());
        let counts: [u32; 2] = ["eg-duplicates", "eg-conflicts"].map(count);
        counts
    };
    let event = |id: &str, data: Value| json!({ "specversion": "1.0", "type": "e", "source": "/test", "id": id, "data": data });
    assert_eq!(emit(CLOUDEVENTS, event("1", json!({ "n": 1 }))).await, [0, 0]);
    assert_eq!(emit(CLOUDEVENTS, event("1", json!({ "n": 1 }))).await, [1, 0]);
    let mut watcher = gateway.activity();
    assert_eq!(emit(CLOUDEVENTS, event("1", json!({ "n": 2 }))).await, [1, 1]);
    let conflict = Activity::Duplicate {
        event_id: "1".to_owned(),
        event_type: "e".to_owned(),
        source: "/test".to_owned(),
        conflict: true,
    };
    while watcher.next().await != conflict {}
    let batch = json!([event("2", json!(1)), event("2", json!(1)), event("2", json!(2))]);
    assert_eq!(emit("application/cloudevents-batch+json", batch).await, [2, 1]);
    let books = gateway.api.accounting().await;
    assert_eq!((&books["duplicates"], &books["conflicts"]), (&json!(4), &json!(2)));
}

#[tokio::test]
async fn duplicates_are_accepted_once_even_after_a_restart() {
    let mut functions = Functions::accepting().await;
    let gateway = TestGateway::start().await;
    subscribed(&gateway, &functions, json!({})).await;
    let mut watcher = gateway.activity();
    for _ in 0..2 {
        assert_eq!(emit(&gateway.api, json!({ "id": "1" })).await, 202);
    }
    let duplicate = Activity::Duplicate {
        event_id: "1".to_owned(),
        event_type: "e".to_owned(),
        source: "/test".to_owned(),
        conflict: false,
    };
    while watcher.next().await != duplicate {}
    let gateway = gateway.restart().await;
    assert_eq!(emit(&gateway.api, json!({ "id": "1" })).await, 202);
    // The same id of another source is another event.
    assert_eq!(emit(&gateway.api, json!({ "id": "1", "source": "/other" })).await, 202);
    for source in ["/test", "/other"] {
        assert_eq!(functions.next_call().await.json()["source"], source);
    }
    let books = gateway.api.accounting().await;
    assert_eq!((&books["accepted"], &books["duplicates"]), (&json!(2), &json!(2)));

    let gateway = gateway.restart_with(|options| options.dedupe_window = Duration::ZERO).await;
    assert_eq!(emit(&gateway.api, json!({ "id": "1" })).await, 202);
    assert_eq!(functions.next_call().await.json()["id"], "1");
}

/// A client of the original that sends `"eventID": "1"` with every event was served, and is.
#[tokio::test]
async fn clients_of_0_1_may_repeat_their_ids() {
    let mut functions = Functions::accepting().await;
    let gateway = TestGateway::start().await;
    subscribed(&gateway, &functions, json!({})).await;
    for data in ["first", "second"] {
        let event = json!({ "cloudEventsVersion": "0.1", "eventType": "e", "source": "/test", "eventID": "1", "data": data });
        assert_eq!(gateway.api.emit_json(&event).await.status().as_u16(), 202);
        assert_eq!(functions.next_call().await.json()["data"], data);
    }
}

#[tokio::test]
async fn loops_end_as_dead_letters() {
    let mut functions = Functions::accepting().await;
    let gateway = TestGateway::with(|options| options.max_hops = 2).await;
    subscribed(&gateway, &functions, json!({})).await;
    assert_eq!(emit(&gateway.api, json!({ "id": "1", "hops": 2 })).await, 202);
    assert_eq!(functions.next_call().await.json()["id"], "1");
    assert_eq!(emit(&gateway.api, json!({ "id": "2", "hops": 3 })).await, 202);
    let letters = gateway.api.wait_for_dead_letters(1).await;
    assert_eq!(letters[0]["reason"], "a loop: 3 events led to this one, and 2 are allowed");
    assert_eq!(letters[0]["attempts"], json!([]));
}

/// Every third call fails, so that retries have every chance to overtake.
#[tokio::test]
async fn events_with_a_key_keep_their_order() {
    let calls = AtomicUsize::new(0);
    let mut functions = Functions::start(move |_| {
        let failed = calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(3);
        Answer::Http(if failed { 500 } else { 200 }, String::new())
    })
    .await;
    let gateway = TestGateway::start().await;
    subscribed(&gateway, &functions, json!({ "ordered": true })).await;
    let (events, keys) = (30, 3);
    for n in 0..events {
        let event = json!({ "id": n.to_string(), "partitionkey": format!("k{}", n % keys), "data": n });
        assert_eq!(emit(&gateway.api, event).await, 202);
    }
    let mut last = BTreeMap::<String, (i64, usize)>::new();
    let mut distinct = 0;
    while distinct < events {
        let event = functions.next_call().await.json();
        let (key, n) = (event["partitionkey"].as_str().unwrap().to_owned(), event["data"].as_i64().unwrap());
        let seen = last.entry(key).or_insert((-1, 0));
        assert!(n >= seen.0, "{n} after {}", seen.0);
        if n > seen.0 {
            distinct += 1;
            // The next one with a key is the one that was accepted next: none is skipped.
            assert!(seen.0 < 0 || n == seen.0 + keys, "{n} after {}", seen.0);
        }
        *seen = (n, seen.1 + 1);
    }
}

#[tokio::test]
async fn a_function_is_not_called_more_often_than_it_wants() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let release = Arc::new(Notify::new());
    let (counting, highest, held) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&release));
    let mut functions = Functions::start(move |_| {
        highest.fetch_max(counting.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Answer::When(Arc::clone(&held))
    })
    .await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("e").await;
    let function = json!({ "functionId": "f", "type": "http", "provider": { "url": functions.url("/") }, "concurrency": 2 });
    assert_eq!(gateway.api.create("functions", function).await["concurrency"], 2);
    gateway.api.subscribe("e", "f").await;
    let mut watcher = gateway.activity();
    for n in 0..10 {
        gateway.api.emit("e", &n.to_string()).await;
    }
    for _ in 0..10 {
        functions.next_call().await;
        now.fetch_sub(1, Ordering::SeqCst);
        release.notify_one();
        watcher.delivery().await;
    }
    assert!(most.load(Ordering::SeqCst) <= 2, "{} at once", most.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_broken_function_is_probed_until_it_works() {
    let healthy = Arc::new(AtomicBool::new(false));
    let answering = Arc::clone(&healthy);
    let functions = Functions::start(move |_| {
        Answer::Http(if answering.load(Ordering::SeqCst) { 200 } else { 500 }, String::new())
    })
    .await;
    let gateway = TestGateway::with(|options| options.retry.attempts = 1000).await;
    subscribed(&gateway, &functions, json!({})).await;
    let mut watcher = gateway.activity();
    for n in 0..20 {
        gateway.api.emit("e", &n.to_string()).await;
    }
    while !matches!(watcher.next().await, Activity::CircuitOpened { .. }) {}
    healthy.store(true, Ordering::SeqCst);
    while !matches!(watcher.next().await, Activity::CircuitClosed { .. }) {}
    gateway.api.wait_for_books("delivered", 20).await;
}

/// One large request takes all the memory there is. The next emitter hears "later", and what got a 202 is delivered.
#[tokio::test]
async fn beyond_its_memory_a_gateway_says_later() {
    let release = Arc::new(Notify::new());
    let held = Arc::clone(&release);
    let mut functions = Functions::start(move |call| match call.path.as_str() {
        "/sync" => Answer::When(Arc::clone(&held)),
        _ => Answer::Http(200, String::new()),
    })
    .await;
    let gateway = TestGateway::with(|options| options.memory_limit = 100_000).await;
    subscribed(&gateway, &functions, json!({})).await;
    gateway.api.event_type("http.request").await;
    gateway.api.http_function("s", &functions.url("/sync")).await;
    let subscription = json!({ "type": "sync", "eventType": "http.request", "functionId": "s" });
    gateway.api.create("subscriptions", subscription).await;
    let large = gateway.api.client.post(&gateway.api.events).body("x".repeat(94_000)).send();
    let large = tokio::spawn(large);
    functions.next_call().await;

    let response = gateway.api.try_emit("e", "1").await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(gateway.api.accounting().await["accepted"], 0);
    release.notify_one();
    assert_eq!(large.await.unwrap().unwrap().status(), 200);
    // The room comes back when the large request is over, a moment after its answer.
    let deadline = tokio::time::Instant::now() + crate::support::PATIENCE;
    while gateway.api.try_emit("e", "1").await.unwrap().status() != 202 {
        assert!(tokio::time::Instant::now() < deadline);
    }
    assert_eq!(functions.next_call().await.json()["id"], "1");
}

#[tokio::test]
async fn a_full_store_accepts_nothing_and_loses_nothing() {
    let gone = Functions::accepting().await.url("/");
    let gateway = TestGateway::start().await;
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &gone).await;
    gateway.api.subscribe("e", "f").await;
    gateway.api.emit("e", "1").await;
    let gateway = gateway.restart_with(|options| options.store_limit = 1).await;
    let deadline = tokio::time::Instant::now() + crate::support::PATIENCE;
    let response = loop {
        let response = gateway.api.try_emit("e", "2").await.unwrap();
        if response.status() == 503 {
            break response;
        }
        assert!(tokio::time::Instant::now() < deadline);
    };
    assert!(response.headers().contains_key("retry-after"));
    assert!(response.text().await.unwrap().contains("the store is full"));
    let (status, body) = gateway.api.config(Method::GET, "default/events/1", "").await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn the_feed_resumes_where_it_was_left() {
    let functions = Functions::accepting().await;
    let gateway = TestGateway::start().await;
    subscribed(&gateway, &functions, json!({})).await;
    let feed = format!("{}/v1/feed", gateway.api.config);
    let mut live = gateway.api.client.get(&feed).send().await.unwrap();
    assert_eq!(live.headers()["content-type"], "text/event-stream");
    let mut watcher = gateway.activity();
    gateway.api.emit("e", "1").await;
    while !matches!(watcher.delivery().await, Activity::Delivery { outcome: DeliveryOutcome::Delivered, .. })
    {
    }
    let mut text = String::new();
    while !text.contains("\"kind\":\"delivery\"") {
        text.push_str(std::str::from_utf8(&live.chunk().await.unwrap().unwrap()).unwrap());
    }
    drop(live);
    let received = text.split("\n\n").find(|event| event.contains("\"kind\":\"received\"")).unwrap();
    let id = received.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();

    // What came after that id comes again; an id of another process is told apart.
    for (last, expected, absent) in
        [(id.as_str(), "\"outcome\":\"delivered\"", "\"kind\":\"received\""), ("1-0", "event: gap", "\u{0}")]
    {
        let mut resumed = gateway.api.client.get(&feed).header("last-event-id", last).send().await.unwrap();
        let mut text = String::new();
        while !text.contains(expected) {
            text.push_str(std::str::from_utf8(&resumed.chunk().await.unwrap().unwrap()).unwrap());
        }
        assert!(!text.contains(absent), "{text}");
    }
    let response = gateway.api.client.get(&feed).header("last-event-id", "x").send().await.unwrap();
    assert_eq!(response.status(), 400);
    // An open feed does not hold up the end.
    let open = gateway.api.client.get(&feed).send().await.unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(8), gateway.gateway.shutdown());
    stopped.await.expect("the feed ends with the gateway");
    drop(open);
}
