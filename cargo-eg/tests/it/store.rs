//! Tests `events`, `show`, `replay` and `dead-letters` with a real gateway, and without one.

use crate::support::app::{App, Transcript};
use crate::support::eventually;
use crate::support::gateway::Running;
use eg_sdk::CloudEvent;
use serde_json::{Value, json};

struct Terminal {
    app: App,
    url: String,
    config: String,
}

impl Terminal {
    fn of(running: &Running) -> Self {
        let (url, config) =
            (running.gateway.events_url().to_owned(), running.gateway.config_url().to_owned());
        Self { app: App::new(), url, config }
    }

    fn eg(&self, arguments: &[&str]) -> Transcript {
        self.app.eg(&[arguments, &["--url", &self.url, "--config-url", &self.config]].concat())
    }

    #[track_caller]
    fn prints(&self, arguments: &[&str]) -> String {
        let transcript = self.eg(arguments);
        assert_eq!(transcript.code, Some(0), "{transcript:?}");
        transcript.stdout
    }
}

async fn emit(running: &Running, ty: &str, id: &str, data: Value) {
    let event = CloudEvent::of_type(ty, "/shop", data).with_id(id).with_subject(format!("orders/{id}"));
    running.client.emit(event.encode().unwrap()).await.unwrap();
}

/// Replaces times and durations by a word, because they differ from run to run.
fn timeless(text: &str) -> String {
    let word = |word: &str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        if word.contains(':') && digits >= 9 {
            "TIME".to_owned()
        } else if word.starts_with("20") && word.matches('-').count() == 2 && digits == 8 {
            "DATE".to_owned()
        } else {
            word.to_owned()
        }
    };
    let line = |line: &str| {
        let indent: String = line.chars().take_while(|c| *c == ' ').collect();
        let words: Vec<String> = line.split_whitespace().map(word).collect();
        let mut line = indent + &words.join(" ");
        if let (Some(from), Some(to)) = (line.find("after "), line.find(" ms")) {
            line.replace_range(from + 6..to, "N");
        }
        line + "\n"
    };
    text.lines().map(line).collect()
}

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
             shop-thank not delivered: its filter does not match\n  data.amount is 5\n  the filter wants [{{\"numeric\":[\">\",10]}}]\n"
        )
    );
    assert!(shown("other").ends_with(
        "no subscription got it: when it was accepted, nobody was subscribed to its type there\n"
    ));
    let json: Value = serde_json::from_str(&terminal.prints(&["show", "order-2", "--json"])).unwrap();
    assert_eq!((&json["eventId"], json["deliveries"].as_array().unwrap().len()), (&json!("order-2"), 3));

    // A part of an id is enough if it is unique.
    assert_eq!(shown("er-1"), shown("order-1"));
    assert_eq!(shown("oth"), shown("other"));
    terminal
        .eg(&["show", "order"])
        .fails(2, "error: `order` may be any of 2 events\nhint: write more of the id: order-2, order-1\n");
    terminal.eg(&["show", "gone"]).fails(
        6,
        "error: no event `gone`: no id is, begins or ends so\nhint: `cargo eg events` lists the newest\n",
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
    assert_eq!((none.code, none.stdout.as_str(), none.stderr.as_str()), (Some(0), "", "no such events\n"));
    let wrong = terminal.eg(&["events", "--since", "yesterday"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("write how long ago, such as 30s, 10m, 2h or 1d"), "{wrong:?}");
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
        assert_eq!(lines[0], format!("error: `{given}` may be any of 3 events"));
        assert_eq!(lines[1], "hint: they have the same id; name one of them:");
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

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_shown_retried_and_discarded() {
    let running = Running::start().await;
    running.event_type("order.placed").await;
    running.function("shop-bill").await;
    running.subscribe("order.placed", "shop-bill", None).await;
    running.answers("shop-bill", 422, "no such product");
    let terminal = Terminal::of(&running);
    let none = terminal.eg(&["dead-letters"]);
    assert_eq!((none.code, none.stdout.as_str(), none.stderr.as_str()), (Some(0), "", "no dead letters\n"));
    for id in ["one", "two", "three"] {
        emit(&running, "order.placed", id, json!({"product": 7})).await;
    }
    let listed = || -> Vec<Value> {
        let lines = terminal.prints(&["dead-letters", "list", "--json"]);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    eventually("three dead letters", || listed().len() == 3).await;
    let number = |id: &str| {
        let letters = listed();
        let letter = letters.iter().find(|letter| letter["eventId"] == id);
        letter.unwrap()["deadLetterId"].to_string()
    };
    let (one, two) = (number("one"), number("two"));
    let list = terminal.eg(&["dead-letters", "--function", "bill", "--type", "order.placed"]);
    assert_eq!(
        list.stderr,
        "`cargo eg dead-letters retry NUMBER` delivers one again, `discard NUMBER` takes it off the list\n"
    );
    assert_eq!(list.stdout.lines().count(), 3);
    let line = list.stdout.lines().find(|line| line.starts_with(&format!("{one} "))).unwrap();
    assert_eq!(
        timeless(line),
        format!("{one} DATE TIME shop-bill order.placed one rejected: HTTP status 422: no such product\n")
    );
    assert_eq!(terminal.eg(&["dead-letters", "--function", "ship"]).stderr, "no dead letters\n");
    assert_eq!(terminal.eg(&["dead-letters", "--expired"]).stderr, "nothing has expired\n");

    let shown = timeless(&terminal.prints(&["dead-letters", "show", &one]));
    assert!(shown.starts_with(&format!("dead letter {one}: order.placed for shop-bill\n  reason rejected: HTTP status 422: no such product\n  event one\n")), "{shown}");
    assert!(shown.ends_with("data {\"product\":7}\n  attempt 1 DATE TIME failed after N ms: HTTP status 422: no such product\n"), "{shown}");

    running.answers("shop-bill", 200, "");
    assert_eq!(
        terminal.prints(&["dead-letters", "retry", &one, "--data", "{\"product\": 8}"]),
        "1 delivery due again: order.placed one to shop-bill\n"
    );
    eventually("the edited event is delivered", || {
        terminal.prints(&["show", "one"]).contains("shop-bill delivered")
    })
    .await;
    let edited = terminal.prints(&["show", "one"]);
    assert!(edited.contains("with another event than was emitted"), "{edited}");
    let discarded = terminal.eg(&["dead-letters", "discard", &two]);
    assert_eq!(discarded.stdout, "1 dead letter discarded: order.placed two for shop-bill\n");
    assert_eq!(discarded.stderr, "`cargo eg show EVENT` still shows what happened to an event\n");
    assert!(terminal.prints(&["show", "two"]).contains("taken off the list at "));
    assert_eq!(
        terminal.prints(&["dead-letters", "retry", "--all", "--json"]),
        "{\"redriven\":1,\"skipped\":0}\n"
    );
    eventually("none is left", || listed().is_empty()).await;

    // The subscription of a dead letter is deleted: its function was renamed, for example.
    running.answers("shop-bill", 422, "no such product");
    emit(&running, "order.placed", "four", json!({})).await;
    eventually("one more", || listed().len() == 1).await;
    let four = number("four");
    let subscriptions = running.client.subscriptions();
    for subscription in subscriptions.list().await.unwrap() {
        subscriptions.delete(&subscription.subscription_id).await.unwrap();
    }
    let orphan = terminal.eg(&["dead-letters", "retry", &four]);
    assert_eq!(orphan.code, Some(8), "{orphan:?}");
    let reason =
        format!("the subscription of dead letter {four} is deleted or disabled: create or enable it first");
    assert!(orphan.stderr.contains(&reason), "{orphan:?}");
    let hint = "hint: `cargo eg replay four --source /shop --to FUNCTION` delivers the event to a function that is \
                subscribed today\n";
    assert!(orphan.stderr.ends_with(hint), "{orphan:?}");
    let all = terminal.eg(&["dead-letters", "retry", "--all"]);
    assert_eq!((all.code, all.stdout.as_str()), (Some(0), "0 deliveries due again\n"));
    assert_eq!(
        all.stderr,
        "1 dead letter left, because the subscription is deleted or disabled; `cargo eg replay EVENT --to FUNCTION` \
         delivers an event to another function\n"
    );
    assert_eq!(terminal.prints(&["dead-letters", "discard", "--all"]), "1 dead letter discarded\n");
    assert_eq!(terminal.prints(&["dead-letters", "discard", "--all"]), "0 dead letters discarded\n");

    let missing = "error: no dead letter 999\nhint: `cargo eg dead-letters` lists them with their numbers\n";
    for arguments in
        [&["show", "999"][..], &["retry", "999"], &["retry", "999", "--data", "{}"], &["discard", "999"]]
    {
        terminal.eg(&[&["dead-letters"], arguments].concat()).fails(6, missing);
    }
    assert_eq!(terminal.eg(&["dead-letters", "retry"]).code, Some(2), "one or --all");
    let invalid = terminal.eg(&["dead-letters", "retry", &one, "--data", "{"]);
    assert_eq!(invalid.code, Some(6), "it is no dead letter any more: {invalid:?}");
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
    assert_eq!(replayed(&["order-1", "--to", "bill"]).0, "1 event replayed: 1 delivery");
    assert_eq!(replayed(&["--since", "1h", "--type", "order.placed"]).0, "2 events replayed: 4 deliveries");
    let hint = replayed(&["order-1"]).1;
    assert_eq!(hint, "`cargo eg show EVENT` shows what becomes of each delivery\n");
    let (first, hint) = replayed(&["other"]);
    assert_eq!(
        (first.as_str(), hint.as_str()),
        ("1 event replayed: 0 deliveries", "nobody is subscribed to them today\n")
    );
    let (first, hint) = replayed(&["--since", "1h", "--type", "x.y"]);
    assert_eq!(first, "0 events replayed: 0 deliveries");
    assert_eq!(hint, "no stored event matches; `cargo eg events` lists them\n");
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
        "error: no function `shop-bil` is registered\nhint: did you mean shop-bill? Known functions: shop-bill, shop-ship\n",
    );
    terminal.eg(&["replay", "other", "--to", "ship"]).fails(
        6,
        "error: function shop-ship has no async subscription to `nobody.cares`\n\
         hint: `cargo eg invoke` calls a function whatever it is subscribed to\n",
    );
    let nothing = terminal.eg(&["replay"]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
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
