use super::*;

#[track_caller]
fn check(activity: &Activity, expected: &str) {
    check_next(&mut Live::default(), activity, expected);
}

#[track_caller]
fn check_next(live: &mut Live, activity: &Activity, expected: &str) {
    let line = live.activity(activity).unwrap();
    assert_eq!(anstream::adapter::strip_str(&line).to_string(), expected);
}

fn delivery(attempt: u32, outcome: DeliveryOutcome) -> Activity {
    Activity::Delivery {
        event_id: "0199aa00-0000-7000-8000-00000abcdef1".to_owned(),
        event_type: "user.created".to_owned(),
        function: "emails-send".to_owned(),
        attempt,
        duration: Duration::from_micros(4_230),
        outcome,
    }
}

#[test]
fn the_report_of_an_accepted_event_repeats_no_line() {
    let received = Activity::Received {
        event_id: "1".to_owned(),
        event_type: EVENT_RECEIVED.to_owned(),
        source: "/gateway".to_owned(),
        method: "POST".to_owned(),
        path: "/".to_owned(),
        subscribers: 1,
        cause: None,
    };
    assert_eq!(Live::default().activity(&received), None);
    let report = |outcome| match delivery(1, outcome) {
        Activity::Delivery { event_id, function, attempt, duration, outcome, .. } => {
            let event_type = EVENT_RECEIVED.to_owned();
            Activity::Delivery { event_id, event_type, function, attempt, duration, outcome }
        }
        other => other,
    };
    assert_eq!(Live::default().activity(&report(DeliveryOutcome::Delivered)), None);
    let failed = report(DeliveryOutcome::Dead { reason: "no luck".to_owned() });
    assert!(Live::default().activity(&failed).unwrap().contains("no luck"));
}

#[test]
fn every_activity_is_one_line() {
    let received = |event_type: &str, id: &str, subscribers| Activity::Received {
        event_id: id.to_owned(),
        event_type: event_type.to_owned(),
        source: "/services/users".to_owned(),
        method: "POST".to_owned(),
        path: "/".to_owned(),
        subscribers,
        cause: None,
    };
    check(
        &received("user.created", "order-1", 0),
        "user.created order-1 from /services/users: nobody subscribes to it",
    );
    check(
        &received("user.created", "0199aa00-0000-7000-8000-00000abcdef1", 2),
        "user.created 0abcdef1 from /services/users: 2 subscriptions",
    );
    check(
        &received("eventgateway.function.invocationFailed", "order-1", 1),
        "eventgateway.function.invocationFailed order-1 from the gateway: 1 subscription",
    );
    let unrouted = |hint: &str| Activity::Unrouted {
        method: "POST".to_owned(),
        path: "/ordres".to_owned(),
        status: 404,
        hint: hint.to_owned(),
    };
    check(&unrouted(""), "POST /ordres 404: no function answers it");
    check(
        &unrouted("did you mean `POST /orders`?"),
        "POST /ordres 404: no function answers it; did you mean `POST /orders`?",
    );
    let answered = |event_type: &str| Activity::Answered {
        event_id: "0199aa00-0000-7000-8000-00000abcdef1".to_owned(),
        method: "POST".to_owned(),
        path: "/users".to_owned(),
        event_type: event_type.to_owned(),
        function: Some("users-create_user".to_owned()),
        status: 200,
        duration: Duration::from_millis(1500),
        reason: None,
    };
    check(&answered(HTTP_REQUEST), "POST /users → users-create_user 200 1.5 s");
    check(&answered("user.check"), "POST /users user.check → users-create_user 200 1.5 s");
    check(&delivery(1, DeliveryOutcome::Delivered), "user.created 0abcdef1 → emails-send delivered 4.2 ms");
    let retry = DeliveryOutcome::Retry { error: "no\n mail".to_owned(), after: Duration::from_secs(2) };
    check(
        &delivery(2, retry),
        "user.created 0abcdef1 → emails-send failed at attempt 2 4.2 ms: no mail; again in 2.0 s",
    );
    let dead = DeliveryOutcome::Dead { reason: "rejected".to_owned() };
    check(&delivery(1, dead), "user.created 0abcdef1 → emails-send dead letter: rejected");
}

#[test]
fn so_is_what_is_changed_and_what_keeps_failing() {
    let (space, function) = ("default".to_owned(), "crm-add".to_owned());
    check(
        &Activity::CircuitOpened { space: space.clone(), function: function.clone() },
        "crm-add keeps failing: it is tried once a second until it succeeds",
    );
    check(&Activity::CircuitClosed { space: space.clone(), function }, "crm-add works again");
    check(&Activity::Redriven { space: space.clone(), deliveries: 1 }, "1 dead letter delivered again");
    check(&Activity::Discarded { space: space.clone(), deliveries: 2 }, "2 dead letters discarded");
    let (replay, reason) = ("r-1".to_owned(), "gone\n(410)".to_owned());
    check(
        &Activity::Replayed { space: space.clone(), replay, events: 1, deliveries: 6 },
        "replay r-1: 1 event, 6 deliveries",
    );
    let subscription = "s-1".to_owned();
    check(&Activity::Disabled { space, subscription, reason }, "subscription disabled s-1: gone (410)");
}

#[test]
fn what_a_function_emits_names_what_it_was_called_for() {
    let mut live = Live::default();
    let asked = Activity::Asked {
        event_id: "request-1".to_owned(),
        event_type: HTTP_REQUEST.to_owned(),
        method: "POST".to_owned(),
        path: "/users".to_owned(),
        cause: None,
    };
    assert_eq!(live.activity(&asked), None, "its line comes with its answer");
    let received = Activity::Received {
        event_id: "0199aa00-0000-7000-8000-00000abcdef1".to_owned(),
        event_type: "user.created".to_owned(),
        source: "/services/users".to_owned(),
        method: "POST".to_owned(),
        path: "/".to_owned(),
        subscribers: 1,
        cause: Some("request-1".to_owned()),
    };
    check_next(
        &mut live,
        &received,
        "user.created 0abcdef1 from /services/users ← POST /users: 1 subscription",
    );
    let retry = DeliveryOutcome::Retry { error: "no mail".to_owned(), after: Duration::from_secs(2) };
    check_next(
        &mut live,
        &delivery(1, retry),
        "user.created 0abcdef1 ← POST /users → emails-send failed 4.2 ms: no mail; again in 2.0 s",
    );
    check_next(
        &mut live,
        &delivery(2, DeliveryOutcome::Delivered),
        "user.created 0abcdef1 ← POST /users → emails-send delivered at attempt 2 4.2 ms",
    );
}

#[test]
fn so_is_every_trigger_activity() {
    let check = |one: &TriggerActivity, expected: &str| {
        assert_eq!(anstream::adapter::strip_str(&trigger_line(one).unwrap()).to_string(), expected);
    };
    let batch = |failed, error: Option<&str>| TriggerActivity::Batch {
        queue: "orders".to_owned(),
        function: "shop-ship".to_owned(),
        messages: 3,
        failed,
        error: error.map(str::to_owned),
        again: Duration::from_secs(30),
        duration: Duration::from_millis(4),
    };
    check(&batch(0, None), "queue orders → shop-ship 3 messages handled 4.0 ms");
    check(&batch(1, None), "queue orders → shop-ship 3 messages 1 failed 4.0 ms; again in 30.0 s");
    check(
        &batch(1, Some("no stock")),
        "queue orders → shop-ship 3 messages 1 failed 4.0 ms: no stock; again in 30.0 s",
    );
    check(
        &batch(3, Some("no\n stock")),
        "queue orders → shop-ship 3 messages failed 4.0 ms: no stock; again in 30.0 s",
    );
    let buried = |rejection: Option<&str>| TriggerActivity::DeadLettered {
        queue: "orders".to_owned(),
        message: "0199aa00-0000-7000-8000-00000abcdef1".to_owned(),
        receives: 5,
        rejection: rejection.map(str::to_owned),
    };
    check(
        &buried(Some("no such\n address")),
        "queue orders 0abcdef1 dead letter: rejected: no such address; `cargo eg dead-letters --queue orders` lists it",
    );
    check(
        &buried(None),
        "queue orders 0abcdef1 dead letter: received 5 times; `cargo eg dead-letters --queue orders` lists it",
    );
    let scheduled = |failure: Option<(&str, Option<u64>)>| TriggerActivity::Scheduled {
        schedule: "rate(1 minute)".to_owned(),
        function: "shop-sweep".to_owned(),
        failure: failure.map(|(error, again)| (error.to_owned(), again.map(Duration::from_secs))),
        duration: Duration::from_millis(2),
    };
    check(&scheduled(None), "rate(1 minute) → shop-sweep done 2.0 ms");
    check(
        &scheduled(Some(("no broom", Some(60)))),
        "rate(1 minute) → shop-sweep failed 2.0 ms: no broom; again in 1.0 min",
    );
    check(&scheduled(Some(("no broom", None))), "rate(1 minute) → shop-sweep given up 2.0 ms: no broom");
    let records = |failure: Option<(&str, Option<u64>)>| TriggerActivity::Records {
        stream: "table orders".to_owned(),
        function: "shop-ship".to_owned(),
        records: 2,
        failure: failure.map(|(error, again)| (error.to_owned(), again.map(Duration::from_secs))),
        duration: Duration::from_millis(2),
    };
    check(&records(None), "table orders → shop-ship 2 records handled 2.0 ms");
    check(
        &records(Some(("no stock", Some(1)))),
        "table orders → shop-ship 2 records failed 2.0 ms: no stock; again in 1.0 s",
    );
    check(&records(Some(("no stock", None))), "table orders → shop-ship 2 records given up 2.0 ms: no stock");
    check(
        &TriggerActivity::StreamFailed { stream: "stream clicks".to_owned(), error: "no answer".to_owned() },
        "stream clicks failed: no answer",
    );
    let socket = |outcome: Result<u16, &str>| TriggerActivity::Socket {
        event: "websocket.message".to_owned(),
        connection: "0199aa00abcdef1".to_owned(),
        function: "chat-say".to_owned(),
        outcome: outcome.map_err(str::to_owned),
        duration: Duration::from_millis(2),
    };
    check(&socket(Ok(200)), "websocket.message 0abcdef1 → chat-say 200 2.0 ms");
    check(&socket(Ok(403)), "websocket.message 0abcdef1 → chat-say 403 2.0 ms");
    check(&socket(Err("no\nroom")), "websocket.message 0abcdef1 → chat-say failed 2.0 ms: no room");
}

/// Returns an activity of each kind whose texts are all `text`.
fn of_all_kinds(text: &str) -> (Vec<Activity>, Vec<TriggerActivity>) {
    let t = || text.to_owned();
    let delivery = |outcome| Activity::Delivery {
        event_id: t(),
        event_type: t(),
        function: t(),
        attempt: 1,
        duration: Duration::ZERO,
        outcome,
    };
    let mismatch = serde_json::json!({"clause": text, "value": text, "expected": [text]});
    let after = Duration::ZERO;
    let (id, event_type, source, method, path) = (t(), t(), t(), t(), t());
    let activities = vec![
        Activity::Received {
            event_id: id,
            event_type,
            source,
            method,
            path,
            subscribers: 0,
            cause: Some(t()),
        },
        Activity::Answered {
            event_id: t(),
            method: t(),
            path: t(),
            event_type: t(),
            function: Some(t()),
            status: 500,
            duration: after,
            reason: Some(t()),
        },
        Activity::Duplicate { event_id: t(), event_type: t(), source: t(), conflict: true },
        Activity::Filtered {
            event_id: t(),
            event_type: t(),
            function: t(),
            mismatch: serde_json::from_value(mismatch).unwrap(),
        },
        Activity::Disabled { space: t(), subscription: t(), reason: t() },
        Activity::Replayed { space: t(), replay: t(), events: 1, deliveries: 1 },
        Activity::CircuitOpened { space: t(), function: t() },
        Activity::CircuitClosed { space: t(), function: t() },
        delivery(DeliveryOutcome::Delivered),
        delivery(DeliveryOutcome::Retry { error: t(), after }),
        delivery(DeliveryOutcome::Dead { reason: t() }),
        delivery(DeliveryOutcome::Expired { reason: t() }),
    ];
    let batch = |error| TriggerActivity::Batch {
        queue: t(),
        function: t(),
        messages: 1,
        failed: 1,
        error,
        again: after,
        duration: after,
    };
    let scheduled =
        |failure| TriggerActivity::Scheduled { schedule: t(), function: t(), failure, duration: after };
    let triggers = vec![
        batch(None),
        batch(Some(t())),
        TriggerActivity::DeadLettered { queue: t(), message: t(), receives: 5, rejection: Some(t()) },
        TriggerActivity::QueueFailed { queue: t(), error: t() },
        scheduled(None),
        scheduled(Some((t(), None))),
        scheduled(Some((t(), Some(after)))),
        TriggerActivity::Records {
            stream: t(),
            function: t(),
            records: 1,
            failure: Some((t(), None)),
            duration: after,
        },
        TriggerActivity::StreamFailed { stream: t(), error: t() },
        TriggerActivity::Socket {
            event: t(),
            connection: t(),
            function: t(),
            outcome: Err(t()),
            duration: after,
        },
    ];
    (activities, triggers)
}

#[test]
fn no_text_from_outside_controls_the_terminal() {
    // The same text with and without the harmful characters. What differs between the lines are their escapes.
    let hostile = "x\u{1b}]0;title\u{7}\r\u{9b}2J\n\u{202e}y";
    let (mut live, mut lines) = (Live::default(), Vec::new());
    let (activities, triggers) = of_all_kinds(hostile);
    lines.extend(activities.iter().filter_map(|one| live.activity(one)));
    lines.extend(triggers.iter().filter_map(|one| live.trigger(one)));
    // A line of a function has no line end.
    lines.extend(live.printed("f", Stream::Stdout, hostile.replace('\n', "").as_bytes()));
    assert_eq!(lines.len(), activities.len() + triggers.len() + 1);
    for line in lines {
        // The styles of this program are `ESC [ … m`, as are those that functions print, which are removed.
        let text = anstream::adapter::strip_str(&line).to_string();
        assert_eq!(printable(&text), text, "{line:?}");
        assert!(!line.contains("\u{1b}]") && text.contains('y'), "{line:?}");
    }
}

#[test]
fn failures_of_calls_say_why() {
    let answered = |status, reason: Option<&str>| Activity::Answered {
        event_id: "1".to_owned(),
        method: "GET".to_owned(),
        path: "/err".to_owned(),
        event_type: HTTP_REQUEST.to_owned(),
        function: Some("shop-err".to_owned()),
        status,
        duration: Duration::from_millis(78),
        reason: reason.map(str::to_owned),
    };
    let panicked = answered(500, Some("Panic: panicked at src/main.rs:9:5: no\n stock"));
    let line = "GET /err → shop-err 500 78.0 ms";
    check(&panicked, &format!("{line}: Panic: panicked at src/main.rs:9:5: no stock"));

    // Without the functions' lines, the last one on standard error explains an error status, once.
    let mut live = Live::new(true);
    for (stream, text) in [(Stream::Stderr, "retry `err`: no stock"), (Stream::Stdout, "bye")] {
        assert_eq!(live.printed("shop-err", stream, text.as_bytes()), None);
    }
    check_next(&mut live, &answered(500, None), &format!("{line}: retry `err`: no stock"));
    check_next(&mut live, &answered(500, None), line);
    live.printed("shop-err", Stream::Stderr, b"a warning");
    check_next(&mut live, &answered(200, None), "GET /err → shop-err 200 78.0 ms");
    check_next(&mut live, &answered(500, None), line);
}
