//! Tests `events`, `show` and `replay` with a real gateway, and without one. Dead letters are left to `dead_letters`.

use crate::support::app::App;
use crate::support::eventually;
use crate::support::gateway::Running;
use crate::support::terminal::{Terminal, emit, timeless};
use axum::http::StatusCode;
use axum::routing::get;
use eg_sdk::CloudEvent;
use eg_sdk::config::{Retry, RetryLimits, Subscription};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_events_story_is_told_per_subscription() {
    let running = Running::start().await;
    running.event_type("order.placed").await;
    for function in ["shop-ship", "shop-bill", "shop-thank"] {
        running.function(function).await;
    }
    running.subscribe("order.placed", "shop-ship", None).await;
    running.subscribe("order.placed", "shop-bill", None).await;
    running
        .subscribe("order.placed", "shop-thank", Some(json!({"data": {"amount": [{"numeric": [">", 10]}]}})))
        .await;
    running.answers("shop-bill", 500, "no money");
    emit(&running, "order.placed", "order-1", json!({"amount": 5})).await;
    emit(&running, "order.placed", "order-2", json!({"amount": 50})).await;
    emit(&running, "nobody.cares", "other", json!("x")).await;

    let terminal = Terminal::of(&running);
    let shown = |id: &str| terminal.prints(&["show", id]);
    eventually("everything has ended", || {
        ["order-1", "order-2"].iter().all(|id| {
            let text = shown(id);
            text.contains("dead letter") && text.contains("delivered")
        })
    })
    .await;
    let letter = |id: &str| {
        let text = shown(id);
        let at = text.find("dead letter ").unwrap() + "dead letter ".len();
        text[at..].split(':').next().unwrap().to_owned()
    };
    let number = letter("order-1");
    assert_eq!(
        timeless(&shown("order-1")),
        format!(
            "order.placed order-1\n  source /shop\n  subject orders/order-1\n  accepted DATE TIME\n  data {{\"amount\":5}}\n\n\
             shop-bill dead letter {number}: all 2 attempts failed, the last one with: HTTP status 500: no money\n  \
             attempt 1 DATE TIME failed after N ms: HTTP status 500: no money\n  \
             attempt 2 DATE TIME failed after N ms: HTTP status 500: no money\n  cargo eg dead-letters retry {number}\n\n\
             shop-ship delivered\n  attempt 1 DATE TIME delivered after N ms\n\n\
             shop-thank not delivered: its filter does not match\n  data.amount is 5\n  the filter requires [{{\"numeric\":[\">\",10]}}]\n"
        )
    );
    assert!(
        shown("other").ends_with("no delivery: no subscription matched the event when it was accepted\n")
    );
    let json: Value = serde_json::from_str(&terminal.prints(&["show", "order-2", "--json"])).unwrap();
    assert_eq!((&json["eventId"], json["deliveries"].as_array().unwrap().len()), (&json!("order-2"), 3));

    // A part of an id is enough if it is unique.
    assert_eq!(shown("er-1"), shown("order-1"));
    assert_eq!(shown("oth"), shown("other"));
    terminal.eg(&["show", "order"]).fails(
        2,
        "error: `order` matches 2 events\nhint: write more of the id; it matches order-2, order-1\n",
    );
    terminal.eg(&["show", "gone"]).fails(
        6,
        "error: no event `gone`: no id begins or ends with it\n\
         hint: `cargo eg events` lists the newest events with their ids\n",
    );

    // The list.
    let all = terminal.prints(&["events"]);
    assert_eq!(
        timeless(&all),
        "DATE TIME other nobody.cares orders/other /shop \"x\"\n\
         DATE TIME order-2 order.placed orders/order-2 /shop {\"amount\":50}\n\
         DATE TIME order-1 order.placed orders/order-1 /shop {\"amount\":5}\n"
    );
    for (arguments, expected) in [
        (&["--type", "nobody.cares"][..], &["other"][..]),
        (&["--subject", "orders/order-1"], &["order-1"]),
        (&["--source", "/else"], &[]),
        (&["--text", "\"amount\":50"], &["order-2"]),
        (&["--limit", "1"], &["other"]),
        (&["--since", "1h"], &["other", "order-2", "order-1"]),
        (&["--until", "1h"], &[]),
        (&["--since", "2999-01-01"], &[]),
    ] {
        let lines = terminal.prints(&[&["events", "--json"], arguments].concat());
        let ids: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["eventId"].clone())
            .collect();
        assert_eq!(ids, expected, "{arguments:?}");
    }
    let none = terminal.eg(&["events", "--type", "x.y"]);
    assert_eq!((none.code, none.stdout.as_str(), none.stderr.as_str()), (Some(0), "", "no events match\n"));
    // Nobody has registered this type.
    let similar = terminal.eg(&["events", "--type", "nobody.care"]);
    assert_eq!(similar.stderr, "no events match; did you mean `nobody.cares`?\n");
    let nothing = terminal.eg(&["events", "--limit", "0"]);
    assert!(nothing.code == Some(2) && nothing.stderr.contains("write a number from 1 on"), "{nothing:?}");
    let wrong = terminal.eg(&["events", "--since", "yesterday"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("write how long ago, such as 30s, 10m, 2h or 1d"), "{wrong:?}");
}

/// A function that hears every event made a system event of each, and the list was full of them.
#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_own_events_are_listed_on_request() {
    let running = Running::start().await;
    running.function("shop-hear").await;
    running.event_type("eventgateway.event.received").await;
    running.subscribe("eventgateway.event.received", "shop-hear", None).await;
    emit(&running, "order.placed", "order-1", json!({})).await;
    let terminal = Terminal::of(&running);
    let types = |arguments: &[&str]| -> Vec<String> {
        let lines = terminal.prints(&[&["events", "--json"], arguments].concat());
        let event = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        lines.lines().map(|line| event(line)["eventType"].as_str().unwrap().to_owned()).collect()
    };
    let (own, system) = ("order.placed", "eventgateway.event.received");
    eventually("the delivery of the system event", || types(&["--state", "delivered"]) == [system]).await;
    for (arguments, expected) in [
        (&[][..], &[own][..]),
        (&["--text", "order-1"], &[own]),
        (&["--since", "1h"], &[own]),
        (&["--system"], &[own, system]),
        (&["--type", system], &[system]),
        (&["--function", "shop-hear"], &[system]),
        (&["--source", "/shop"], &[own]),
    ] {
        assert_eq!(types(arguments), expected, "{arguments:?}");
    }
}

/// Two functions emitted their events with the id of the event that they handled, and `show` explained the wrong one.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_several_events_have_is_refused_with_all_of_them() {
    let running = Running::start().await;
    let terminal = Terminal::of(&running);
    for (ty, source) in [("user.created", "/users"), ("email.sent", "/emails"), ("user.annotated", "/vision")]
    {
        let event = CloudEvent::of_type(ty, source, json!({"of": source})).with_id("0199-f3ee5fc1");
        running.client.emit(event.encode().unwrap()).await.unwrap();
    }
    for (command, given) in [("show", "0199-f3ee5fc1"), ("show", "f3ee5fc1"), ("replay", "f3ee5fc1")] {
        let refused = terminal.eg(&[command, given]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        let lines: Vec<&str> = refused.stderr.lines().collect();
        assert_eq!(lines[0], format!("error: `{given}` matches 3 events"));
        assert_eq!(lines[1], "hint: they have the same id; add the source or the type:");
        for source in ["/users", "/emails", "/vision"] {
            let named = format!("    cargo eg {command} 0199-f3ee5fc1 --source {source} ");
            assert!(lines[2..].iter().any(|line| line.starts_with(&named)), "{named}: {refused:?}");
        }
    }
    let shown = terminal.prints(&["show", "f3ee5fc1", "--source", "/emails"]);
    assert!(shown.starts_with("email.sent 0199-f3ee5fc1\n") && shown.contains("/emails"), "{shown}");
    let ids = terminal.prints(&["events", "--id", "0199-f3ee5fc1", "--json"]);
    assert_eq!(ids.lines().count(), 3);

    let changed = CloudEvent::of_type("user.changed", "/users", json!({})).with_id("0199-f3ee5fc1");
    running.client.emit(changed.encode().unwrap()).await.unwrap();
    let refused = terminal.eg(&["show", "f3ee5fc1", "--source", "/users"]);
    assert!(refused.stderr.contains("--source /users --type user.created  "), "{refused:?}");
    let shown = terminal.prints(&["show", "f3ee5fc1", "--source", "/users", "--type", "user.created"]);
    assert!(shown.starts_with("user.created 0199-f3ee5fc1\n"), "{shown}");
}

/// Retention deletes an event between the two requests of `show`. The message said that no id began so.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_deleted_meanwhile_is_reported_as_such() {
    let list = json!({"events": [{
        "eventId": "order-1", "source": "/shop", "eventType": "order.placed", "method": "POST", "path": "/",
        "acceptedAt": "2026-01-31T12:00:00Z", "event": {},
    }]});
    let gone = (StatusCode::NOT_FOUND, r#"{"errors":[{"code":"not_found","message":"no event"}]}"#);
    let router = axum::Router::new()
        .route("/v1/spaces/default/events", get(async move || list.to_string()))
        .fallback(async move || gone);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    App::new().eg(&["show", "order", "--config-url", &url]).fails(
        6,
        "error: event `order-1` was deleted meanwhile\n\
         hint: the gateway deletes events after its retention period\n",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_functions_are_shown() {
    let running = Running::start().await;
    let terminal = Terminal::of(&running);
    running.event_type("order.placed").await;
    for id in ["shop-ship", "shop-bill"] {
        running.function(id).await;
        running.subscribe("order.placed", id, None).await;
    }
    running.answers("shop-bill", 500, "no money");
    emit(&running, "order.placed", "one", json!({})).await;
    eventually("the calls", || terminal.prints(&["stats"]).contains("shop-bill: order.placed failed at "))
        .await;
    let shown = timeless(&terminal.prints(&["stats"]));
    assert!(
        shown.starts_with("calls of the last minute\nfunction calls failed p50 p95 under way last call\n"),
        "{shown}"
    );
    assert!(shown.contains(" 1 event accepted in the last hour, "), "{shown}");
    let figures: Value = serde_json::from_str(&terminal.prints(&["stats", "--json"])).unwrap();
    let functions = figures["space"]["functions"].as_array().unwrap();
    let ship = functions.iter().find(|one| one["functionId"] == "shop-ship").unwrap();
    assert_eq!((&ship["calls"], &ship["failures"]), (&json!(1), &json!(0)));
    assert_eq!(figures["gateway"]["minutes"].as_array().unwrap().last().unwrap()["accepted"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_shown_cancelled_and_resumed() {
    let running = Running::start().await;
    let terminal = Terminal::of(&running);
    let none = terminal.eg(&["jobs"]);
    assert_eq!((none.code, none.stdout.as_str(), none.stderr.as_str()), (Some(0), "", "no jobs\n"));
    emit(&running, "order.placed", "one", json!({})).await;
    terminal.prints(&["replay", "one"]);
    terminal.prints(&["dead-letters", "retry", "--all", "--expired"]);
    terminal.prints(&["dead-letters", "discard", "--all"]);
    let listed = timeless(&terminal.prints(&["jobs"]));
    assert_eq!(
        listed,
        "3 DATE TIME discard dead done 0 deliveries\n2 DATE TIME retry expired done 0 deliveries\n\
         1 DATE TIME replay done 1 event, 0 deliveries\n"
    );
    assert_eq!(terminal.prints(&["jobs", "list", "--limit", "1"]).lines().count(), 1);
    for action in ["show", "cancel", "resume"] {
        let shown = terminal.prints(&["jobs", action, "1", "--json"]);
        let job: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(
            (&job["kind"], &job["state"], &job["events"]),
            (&json!("replay"), &json!("done"), &json!(1))
        );
        let missing = terminal.eg(&["jobs", action, "9"]);
        assert_eq!(missing.code, Some(6), "{missing:?}");
        assert!(missing.stderr.contains("no job `9`"), "{missing:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_events_are_replayed_to_all_or_to_one() {
    let running = Running::start().await;
    running.event_type("order.placed").await;
    for function in ["shop-ship", "shop-bill"] {
        running.function(function).await;
    }
    running.subscribe("order.placed", "shop-ship", None).await;
    emit(&running, "order.placed", "order-1", json!({})).await;
    emit(&running, "order.placed", "order-2", json!({})).await;
    emit(&running, "nobody.cares", "other", json!({})).await;
    // Subscribed after the events: a replay goes to the current subscriptions.
    running.subscribe("order.placed", "shop-bill", None).await;
    let terminal = Terminal::of(&running);

    let replayed = |arguments: &[&str]| {
        let transcript = terminal.eg(&[&["replay"], arguments].concat());
        assert_eq!(transcript.code, Some(0), "{transcript:?}");
        let first = transcript.stdout.lines().next().unwrap_or_default().to_owned();
        (first, transcript.stderr)
    };
    assert_eq!(replayed(&["er-1"]).0, "1 event replayed: 2 deliveries");
    for option in ["--to", "--function"] {
        assert_eq!(replayed(&["order-1", option, "bill"]).0, "1 event replayed: 1 delivery");
    }
    assert_eq!(replayed(&["--since", "1h", "--type", "order.placed"]).0, "2 events replayed: 4 deliveries");
    let hint = replayed(&["order-1"]).1;
    assert_eq!(hint, "`cargo eg show EVENT` shows each delivery\n");
    let (first, hint) = replayed(&["other"]);
    assert_eq!(
        (first.as_str(), hint.as_str()),
        ("1 event replayed: 0 deliveries", "no function is subscribed to them now\n")
    );
    let (first, hint) = replayed(&["--since", "1h", "--type", "x.y"]);
    assert_eq!(first, "0 events replayed: 0 deliveries");
    assert_eq!(hint, "no stored event matches; `cargo eg events` lists the stored ones\n");
    let json: Value =
        serde_json::from_str(&terminal.prints(&["replay", "order-2", "--to", "shop-ship", "--json"]))
            .unwrap();
    assert_eq!((&json["events"], &json["deliveries"]), (&json!(1), &json!(1)));
    eventually("replays are delivered and marked", || {
        let shown = terminal.prints(&["show", "order-1"]);
        shown.matches("delivered").count() >= 5 && shown.contains("replayed by ")
    })
    .await;

    terminal.eg(&["replay", "order-1", "--to", "shop-bil"]).fails(
        6,
        "error: no function `shop-bil` is registered\nhint: did you mean `shop-bill`? Known functions: shop-bill, shop-ship\n",
    );
    terminal.eg(&["replay", "other", "--to", "ship"]).fails(
        6,
        "error: function `shop-ship` has no async subscription to `nobody.cares`\n\
         hint: `cargo eg invoke` calls a function directly, without a subscription\n",
    );
    let nothing = terminal.eg(&["replay"]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");

    emit(&running, "nobody.cares", "hostile", json!("\u{9b}2J")).await;
    let listed = terminal.prints(&["events", "--id", "hostile", "--json"]);
    assert!(listed.contains(r#""data":"\u009b2J""#), "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_next_attempt_is_retried_now() {
    let running = Running::start().await;
    running.event_type("order.placed").await;
    for function in ["shop-ship", "shop-bill"] {
        running.function(function).await;
        let mut retry = RetryLimits::new();
        (retry.min_backoff_ms, retry.max_backoff_ms) = (Some(3_600_000), Some(3_600_000));
        let mut subscription = Subscription::asynchronous("order.placed", function);
        subscription.retry = Some(Retry::Limits(retry));
        running.client.subscriptions().create(&subscription).await.unwrap();
        running.answers(function, 503, "closed");
    }
    emit(&running, "order.placed", "order-1", json!({})).await;
    let terminal = Terminal::of(&running);
    let shown = || terminal.prints(&["show", "order-1"]);
    eventually("both wait", || shown().matches("503: closed").count() == 2).await;
    running.answers("shop-bill", 200, "");
    running.answers("shop-ship", 200, "");
    assert_eq!(terminal.prints(&["retry", "order-1", "--to", "bill"]), "1 delivery retried\n");
    eventually("one is delivered", || shown().contains("shop-bill delivered")).await;
    assert_eq!(terminal.prints(&["retry", "order-1", "--json"]), "{\"retried\":1}\n");
    eventually("both are delivered", || shown().contains("shop-ship delivered")).await;
    assert_eq!(terminal.prints(&["retry", "order-1"]), "0 deliveries retried\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_not_there_or_refuses_is_told_apart() {
    let app = App::new();
    // Nothing listens on port 1, which needs privileges.
    for command in [&["events"][..], &["show", "x"], &["replay", "x"], &["dead-letters"]] {
        let failed = app.eg(&[command, &["--config-url", "http://127.0.0.1:1"]].concat());
        assert_eq!(failed.code, Some(5), "{failed:?}");
        assert!(failed.stderr.starts_with("error: no gateway answers at http://127.0.0.1:1/"), "{failed:?}");
        assert!(
            failed.stderr.ends_with("hint: `cargo eg run` starts one; --config-url names another\n"),
            "{failed:?}"
        );
    }
    let wrong = app.eg(&["events", "--config-url", "localhost:4001"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");

    let running = Running::with(|options| {
        options.access_keys.all = Some("top-secret".into());
    })
    .await;
    let terminal = Terminal::of(&running);
    let refused = terminal.eg(&["events"]);
    assert_eq!(refused.code, Some(8), "{refused:?}");
    assert!(
        refused.stderr.ends_with("hint: --access-key, or EVENT_GATEWAY_ACCESS_KEY, names the key\n"),
        "{refused:?}"
    );
    let empty = terminal.eg(&["events", "--access-key", "top-secret"]);
    assert_eq!(
        (empty.code, empty.stderr.as_str()),
        (Some(0), "no events yet; `cargo eg emit` emits one\n"),
        "{empty:?}"
    );

    // A server that is not a gateway.
    let other = Running::start().await;
    let events = other.gateway.events_url();
    let failed = app.eg(&["events", "--config-url", events]);
    assert!(matches!(failed.code, Some(8)), "{failed:?}");
}
