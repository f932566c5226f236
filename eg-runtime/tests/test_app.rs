//! The apps of tests: their clock, retries, dead letters, queues, streams, synchronous events and faults.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eg_runtime::idempotency::{Idempotency, MemoryStore};
use eg_runtime::testing::{Delivery, Outcome, TestApp};
use eg_runtime::{
    App, Change, CloudEvent, Data, Emit, Error, Event, Json, Path, State, StatusCode, http, queue, schedule,
    stream, subscribe,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the functions were called with, in order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn note(&self, call: impl Into<String>) -> usize {
        let mut calls = self.0.lock().unwrap();
        calls.push(call.into());
        calls.len()
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[derive(Serialize, Deserialize, Event)]
#[event("order.placed")]
struct Placed {
    n: u32,
}

#[derive(Serialize, Deserialize, Event)]
#[event("order.shipped")]
struct Shipped {
    n: u32,
}

#[derive(Serialize, Event)]
#[event("stock.asked")]
struct StockAsked {
    n: u32,
}

#[http(PUT, "/orders/{n}")]
async fn place(emit: Emit<Placed>, Path(n): Path<u32>) -> Result<StatusCode, Error> {
    emit.send(Placed { n }).await?;
    Ok(StatusCode::ACCEPTED)
}

#[http(PATCH, "/header")]
async fn header(headers: http::HeaderMap, body: String) -> String {
    format!("{} {body}", headers["x-team"].to_str().unwrap())
}

#[subscribe("stock.asked", mode = "sync")]
async fn stock(Json(asked): Json<Value>) -> Result<Json<u32>, Error> {
    match asked["n"].as_u64() {
        Some(0) => Err(Error::status(StatusCode::NOT_FOUND, "no such order")),
        _ => Ok(Json(3)),
    }
}

#[subscribe("stock.asked", mode = "sync", path = "/eu")]
async fn stock_in_europe() -> Json<u32> {
    Json(5)
}

/// Asks a synchronous subscriber, then emits.
#[subscribe(Placed, retry(attempts = 4, min_backoff = 10, max_backoff = "1m"))]
async fn ship(
    State(calls): State<Calls>,
    emit: Emit<(Shipped, StockAsked)>,
    event: CloudEvent<Placed>,
) -> Result<(), Error> {
    let n = event.data.n;
    calls.note(format!("ship {n}"));
    match n {
        1 => Err(Error::retry("no carrier")),
        2 => Err(Error::reject("no address")),
        _ => {
            let stock: u32 = emit.request(StockAsked { n }).await?.json()?;
            let there: u32 = emit.request_at("/eu", StockAsked { n }).await?.json()?;
            calls.note(format!("stock {stock} {there}"));
            emit.send(Shipped { n }).await?;
            Ok(())
        }
    }
}

#[subscribe("work")]
async fn work(State(calls): State<Calls>) -> Result<(), Error> {
    match calls.note("work") {
        1 => Err(Error::retry("not yet")),
        _ => Ok(()),
    }
}

#[subscribe("hang", retry(attempts = 1))]
async fn hang_for_ever() {
    std::future::pending::<()>().await;
}

#[subscribe("hang.with.limit", timeout = 5, retry(attempts = 1))]
async fn hang() {
    std::future::pending::<()>().await;
}

#[http(GET, "/hang", timeout = 5)]
async fn hang_of_a_request() {
    std::future::pending::<()>().await;
}

#[schedule("rate(1 hour)")]
async fn sweep(State(calls): State<Calls>, event: CloudEvent<Data>) -> Result<(), Error> {
    match calls.note(event.time().unwrap().to_string()) {
        1 => Err(Error::retry("not yet")),
        _ => Ok(()),
    }
}

#[queue("letters")]
async fn print(State(calls): State<Calls>, Json(letter): Json<String>) -> Result<(), Error> {
    calls.note(letter.clone());
    match letter.as_str() {
        "bad" => Err(Error::retry("unreadable")),
        "never" => Err(Error::reject("no paper for this")),
        _ => Ok(()),
    }
}

#[queue("steps.fifo")]
async fn step(State(calls): State<Calls>, Json(step): Json<String>) -> Result<(), Error> {
    let before = calls.0.lock().unwrap().iter().filter(|call| **call == step).count();
    calls.note(step.clone());
    if step.starts_with("flaky") && before == 0 { Err(Error::retry("not yet")) } else { Ok(()) }
}

#[derive(Serialize, Deserialize)]
struct Row {
    count: u32,
}

#[stream(dynamodb("rows"), retry(attempts = 2))]
async fn row(State(calls): State<Calls>, Json(change): Json<Change<Row>>) -> Result<(), Error> {
    let count = |row: Option<Row>| row.map_or(0, |row| row.count);
    let (old, new) = (count(change.old), count(change.new));
    calls.note(format!("{:?} {} {old} {new}", change.kind, change.keys["id"]));
    if new == 13 { Err(Error::retry("unlucky")) } else { Ok(()) }
}

#[stream(kinesis("clicks"))]
#[stream(kafka("views"))]
async fn click(State(calls): State<Calls>, event: CloudEvent<Value>) {
    calls.note(format!("{} {} {}", event.ty(), event.subject().unwrap_or_default(), event.data));
}

fn app() -> (TestApp, Calls) {
    let calls = Calls::default();
    (TestApp::new(App::new().state(calls.clone())).unwrap(), calls)
}

fn outcomes(deliveries: &[Delivery]) -> Vec<(&'static str, u32, bool)> {
    let done = |delivery: &Delivery| delivery.outcome == Outcome::Done;
    let of = |delivery: &Delivery| (delivery.function, delivery.attempt, done(delivery));
    deliveries.iter().map(of).filter(|(function, ..)| *function != "sweep").collect()
}

#[tokio::test]
async fn failed_events_come_again_with_the_pauses_of_their_policy() {
    let (app, calls) = app();
    app.put("/orders/1", &()).await;
    assert_eq!(outcomes(&app.settle().await), [("ship", 1, false)]);
    assert!(app.settle().await.is_empty(), "nothing comes again while the clock stands");
    // Pauses of 10, 20 and 40 seconds.
    assert!(app.advance(Duration::from_secs(9)).await.is_empty());
    assert_eq!(outcomes(&app.advance(Duration::from_secs(1)).await), [("ship", 2, false)]);
    assert_eq!(outcomes(&app.advance(MINUTE).await), [("ship", 3, false), ("ship", 4, false)]);
    assert_eq!(calls.take().len(), 4);
    let dead = app.dead_letters();
    let of = |at: usize| (dead[at].function, dead[at].attempts, dead[at].reason.as_str());
    assert_eq!((dead.len(), of(0)), (1, ("ship", 4, "no carrier")));
    assert!(outcomes(&app.advance(MINUTE).await).is_empty(), "a dead letter stays one");

    app.put("/orders/2", &()).await;
    app.settle().await;
    let dead = app.dead_letters();
    assert_eq!((dead[1].attempts, dead[1].reason.as_str()), (1, "no address"), "a rejection is final");
}

#[tokio::test]
async fn synchronous_events_reach_their_functions() {
    let (app, calls) = app();
    app.put("/orders/3", &()).await;
    assert_eq!(outcomes(&app.settle().await), [("ship", 1, true)]);
    assert_eq!(calls.take(), ["ship 3", "stock 3 5"]);
    app.put("/orders/0", &()).await;
    let failed = app.settle().await;
    assert!(
        matches!(&failed[0].outcome, Outcome::Retry(reason) if reason.contains("no such order")),
        "{failed:?}"
    );
    // What a test sets goes first.
    app.gateway().answer("stock.asked", 250).unwrap();
    calls.take();
    app.put("/orders/4", &()).await;
    app.settle().await;
    assert_eq!(calls.take(), ["ship 4", "stock 250 250"]);
}

#[tokio::test]
async fn schedules_run_when_the_clock_reaches_their_time() {
    let (app, calls) = app();
    assert!(app.advance(Duration::from_secs(59 * 60)).await.is_empty());
    // The first call fails and comes again after a minute; then one more is due.
    let deliveries = app.advance(Duration::from_secs(62 * 60)).await;
    assert_eq!(deliveries.iter().map(|delivery| delivery.attempt).collect::<Vec<_>>(), [1, 2, 1]);
    let hour = |hour: u32| format!("2026-01-01 {hour}:00:00.0 +00:00:00");
    assert_eq!(calls.take(), [hour(1), hour(1), hour(2)]);
    let now = app.now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(now.as_secs(), 1_767_225_600 + 121 * 60);

    let later = std::time::SystemTime::UNIX_EPOCH + 20_000 * DAY;
    let app = TestApp::new(App::new().state(calls.clone())).unwrap().starting_at(later);
    app.advance(Duration::from_secs(60 * 60)).await;
    assert_eq!((calls.take().len(), app.now()), (1, later + Duration::from_secs(60 * 60)));
}

#[tokio::test]
async fn messages_come_five_times_and_groups_keep_their_order() {
    let (app, calls) = app();
    let letters = app.queue("letters").unwrap();
    letters.send("bad").unwrap();
    letters.send("good").unwrap();
    assert_eq!(outcomes(&app.settle().await), [("print", 1, false), ("print", 1, true)]);
    let again = app.advance(10 * MINUTE).await;
    assert_eq!(outcomes(&again).len(), 4);
    assert_eq!(app.dead_letters()[0].attempts, 5);
    letters.send("never").unwrap();
    app.settle().await;
    assert_eq!(app.dead_letters()[1].attempts, 1, "a rejection is final");
    calls.take();

    let steps = app.queue("steps.fifo").unwrap();
    for (group, step) in [("a", "flaky a"), ("a", "a"), ("b", "b")] {
        steps.send_to_group(group, step).unwrap();
    }
    app.settle().await;
    assert_eq!(calls.take(), ["flaky a", "b"], "the message behind the failed one waits");
    calls.note("flaky a");
    app.advance(MINUTE).await;
    assert_eq!(calls.take(), ["flaky a", "flaky a", "a"]);

    let unknown = app.queue("leters").unwrap_err().to_string();
    assert_eq!(
        unknown,
        "no function has the queue `leters`; did you mean `letters`?; the queues are `letters`, `steps.fifo`"
    );
    assert!(steps.send("x").unwrap_err().to_string().contains("use `send_to_group`"));
    assert!(letters.send_to_group("g", "x").unwrap_err().to_string().contains("use `send` for `letters`"));
}

#[tokio::test]
async fn records_of_a_stream_wait_for_the_failed_one_before_them() {
    let (app, calls) = app();
    let rows = app.stream("rows").unwrap();
    let keys = json!({"id": "r1"});
    rows.insert(&keys, &Row { count: 1 }).unwrap();
    rows.modify(&keys, &Row { count: 1 }, &Row { count: 13 }).unwrap();
    rows.remove(&keys, &Row { count: 13 }).unwrap();
    app.settle().await;
    assert_eq!(calls.take(), [r#"Insert "r1" 0 1"#, r#"Modify "r1" 1 13"#]);
    app.advance(MINUTE).await;
    assert_eq!(calls.take(), [r#"Modify "r1" 1 13"#, r#"Remove "r1" 13 0"#], "given up after two attempts");
    assert_eq!(app.dead_letters()[0].reason, "unlucky");

    app.stream("clicks").unwrap().put("k", &json!({"x": 1})).unwrap();
    app.stream("views").unwrap().put("k", &"seen").unwrap();
    app.settle().await;
    assert_eq!(
        calls.take(),
        [r#"com.amazonaws.kinesis.Record k {"x":1}"#, r#"com.amazonaws.kafka.Record k "seen""#]
    );
    assert!(app.stream("click").unwrap_err().to_string().contains("did you mean `clicks`?"));
    assert!(rows.put("k", &1).unwrap_err().to_string().contains("use `insert`, `modify` or `remove`"));
    assert!(app.stream("views").unwrap().remove(&keys, &Row { count: 1 }).is_err());
}

#[tokio::test]
async fn requests_with_methods_and_headers() {
    let (app, _) = app();
    let answer = app.request("PATCH", "/header").header("x-team", "red").body("hello").send().await;
    assert_eq!(answer.text(), "red hello");
    assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
    assert_eq!(app.delete("/header").await.status(), 405);
}

/// The answers of the store expire by the clock of the test.
#[tokio::test]
async fn idempotency_forgets_when_the_clock_says_so() {
    let calls = Calls::default();
    let layer = Idempotency::new(MemoryStore::default()).keep_for(DAY);
    let app = TestApp::new(App::new().state(calls.clone()).layer(layer)).unwrap();
    let event = CloudEvent::of_type("work", "/x", Data::Empty).with_id("1");
    for (advance, expected) in [(Duration::ZERO, 1), (MINUTE, 2), (DAY / 2, 2), (DAY, 3)] {
        app.advance(advance).await;
        app.deliver(event.clone()).await.unwrap();
        let worked = calls.0.lock().unwrap().iter().filter(|call| *call == "work").count();
        // The retry of the first attempt is what has worked within the first minute.
        assert_eq!(worked, expected, "after {advance:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_is_cancelled_when_its_timeout_is_over() {
    let (app, _) = app();
    let event = |ty: &str| CloudEvent::of_type(ty, "/x", Data::Empty);
    let deliveries = app.deliver(event("hang.with.limit")).await.unwrap();
    assert!(matches!(&deliveries[0].outcome, Outcome::Retry(reason) if reason.contains("its time is up")));
    assert_eq!(app.get("/hang").await.status(), 500);
    let for_ever = tokio::time::timeout(DAY, app.deliver(event("hang"))).await;
    assert!(for_ever.is_err(), "without a timeout, nothing cancels a function");
}

/// Whatever the seed, every order is shipped; with some seeds, not everything happens once.
#[tokio::test]
async fn with_faults_everything_happens_at_least_once() {
    let run = async |seed| {
        let (app, calls) = app();
        let app = app.seed(seed);
        for n in 10..14 {
            app.put(&format!("/orders/{n}"), &()).await;
        }
        let deliveries = app.advance(Duration::from_secs(10 * 60)).await;
        let shipped: Vec<u32> = app.emitted::<Shipped>().unwrap().iter().map(|event| event.data.n).collect();
        (outcomes(&deliveries), calls.take(), shipped, app.dead_letters().len())
    };
    let (mut crashed, mut twice, mut orders) = (0, 0, BTreeSet::new());
    for seed in 0..30 {
        let (outcomes, calls, shipped, dead) = run(seed).await;
        assert_eq!(run(seed).await, (outcomes.clone(), calls, shipped.clone(), dead), "seed {seed} twice");
        let distinct: BTreeSet<_> = shipped.iter().copied().collect();
        assert!(dead > 0 || distinct == BTreeSet::from([10, 11, 12, 13]), "seed {seed}: {shipped:?}");
        crashed += usize::from(outcomes.iter().any(|(_, _, done)| !done));
        twice += usize::from(shipped.len() > distinct.len());
        orders.insert(shipped);
    }
    assert!(crashed > 5 && twice > 5 && orders.len() > 5, "{crashed} {twice} {}", orders.len());
}

#[test]
fn a_service_that_is_not_linked_is_named() {
    let error = TestApp::of("shop", App::new()).unwrap_err().to_string();
    assert_eq!(
        error,
        "no function of this binary belongs to the package `shop`; its packages are `eg-runtime`"
    );
}
