//! Events that always fail, and functions that are judged by all the others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::process::Program;
use crate::support::{Answer, Functions, PATIENCE, TestGateway};

/// The circuit breaker used to open after ten failures and to try the oldest event first. So events that always fail kept
/// a healthy function from all the others.
#[tokio::test]
async fn poison_does_not_keep_a_function_from_good_events() {
    const POISON: usize = 60;
    const ATTEMPTS: u32 = 4;
    let calls = Arc::new(Mutex::new(BTreeMap::<String, u32>::new()));
    let functions = Functions::start({
        let calls = Arc::clone(&calls);
        move |call| {
            let id = call.json()["id"].as_str().unwrap().to_owned();
            let status = if id.starts_with("poison") { 500 } else { 200 };
            *calls.lock().unwrap().entry(id).or_default() += 1;
            Answer::Http(status, String::new())
        }
    })
    .await;
    let gateway = TestGateway::with(|options| options.retry.attempts = ATTEMPTS).await;
    let api = &gateway.api;
    api.event_type("e").await;
    api.http_function("f", &functions.url("/")).await;
    api.subscribe("e", "f").await;
    for id in 0..POISON {
        api.emit("e", &format!("poison {id}")).await;
    }
    let (mut good, deadline) = (0, Instant::now() + PATIENCE);
    loop {
        let books = api.accounting().await;
        if books["dead"] == POISON && books["delivered"] == good {
            break;
        }
        assert!(Instant::now() < deadline, "{good} good events were emitted, and the books say {books}");
        if books["dead"] != POISON {
            api.emit("e", &format!("good {good}")).await;
            good += 1;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let reason = "all 4 attempts failed, the last one with: HTTP status 500";
    assert!(api.dead_letters().await.iter().all(|letter| letter["reason"] == json!(reason)));
    for (id, calls) in &*calls.lock().unwrap() {
        assert_eq!(*calls, if id.starts_with("poison") { ATTEMPTS } else { 1 }, "{id}");
    }
}

/// An interrupted attempt counts for nothing, so an event whose delivery brought the gateway down did so again after each
/// start, for ever.
#[tokio::test]
async fn a_delivery_that_brings_the_gateway_down_is_given_up_alone() {
    const OTHERS: usize = 20;
    let up = Arc::new(AtomicBool::new(false));
    let mut functions = Functions::start({
        let up = Arc::clone(&up);
        move |call| match call.json()["id"] == "killer" || !up.load(Ordering::SeqCst) {
            true => Answer::Never,
            false => Answer::Http(200, String::new()),
        }
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let mut gateway = Program::start(dir.path());
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &functions.url("/")).await;
    gateway.api.subscribe("e", "f").await;
    gateway.api.emit("e", "killer").await;
    for id in 0..OTHERS {
        gateway.api.emit("e", &id.to_string()).await;
    }
    for _ in 0..=OTHERS {
        functions.next_call().await;
    }
    gateway.kill();
    up.store(true, Ordering::SeqCst);
    for _ in 1..4 {
        let mut gateway = Program::start(dir.path());
        while functions.next_call().await.json()["id"] != "killer" {}
        gateway.kill();
    }
    let gateway = Program::start(dir.path());
    let letters = gateway.api.wait_for_dead_letters(1).await;
    let reason = "interrupted 4 times: the gateway ended unexpectedly during each attempt";
    assert_eq!((&letters[0]["eventId"], &letters[0]["reason"]), (&json!("killer"), &json!(reason)));
    assert_eq!(letters[0]["attempts"].as_array().unwrap().len(), 4);
    gateway.api.wait_for_books("delivered", u64::try_from(OTHERS).unwrap()).await;
    assert_eq!(gateway.api.accounting().await["dead"], 1);
}

/// Nothing in such an event says that it belongs to a loop. It went on for ever.
#[tokio::test]
async fn a_loop_whose_events_name_no_cause_ends() {
    let (calls, mut called) = tokio::sync::mpsc::unbounded_channel();
    let functions = Functions::start(move |_| {
        let released = Arc::new(Notify::new());
        calls.send(Arc::clone(&released)).unwrap();
        Answer::When(released)
    })
    .await;
    let gateway = TestGateway::with(|options| options.max_loop = 5).await;
    let api = &gateway.api;
    api.event_type("e").await;
    api.http_function("f", &functions.url("/")).await;
    api.subscribe("e", "f").await;
    api.emit("e", "first").await;
    // Each call emits the next event before it answers.
    let function = async {
        for n in 0.. {
            let released = called.recv().await.unwrap();
            // The name of a cause that nobody knows shows nothing, either.
            let event = json!({ "specversion": "1.0", "type": "e", "source": "/f", "id": n.to_string(),
                "causationid": format!("unknown {n}") });
            assert_eq!(api.emit_json(&event).await.status(), 202);
            released.notify_one();
        }
    };
    let letters = tokio::select! {
        letters = api.wait_for_dead_letters(1) => letters,
        () = function => unreachable!("it goes on for ever"),
    };
    let reason = "a loop: about 5 events in a row came because of the one before, without a known cause";
    assert_eq!(letters[0]["reason"], reason);
    assert_eq!(api.accounting().await["pending"], 0);
}

/// Independent events show that they are independent as soon as a function is tested.
#[tokio::test]
async fn a_burst_of_independent_events_is_no_loop() {
    const EVENTS: usize = 600;
    let functions = Functions::accepting().await;
    let gateway = TestGateway::with(|options| options.max_loop = 100).await;
    let api = &gateway.api;
    api.event_type("e").await;
    api.http_function("f", &functions.url("/")).await;
    api.subscribe("e", "f").await;
    let emitter = async |first: usize| {
        for n in (first..EVENTS).step_by(4) {
            api.emit("e", &n.to_string()).await;
        }
    };
    tokio::join!(emitter(0), emitter(1), emitter(2), emitter(3));
    api.wait_for_books("delivered", u64::try_from(EVENTS).unwrap()).await;
}

/// A gateway that is stopped is not to blame, and neither is the delivery that it interrupts.
#[tokio::test]
async fn a_stop_of_the_gateway_does_not_count() {
    let mut functions = Functions::start(|_| Answer::Never).await;
    let mut gateway = TestGateway::start().await;
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &functions.url("/")).await;
    gateway.api.subscribe("e", "f").await;
    gateway.api.emit("e", "slow").await;
    for _ in 0..5 {
        functions.next_call().await;
        let TestGateway { gateway: running, dir, .. } = gateway;
        running.shutdown_or_abort(std::future::ready(())).await;
        gateway = TestGateway::open(dir, |_| {}).await;
    }
    functions.next_call().await;
    assert_eq!(gateway.api.accounting().await["pending"], 1);
}
