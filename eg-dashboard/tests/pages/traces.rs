//! Where a trace begins.

use eg_sdk::config::{EventType, Subscription};
use eg_sdk::history::EventFilter;
use eg_tests::eventually;

use crate::site::Site;

/// Returns the page with the trace of the newest `email.sent`.
async fn trace(site: &Site, path: &str) -> String {
    let filter = EventFilter { ty: Some("email.sent".to_owned()), ..EventFilter::default() };
    eventually("the event and its request", async || {
        let event = site.api.history().events(&filter, 1).await.unwrap().pop()?;
        let page = site.text(&format!("/dashboard/spaces/default/events/{}/trace", event.event_id)).await;
        page.contains(path).then_some(page)
    })
    .await
}

async fn site(calls: usize) -> Site {
    let site = Site::with(|options| options.recent_calls = calls).await;
    site.register().await;
    site.api.event_types().create(&EventType::new("http.request")).await.unwrap();
    site.api.subscriptions().create(&Subscription::http("POST", "/signup", "mail")).await.unwrap();
    let answer =
        site.client.post(format!("{}/signup", site.gateway.events_url())).body("x").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "signed up");
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_begins_with_the_request_and_its_function() {
    let site = site(100).await;
    let page = trace(&site, "POST /signup").await;
    assert!(page.contains("from the first request to the last result"), "{page}");
    assert!(page.contains("POST /signup</a> mail <span class=\"chip delivered\">200</span>"), "{page}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_call_a_request_is_named_by_its_id() {
    let site = site(0).await;
    let page = trace(&site, "an HTTP request that was answered").await;
    assert!(!page.contains("/signup") && page.contains("from the first event"), "{page}");
    site.stop().await;
}
