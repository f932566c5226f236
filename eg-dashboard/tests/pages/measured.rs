//! How long each view takes with many events in the store, and pictures of the pages. Both are made by hand: see README.md.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_sdk::CloudEvent;
use eg_tests::browser::Browser;
use eg_tests::webdriver::Screen;
use serde_json::json;

use crate::accessible::screen;
use crate::site::{BROKEN, Site};

/// The views, the requests that are repeated for each, and a text that each answer must contain.
const VIEWS: [(&str, &str, &str); 10] = [
    ("Events", "/events", "user.visited</a>"),
    ("Events of one type", "/events?type=user.created", "user.created</a>"),
    ("Events with a text that none has", "/events?text=nowhere", "<p class=\"empty\">No"),
    ("Events that failed for a function", "/events?state=dead&function=crm", "user.created</a>"),
    ("Event", "/events/middle", "Replay to all"),
    ("Trace", "/events/middle/trace", "email.sent</a>"),
    ("Dead letters", "/dead-letters", BROKEN),
    ("Functions", "/functions", "Last failure"),
    ("Logs", "/logs", "class=\"call\""),
    ("Health", "/health", "Every delivery is accounted for"),
];

/// Emits `count` events, of which one has a known id, and returns the slowest of `repeats` requests for each view.
async fn measured(count: usize, repeats: usize) -> Vec<(&'static str, Duration)> {
    let site = Site::start().await;
    site.register().await;
    let events = (0..count).map(|at| {
        let (ty, id) = match at {
            at if at == count / 2 => ("user.created", "middle".to_owned()),
            at if at % 100 == 0 => ("user.created", format!("user-{at}")),
            at => ("user.visited", format!("visit-{at}")),
        };
        CloudEvent::of_type(ty, "/services/users", json!({"amount": at, "page": "/home"})).with_id(id)
    });
    for outcome in site.api.emit_batch(events).await {
        outcome.unwrap();
    }
    site.ended("middle").await;
    let mut table = Vec::new();
    for (view, path, expected) in VIEWS {
        let mut slowest = Duration::ZERO;
        for _ in 0..repeats {
            let started = Instant::now();
            let page = site.text(&format!("/dashboard/spaces/default{path}")).await;
            slowest = slowest.max(started.elapsed());
            assert!(page.contains(expected), "{path}: {page}");
        }
        table.push((view, slowest));
    }
    site.stop().await;
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_works_with_many_events() {
    measured(2_000, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; prints the table in README.md"]
async fn views_with_100_000_events() {
    for (view, slowest) in measured(100_000, 10).await {
        println!("| {view} | {} ms |", slowest.as_millis());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes pictures of the pages into the folder in EG_PICTURES"]
async fn pictures() {
    let folder = std::path::PathBuf::from(std::env::var_os("EG_PICTURES").unwrap());
    let browser = Browser::start(Screen::Window).await.unwrap();
    browser
        .run(async |session| {
            let site = Site::start().await;
            site.register().await;
            for at in 1..=24 {
                let amount = at * 137 % 1_000;
                site.emit(&format!("0199a5c3-7d24-7b1e-9c55-02c1f3ee5f{at:02x}"), "user.created", &json!({
                    "id": at.to_string(), "firstName": "Donald", "lastName": "Duck", "email": "donald.duck@disney.com",
                    "amount": amount, "tags": ["new", "eu"],
                }))
                .await;
                if at == 18 {
                    site.fix_crm();
                }
            }
            let space = "/dashboard/spaces/default";
            let event = "/events/0199a5c3-7d24-7b1e-9c55-02c1f3ee5f12";
            let views = [
                ("events", "/events".to_owned()),
                ("event", event.to_owned()),
                ("trace", format!("{event}/trace")),
                ("dead-letters", "/dead-letters".to_owned()),
                ("functions", "/functions".to_owned()),
                ("logs", "/logs".to_owned()),
                ("map", "/map".to_owned()),
                ("catalogue", "/catalogue".to_owned()),
                ("health", "/health".to_owned()),
                ("send", "/send?type=user.created".to_owned()),
                ("no-page", "/nothing".to_owned()),
            ];
            for (name, path) in &views {
                for (kind, width, is_dark) in
                    [("light", 1280, false), ("dark", 1280, true), ("phone", 390, false)]
                {
                    screen(session, width, is_dark).await;
                    session.goto(&site.page(&format!("{space}{path}"))).await;
                    let picture = json!({"format": "webp", "quality": 80});
                    let made = session.devtools("Page.captureScreenshot", &picture).await;
                    let bytes = STANDARD.decode(made["data"].as_str().unwrap()).unwrap();
                    std::fs::write(folder.join(format!("dashboard-{name}-{kind}.webp")), bytes).unwrap();
                }
            }
            site.stop().await;
        })
        .await;
}
