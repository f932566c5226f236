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
    // No function answers there any more.
    becomes("/show", 404, "no function answers `GET /show`").await;
    run.says("  gone  shop-show\n", 1).await;

    // Two names for one parameter would be a conflict, but one can replace the other.
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

/// Edits a service's `main.rs` in a way that compiles and changes its binary.
fn edit(app: &App, marker: &str) {
    let path = app.path().join("services/shop/src/main.rs");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, format!("{text}\n#[used]\nstatic {marker}: u8 = 1;\n")).unwrap();
}

#[tokio::test]
async fn a_build_script_that_writes_the_same_text_causes_no_build() {
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves);
    app.write(
        "services/shop/build.rs",
        "fn main() { std::fs::write(\"src/generated.rs\", \"// 7\\n\").unwrap(); }",
    );
    app.write("services/shop/src/generated.rs", "// 7\n");
    let main = app.path().join("services/shop/src/main.rs");
    let text = std::fs::read_to_string(&main).unwrap();
    std::fs::write(main, format!("{text}\nmod generated;\n")).unwrap();
    let mut run = app.run();
    drop(run.ready().await);
    // A build that the first one caused would come before the second one.
    edit(&app, "FIRST");
    run.says("reloaded", 1).await;
    edit(&app, "SECOND");
    run.says("reloaded", 2).await;
    let shown = run.stderr();
    assert_eq!(shown.matches(" changed: building\n").count(), 2, "{shown}");
    assert!(!shown.contains("generated.rs"), "{shown}");
}

#[tokio::test]
async fn the_files_that_cargo_has_read_count_whatever_their_names_are() {
    let app = App::new();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("mod.rs"), "#[used]\nstatic S: u8 = 1;\n").unwrap();
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves);
    let source = |name: &str| format!("services/shop/src/{name}");
    app.write(&source("target/mod.rs"), "#[used]\nstatic T: u8 = 1;\n");
    app.write(&source("note.log"), "1");
    std::os::unix::fs::symlink(elsewhere.path(), app.path().join(source("shared"))).unwrap();
    let main = app.path().join(source("main.rs"));
    let text = std::fs::read_to_string(&main).unwrap();
    let uses = "mod target; mod shared;\n#[used]\nstatic NOTE: [u8; 1] = *include_bytes!(\"note.log\");\n";
    std::fs::write(main, format!("{text}\n{uses}")).unwrap();
    let mut run = app.run();
    drop(run.ready().await);
    app.write(&source("unused.rs"), "no module");
    app.write("services/shop/out.csv", "1,2");
    app.write(&source("target/mod.rs"), "#[used]\nstatic T: u8 = 2;\n");
    run.says("reloaded", 1).await;
    std::fs::write(elsewhere.path().join("mod.rs"), "#[used]\nstatic S: u8 = 2;\n").unwrap();
    run.says("reloaded", 2).await;
    app.write(&source("note.log"), "2");
    run.says("reloaded", 3).await;
    let shown = run.stderr();
    assert_eq!(shown.matches(" changed: building\n").count(), 3, "{shown}");

    // While the sources do not build, every file in the package may be what is missing.
    let main = std::fs::read_to_string(app.path().join(source("main.rs"))).unwrap();
    app.write(&source("main.rs"), &format!("{main}\nmod missing;\n"));
    run.says("not reloaded", 1).await;
    app.write(&source("missing.rs"), "#[used]\nstatic M: u8 = 1;\n");
    run.says("reloaded", 5).await;
}

#[tokio::test]
async fn a_function_may_write_into_its_folder() {
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves);
    let program = crate::support::example("fixture");
    let script = |word: &str| {
        format!(
            "echo {word} $$ >> visits.csv\necho '{{\"id\": '$$'}}' > state.json\nexec {}\n",
            program.display()
        )
    };
    app.write("functions/pictures/app.sh", &script("first"));
    app.write(
        "functions/pictures/eg.toml",
        "[[function]]\nname = \"resize\"\ncommand = [\"sh\", \"app.sh\"]\ntriggers = [{ event = \"picture.uploaded\" }]\n",
    );
    let mut run = app.run_with(&["services", "functions"]);
    drop(run.ready().await);
    for (count, word) in ["second", "third"].into_iter().enumerate() {
        app.write("functions/pictures/app.sh", &script(word));
        run.says(": pictures-resize\n", count + 1).await;
    }
    let shown = run.stderr();
    assert_eq!(shown.matches(" changed: building\n").count(), 2, "{shown}");
    let visits = std::fs::read_to_string(app.path().join("functions/pictures/visits.csv")).unwrap();
    let words: Vec<_> = visits.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(words, ["first", "second", "third"]);
}

#[tokio::test]
async fn a_broken_manifest_is_named_and_can_be_corrected() {
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves);
    let mut run = app.run();
    drop(run.ready().await);
    let manifest = std::fs::read_to_string(app.path().join("services/shop/Cargo.toml")).unwrap();
    app.write("services/shop/Cargo.toml", &manifest.replace("[package]", "[package"));
    run.says("not reloaded", 1).await;
    let shown = run.stderr();
    assert!(
        shown.contains("error: cargo cannot read ") && shown.contains("services/shop/Cargo.toml"),
        "{shown}"
    );
    assert!(shown.contains("hint: correct the file that the message names\n"), "{shown}");
    app.write("services/shop/Cargo.toml", &manifest);
    run.says("no function had to restart", 1).await;
}
