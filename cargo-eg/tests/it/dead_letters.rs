//! Tests `dead-letters` with a real gateway. Those of queues are left to `queues`.

use crate::support::eventually;
use crate::support::gateway::Running;
use crate::support::terminal::{Terminal, emit, timeless};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_shown_retried_and_discarded() {
    let running = Running::start().await;
    running.event_type("order.placed").await;
    running.function("shop-bill").await;
    running.function("shop-ship").await;
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
        "`cargo eg dead-letters retry NUMBER` delivers one again, `discard NUMBER` removes it from this list\n"
    );
    assert_eq!(list.stdout.lines().count(), 3);
    let line = list.stdout.lines().find(|line| line.starts_with(&format!("{one} "))).unwrap();
    assert_eq!(
        timeless(line),
        format!("{one} DATE TIME shop-bill order.placed one rejected: HTTP status 422: no such product\n")
    );
    assert_eq!(terminal.eg(&["dead-letters", "--function", "ship"]).stderr, "no dead letters\n");
    assert_eq!(terminal.eg(&["dead-letters", "--expired"]).stderr, "no expired deliveries\n");

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
    assert!(edited.contains("the event was edited before this delivery"), "{edited}");
    let discarded = terminal.eg(&["dead-letters", "discard", &two]);
    assert_eq!(discarded.stdout, "1 dead letter discarded: order.placed two for shop-bill\n");
    assert_eq!(discarded.stderr, "`cargo eg show EVENT` still shows the event and its attempts\n");
    assert!(terminal.prints(&["show", "two"]).contains("discarded at "));
    assert_eq!(
        terminal.prints(&["dead-letters", "retry", "--all", "--json"]),
        "{\"redriven\":1,\"skipped\":0}\n"
    );
    eventually("none is left", || listed().is_empty()).await;

    // All of one function.
    running.answers("shop-bill", 422, "no such product");
    emit(&running, "order.placed", "five", json!({})).await;
    eventually("one more", || listed().len() == 1).await;
    for (filter, expected) in [
        (["--function", "ship"], "0 deliveries due again\n"),
        (["--type", "x.y"], "0 deliveries due again\n"),
    ] {
        let retry = [&["dead-letters", "retry", "--all"][..], &filter].concat();
        assert_eq!(terminal.prints(&retry), expected, "{filter:?}");
    }
    running.answers("shop-bill", 200, "");
    let retry = ["dead-letters", "retry", "--all", "--function", "bill", "--type", "order.placed"];
    assert_eq!(terminal.prints(&retry), "1 delivery due again\n");
    eventually("none is left", || listed().is_empty()).await;
    assert_eq!(
        terminal.prints(&["dead-letters", "discard", "--all", "--function", "bill"]),
        "0 dead letters discarded\n"
    );
    // A mistyped name looked like a function without dead letters.
    for arguments in [
        &["dead-letters", "--function", "bil"][..],
        &["dead-letters", "retry", "--all", "--function", "bil"],
        &["events", "--function", "bil"],
    ] {
        terminal.eg(arguments).fails(
            6,
            "error: no function `bil` is registered\n\
             hint: did you mean `bill`? Known functions: shop-bill, shop-ship\n",
        );
    }
    assert!(terminal.prints(&["events", "--function", "bill"]).contains("five"));

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
        "1 dead letter not retried, because the subscription is deleted or disabled; `cargo eg replay EVENT --to FUNCTION` \
         delivers an event to another function\n"
    );
    assert_eq!(terminal.prints(&["dead-letters", "discard", "--all"]), "1 dead letter discarded\n");
    assert_eq!(terminal.prints(&["dead-letters", "discard", "--all"]), "0 dead letters discarded\n");
    let expired = ["dead-letters", "discard", "--all", "--expired"];
    assert_eq!(terminal.prints(&expired), "0 expired deliveries discarded\n");

    let missing =
        "error: no dead letter `999`\nhint: `cargo eg dead-letters` lists them with their numbers\n";
    for arguments in
        [&["show", "999"][..], &["retry", "999"], &["retry", "999", "--data", "{}"], &["discard", "999"]]
    {
        terminal.eg(&[&["dead-letters"], arguments].concat()).fails(6, missing);
    }
    assert_eq!(terminal.eg(&["dead-letters", "retry"]).code, Some(2), "one or --all");
    let invalid = terminal.eg(&["dead-letters", "retry", &one, "--data", "{"]);
    assert_eq!(invalid.code, Some(6), "it is no dead letter any more: {invalid:?}");
}
