//! How long each view takes with many events in the store, and pictures of the pages. Both are made by hand: see README.md.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_sdk::CloudEvent;
use eg_tests::browser::Browser;
use eg_tests::webdriver::Screen;
use serde_json::json;

use crate::accessible::screen;
use crate::site::Site;

/// The views, and the requests that are repeated for each.
const VIEWS: [(&str, &str); 8] = [
    ("Events", "/events"),
    ("Events of one type", "/events?type=user.created"),
    ("Events with a text that none has", "/events?text=nowhere"),
    ("Events that failed for a function", "/events?state=dead&function=crm"),
    ("Event", "/events/middle"),
    ("Trace", "/events/middle/trace"),
    ("Dead letters", "/dead-letters"),
    ("Health", "/health"),
];

/// Emits `count` events, of which one has a known id, and returns the slowest of ten requests for each view.
async fn measured(count: usize) -> Vec<(&'static str, Duration)> {
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
    for (view, path) in VIEWS {
        let mut slowest = Duration::ZERO;
        for _ in 0..10 {
            let started = Instant::now();
            site.text(&format!("/dashboard/spaces/default{path}")).await;
            slowest = slowest.max(started.elapsed());
        }
        table.push((view, slowest));
    }
    site.stop().await;
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_works_with_many_events() {
    assert_eq!(measured(2_000).await.len(), VIEWS.len());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; prints the table in README.md"]
async fn views_with_100_000_events() {
    for (view, slowest) in measured(100_000).await {
        println!("| {view} | {} ms |", slowest.as_millis());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes pictures of the pages into the folder in EG_PICTURES"]
async fn pictures() {
    let folder = std::path::PathBuf::from(std::env::var_os("EG_PICTURES").unwrap());
    let browser = Browser::start(Screen::Window).await.unwrap();
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
        ("health", "/health".to_owned()),
        ("send", "/send?type=user.created".to_owned()),
        ("no-page", "/nothing".to_owned()),
    ];
    browser
        .run(async |session| {
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
        })
        .await;
    site.stop().await;
}
