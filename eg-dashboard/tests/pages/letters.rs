//! Dead letters in groups: which ones an action changes, and what visitors learn if it changes only some of them.

use std::net::Ipv4Addr;

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response as Answer};
use axum::routing::get;
use axum::{Json, Router};
use eg_dashboard::{Options, router};
use eg_sdk::config::Subscription;
use eg_sdk::history::Loss;
use eg_sdk::{EventGateway, Settings};
use reqwest::Response;
use serde_json::json;
use tokio::net::TcpListener;

use crate::site::{BROKEN, Site};

const LETTERS: &str = "/dashboard/spaces/default/dead-letters";
const GROUP: &str = "/dashboard/spaces/default/dead-letters/group";

/// Returns the value of the first hidden field with this name.
fn field(page: &str, name: &str) -> String {
    let (_, rest) =
        page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{name}: {page}"));
    rest.split_once('"').unwrap().0.to_owned()
}

/// Returns the address of the first link to a page with this path.
fn link(page: &str, path: &str) -> String {
    let (_, rest) = page.split_once(&format!("href=\"{path}?")).unwrap_or_else(|| panic!("{path}: {page}"));
    let query = rest.split_once('"').unwrap().0.replace("&amp;", "&");
    format!("{path}?{query}")
}

/// Returns the ids of all dead letters, the newest first.
async fn letters(site: &Site) -> Vec<i64> {
    let (mut ids, mut before) = (Vec::new(), None);
    loop {
        let page = site.api.dead_letters().page(Loss::Dead, before, 500).await.unwrap();
        ids.extend(page.dead_letters.iter().map(|letter| letter.dead_letter_id));
        before = page.next;
        if before.is_none() {
            return ids;
        }
    }
}

async fn act(site: &Site, ids: &str, what: &str) -> Response {
    let token = site.token().await;
    let form = [("token", &*token), ("do", what), ("ids", ids), ("function", "crm"), ("state", "dead")];
    site.post(GROUP, &form).await
}

/// The buttons of an older page acted on the group of the newest page, and on dead letters that came later.
#[tokio::test(flavor = "multi_thread")]
async fn a_button_changes_the_dead_letters_that_its_page_shows() {
    let site = Site::start().await;
    site.register().await;
    // A page ends when its events reach 4 MiB, so these are two pages with one group each.
    let large = json!({"amount": 5, "text": "x".repeat(1_500_000)});
    for id in ["1", "2", "3", "4"] {
        site.emit(id, "user.created", &large).await;
    }
    let all = letters(&site).await;
    let first = site.text(LETTERS).await;
    assert_eq!(field(&first, "ids"), format!("{},{},{}", all[0], all[1], all[2]));
    let older = site.text(&format!("{LETTERS}?state=dead&before={}", all[2])).await;
    assert_eq!(field(&older, "ids"), all[3].to_string());

    // The question before a discard is about the same dead letters, whatever has arrived since then.
    let question = site.text(&link(&older, GROUP)).await;
    assert!(question.contains("Discard 1 dead letter?"), "{question}");
    let ids = field(&question, "ids");
    assert_eq!((&*ids, field(&question, "before")), (&*all[3].to_string(), all[2].to_string()));
    site.emit("5", "user.created", &json!({"amount": 5})).await;
    let discarded = act(&site, &ids, "discard").await;
    assert_eq!(discarded.status(), 303);
    let left = letters(&site).await;
    assert_eq!((left.len(), &left[1..]), (4, &all[..3]));

    site.fix_crm();
    let retried = act(&site, &field(&first, "ids"), "retry").await;
    assert!(retried.headers()["location"].to_str().unwrap().ends_with("done=retried&n=3"), "{retried:?}");
    assert_eq!(letters(&site).await, left[..1]);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_cannot_change_all_says_so() {
    let site = Site::start().await;
    site.register().await;
    site.emit("1", "user.created", &json!({"amount": 5})).await;
    let of_crm = letters(&site).await[0];
    // Another function that fails, and whose subscription is then deleted.
    let subscription = Subscription::asynchronous("email.sent", "crm");
    let subscription = site.api.subscriptions().create(&subscription).await.unwrap();
    site.emit("2", "email.sent", &json!({})).await;
    site.api.subscriptions().delete(&subscription.subscription_id).await.unwrap();
    let orphan = letters(&site).await[0];
    assert_ne!(orphan, of_crm);

    let answer = act(&site, &format!("{orphan},{of_crm}"), "retry").await;
    assert_eq!(answer.status(), 409);
    let page = answer.text().await.unwrap();
    for text in ["Only some were changed", "1 of 2 were changed", "The subscription of `crm` was deleted"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let answer = act(&site, &orphan.to_string(), "retry").await;
    assert_eq!(answer.status(), 422);
    let page = answer.text().await.unwrap();
    assert!(page.contains("Nothing was changed") && page.contains("was deleted"), "{page}");
    // Somebody else was faster.
    assert_eq!(act(&site, "999999", "discard").await.status(), 303);
    assert_eq!(act(&site, "1,x", "discard").await.status(), 400);
    site.stop().await;
}

/// An export whose second page failed ended like a complete one.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_fails_does_not_look_complete() {
    async fn answer(RawQuery(query): RawQuery) -> Answer {
        if query.unwrap_or_default().contains("before=") {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let letter = json!({
            "deadLetterId": 9, "subscriptionId": "s", "functionId": "crm", "eventId": "1", "eventType": "user.created",
            "source": "/s", "state": "dead", "reason": BROKEN, "acceptedAt": "2026-01-31T12:00:00Z", "deadAt": "2026-01-31T12:00:01Z",
            "attempts": [], "event": {},
        });
        Json(json!({"deadLetters": [letter], "next": 9})).into_response()
    }
    let serve = async |routes: Router| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        url
    };
    let gateway = serve(Router::new().route("/v1/spaces/default/dead-letters", get(answer))).await;
    let mut settings = Settings::default();
    (settings.url, settings.config_url) = (gateway.clone(), Some(gateway.clone()));
    let pages = serve(router(Options {
        gateway: EventGateway::with_settings(settings).unwrap(),
        events_url: gateway.clone(),
        names: eg_grammar::OwnNames::new(Ipv4Addr::LOCALHOST.into()),
        any_host: false,
        secure: false,
        ticket: None,
    }))
    .await;
    let export = reqwest::get(format!("{pages}{LETTERS}/export")).await.unwrap();
    assert_eq!(export.status(), 200);
    export.text().await.unwrap_err();
}
