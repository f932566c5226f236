//! Tests that `cargo eg run` reloads changed sources: new code takes over while events and requests keep coming.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::app::{App, Main, record};
use crate::support::http;
use crate::support::load::{Load, SlowBuild};
use reqwest::StatusCode;

#[tokio::test]
async fn a_thousand_events_during_a_rebuild_are_all_delivered() {
    let (app, build) = (App::new(), SlowBuild::new());
    let functions = [record("shop", "list", "GET /list"), record("shop", "ship", "order.paid")];
    app.service("shop", &functions, &Main::Says("has"));
    app.write("services/shop/build.rs", &build.script());
    let mut run = app.run();
    let url = run.ready().await;
    let (events, client) = (url("events"), http());

    // A client sends requests all the time, and always gets an answer.
    let over = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn({
        let (client, url, over) = (client.clone(), format!("{events}/list"), Arc::clone(&over));
        async move {
            let mut answers = 0;
            while !over.load(Ordering::Relaxed) {
                let answer = client.get(&url).send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
                answers += 1;
            }
            answers
        }
    });

    build.hold();
    app.service("shop", &functions, &Main::Says("holds"));
    let load = Load { client: &client, url: &events, ty: "order.paid" };
    load.during(&build, || app.log("shop-ship"), "ship has ", "ship holds ", run.says("reloaded", 1)).await;
    over.store(true, Ordering::Relaxed);
    assert!(asking.await.unwrap() > 0);
}

#[tokio::test]
async fn a_broken_build_keeps_the_old_version_and_routes_follow_the_code() {
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves);
    let mut run = app.run();
    let url = run.ready().await;
    let get = async |path: &str| {
        let answer = http().get(url("events") + path).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let becomes = async |path: &str, status: u16, text: &str| {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let answer = get(path).await;
            if answer.0 == status && answer.1.contains(text) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{path} does not become {status} {text}: {answer:?}\n{}",
                run.stderr()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let list = [record("shop", "list", "GET /list")];

    app.service("shop", &list, &Main::Other("fn main() { let x: u8 = \"\"; }"));
    run.says("error: shop not built\nhint: the compiler's messages are above\nnot reloaded", 1).await;
    let shown = run.stderr();
    assert!(shown.contains("mismatched types") && shown.contains(" changed: building\n"), "{shown}");
    assert_eq!(get("/list").await, (200, "from list".to_owned()));

    // Code that builds but does not start does not replace the old version either.
    let ends = Main::Other("fn main() { eprintln!(\"SHOP_DB is not set\"); std::process::exit(3); }");
    app.service("shop", &list, &ends);
    run.says("function shop-list cannot start: Runtime exited", 1).await;
    assert_eq!(get("/list").await, (200, "from list".to_owned()));

    // While another function takes over the route, each request reaches one of the two.
    let over = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn({
        let (client, url, over) = (http(), url("events") + "/list", Arc::clone(&over));
        async move {
            while !over.load(Ordering::Relaxed) {
                let answer = client.get(&url).send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
            }
        }
    });
    let more = [record("shop", "index", "GET /list"), record("shop", "show", "GET /show")];
    app.service("shop", &more, &Main::Serves);
    becomes("/list", 200, "from index").await;
    over.store(true, Ordering::Relaxed);
    asking.await.unwrap();
    becomes("/show", 200, "from show").await;
    run.says("  new   shop-show   GET /show\n", 1).await;
    run.says("  gone  shop-list\n", 1).await;

    // A whole service that was not there when the app started.
    app.service("mail", &[record("mail", "inbox", "GET /inbox")], &Main::Serves);
    becomes("/inbox", 200, "from inbox").await;
    run.says("  new  mail-inbox  GET /inbox\n", 1).await;

    app.service("shop", &more[..1], &Main::Serves);
    // Nothing answers there any more; a request becomes an event without subscribers.
    becomes("/show", 202, "").await;
    run.says("  gone  shop-show\n", 1).await;

    // Two names for one parameter cannot coexist, but one can replace the other.
    for (name, route) in [("by_id", "GET /items/:id"), ("by_name", "GET /items/:name")] {
        app.service("shop", &[more[0].clone(), record("shop", name, route)], &Main::Serves);
        becomes("/items/1", 200, &format!("from {name}")).await;
    }
}

#[tokio::test]
async fn a_library_that_a_service_depends_on_is_followed_too() {
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves);
    let mut run = app.run();
    let url = run.ready().await;
    app.write("eg-runtime/src/lib.rs", "pub fn unused() {}\n");
    run.says("eg-runtime/src/lib.rs changed: building\n", 1).await;
    // Changes of other files have no effect.
    app.write("README.md", "words");
    app.write("services/shop/src/main.rs.swp", "an editor's");
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Says("sees"));
    let deadline = Instant::now() + Duration::from_secs(120);
    while !app.log("shop-list").contains("list sees ") {
        assert!(Instant::now() < deadline, "{}", run.stderr());
        http().get(url("events") + "/list").send().await.unwrap();
    }
    let shown = run.stderr();
    assert!(!shown.contains("README") && !shown.contains(".swp"), "{shown}");
}
