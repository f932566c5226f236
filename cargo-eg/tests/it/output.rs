//! Tests what `cargo eg run` and `cargo eg logs` show of the functions: their lines with the function in front, and why
//! calls fail.

use crate::support::app::{App, Main, record};
use crate::support::{eventually, http};
use eg_grammar::printable_lines;
use rustix::process::Signal;

/// Returns the lines of the live view without their times, which every line must have.
fn lines(shown: &str) -> Vec<String> {
    let live = shown.split_once("ready; Ctrl-C stops").unwrap().1;
    live.lines()
        .skip(1)
        .map(|line| {
            let (time, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?} has no time"));
            let digits = time.chars().filter(char::is_ascii_digit).count();
            assert!(time.len() == 12 && digits == 9, "{line:?} begins with no time");
            rest.to_owned()
        })
        .collect()
}

#[tokio::test]
async fn what_functions_print_is_shown_with_the_function() {
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves).service(
        "mail",
        &[record("mail", "welcome", "user.created")],
        &Main::Serves,
    );
    let mut run = app.run();
    let url = run.ready().await;
    http().get(url("events") + "/list").send().await.unwrap();
    run.says("GET /list → shop-list 200", 1).await;
    let emit = ["emit", "--event", "user.created", "--data", "{\"n\":1}"];
    assert_eq!(app.eg(&emit).code, Some(0));
    run.says("mail-welcome delivered", 1).await;
    let shown = lines(&run.stderr());
    let at = |begin: &str| {
        shown.iter().position(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("{begin}: {shown:#?}"))
    };
    assert!(at("shop-list    | list got {") < at("GET /list → shop-list 200"), "{shown:#?}");
    let delivered = shown.iter().position(|line| line.contains("→ mail-welcome delivered")).unwrap();
    assert!(at("mail-welcome | welcome got {") < delivered, "{shown:#?}");

    let all = app.eg(&["logs"]).stdout;
    assert!(
        all.contains("\nshop-list    | list got {") && all.contains("\nmail-welcome | welcome got {"),
        "{all}"
    );
    assert!(all.starts_with("mail-welcome | START ") || all.starts_with("shop-list    | START "), "{all}");
    let nothing = app.eg(&["logs", "--function", "list", "--since", "2999-01-01"]);
    assert_eq!((&*nothing.stdout, &*nothing.stderr), ("", "nothing was printed since then by shop-list\n"));
    let one = app.eg(&["logs", "--function", "list", "--since", "5m"]).stdout;
    assert!(one.contains("\nlist got {") && !one.contains('|'), "{one}");
    run.signal(Signal::INT);
    assert_eq!(run.wait(), Some(0), "{}", run.stderr());

    let mut run = app.run_with(&["--quiet"]);
    let url = run.ready().await;
    http().get(url("events") + "/list").send().await.unwrap();
    run.says("GET /list → shop-list 200", 1).await;
    assert!(!run.stderr().contains("list got {"), "{}", run.stderr());
}

#[tokio::test]
async fn control_characters_of_functions_reach_no_terminal() {
    let app = App::new();
    let hostile = r"\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}[31mred\u{1b}[0m 50 %\r\u{9b}2J";
    let main = Main::Says(hostile);
    app.service("shop", &[record("shop", "list", "GET /list")], &main);
    let mut run = app.run();
    let url = run.ready().await;
    http().get(url("events") + "/list").send().await.unwrap();
    let expected = r"list \u{1b}]0;title\u{7}\u{1b}[2Jred 50 %\r\u{9b}2J {";
    run.says(&format!("shop-list | {expected}"), 1).await;
    let log = app.eg(&["logs", "--function", "list"]).stdout;
    assert!(log.contains(&format!("\n{expected}")), "{log:?}");
    let all = app.eg(&["logs"]).stdout;
    assert!(all.contains(&format!("shop-list | {expected}")), "{all:?}");
    for text in [run.stderr(), log, all] {
        assert_eq!(printable_lines(&text), text);
    }
}

#[tokio::test]
async fn failed_calls_say_why() {
    let app = App::new();
    app.service(
        "shop",
        &[record("shop", "list", "GET /list"), record("shop", "pack", "queue orders")],
        &Main::Ends,
    );
    let mut run = app.run();
    let url = run.ready().await;
    let answer = http().get(url("events") + "/list").send().await.unwrap();
    assert_eq!(answer.status(), 500);
    run.says("exit status 3", 1).await;
    assert_eq!(app.eg(&["emit", "--queue", "orders", "--data", "1"]).code, Some(0));
    run.says("queue orders → shop-pack 1 message failed ", 1).await;
    let text = run.stderr();
    let shown = lines(&text);
    let request = shown.iter().find(|line| line.starts_with("GET /list → shop-list 500 ")).unwrap();
    assert!(request.contains(": Runtime.ExitError: ") && request.ends_with("exit status 3"), "{request}");
    assert!(shown.iter().any(|line| line.starts_with("shop-list | no stock for {")), "{shown:#?}");
    let batch =
        shown.iter().find(|line| line.starts_with("queue orders → shop-pack 1 message failed ")).unwrap();
    assert!(batch.contains("exit status 3"), "{batch}");
    // The same in the log of the library is left out.
    assert!(!text.contains("WARN") && !text.contains('\u{1b}'), "{text}");
    run.signal(Signal::INT);
    assert_eq!(run.wait(), Some(0), "{}", run.stderr());

    // Without the functions' lines, the reason is still there.
    let mut run = app.run_with(&["--quiet"]);
    let url = run.ready().await;
    http().get(url("events") + "/list").send().await.unwrap();
    run.says("exit status 3", 1).await;
}

#[tokio::test]
async fn what_a_renamed_function_leaves_behind_is_reported() {
    let app = App::new();
    app.service("shop", &[record("shop", "ship", "order.paid")], &Main::Ends);
    app.service("mail", &[record("mail", "thank", "order.thanked")], &Main::Ends);
    let mut run = app.run();
    drop(run.ready().await);
    for (ty, id, function) in
        [("order.paid", "order-1", "shop-ship"), ("order.thanked", "order-2", "mail-thank")]
    {
        assert_eq!(app.eg(&["emit", "--event", ty, "--id", id, "--data", "{}"]).code, Some(0));
        run.says(&format!("→ {function} failed "), 1).await;
    }

    // The dead letter of the later event is the older one.
    app.service("mail", &[record("mail", "write", "order.thanked")], &Main::Serves);
    run.says("reloaded", 1).await;
    assert!(run.stderr().contains("1 waiting delivery of mail-thank is a dead letter"), "{}", run.stderr());
    app.service("shop", &[record("shop", "send", "order.paid")], &Main::Serves);
    run.says("reloaded", 2).await;
    let shown = run.stderr();
    let reported = "1 waiting delivery of shop-ship is a dead letter, because it no longer subscribes: \
                    `cargo eg dead-letters --function shop-ship` lists them, \
                    `cargo eg replay EVENT --to FUNCTION` delivers their events to another function\n";
    assert!(shown.contains(reported), "{shown}");
    let letters = app.eg(&["dead-letters", "--function", "shop-ship"]).stdout;
    assert!(letters.contains("order.paid order-1"), "{letters}");
    assert_eq!(app.eg(&["replay", "order-1", "--to", "send"]).code, Some(0));
    run.says("→ shop-send delivered", 1).await;
    eventually("it has printed", || run.stderr().contains("| send got {")).await;
}

/// The reload cannot count a delivery whose attempt is still under way.
#[tokio::test]
async fn a_function_that_is_removed_during_an_attempt_leaves_a_dead_letter_at_once() {
    let app = App::new();
    let file = app.path().join("end");
    app.service("shop", &[record("shop", "ship", "order.paid")], &Main::EndsAfter(file));
    let mut run = app.run();
    drop(run.ready().await);
    assert_eq!(app.eg(&["emit", "--event", "order.paid", "--id", "order-1", "--data", "{}"]).code, Some(0));
    run.says("| ship got {", 1).await;
    app.service("shop", &[record("shop", "send", "order.paid")], &Main::Serves);
    run.says("reloaded", 1).await;
    app.write("end", "");
    let reported = "order.paid order-1 → shop-ship dead letter: the subscription was deleted during the attempt, which failed: ";
    run.says(reported, 1).await;
    assert!(!run.stderr().contains("→ shop-ship failed"), "{}", run.stderr());
}
