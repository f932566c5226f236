//! Tests that a failing function affects no other function, and that the admin is not flooded with reports.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use eg_sdk::config::{Function, Provider, Subscription};
use eg_tests::{PATIENCE, eventually, http};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::support::{ATTEMPTS, CRM, FAILED, Registration, failures};

/// The CRM fails twice for each event and then works: nothing is lost, and the admin gets one report.
#[tokio::test(flavor = "multi_thread")]
async fn a_crm_that_recovers_gets_its_users() {
    let app = Registration::start(&[("CRM_FAILURE", "first:2")]).await;
    let user = app.register("donald@disney.com").await;
    app.settle(PATIENCE).await;
    assert!(app.dead_letters().await.is_empty());
    assert_eq!(failures(&app.events(FAILED).await), BTreeMap::from([(CRM.to_owned(), 2)]));
    let alerts = app.get("/alerts").await;
    assert_eq!((alerts.len(), &alerts[0]["function"]), (1, &json!(CRM)), "one alert for two failed attempts");
    assert_eq!(alerts[0]["message"], "Retry: Can't add user to the CRM");
    assert_eq!(app.get("/contacts").await, [json!({"id": user["id"], "email": "donald@disney.com"})]);
    app.stop().await;
}

/// The CRM fails at once, and another subscriber never answers. The original gateway called one subscriber after the
/// other.
#[tokio::test(flavor = "multi_thread")]
async fn who_fails_and_who_never_answers_delays_nobody() {
    const COUNT: usize = 10;
    let app = Registration::start(&[("CRM_FAILURE", "always")]).await;
    // Connections are established but never accepted.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let gateway = app.app.gateway();
    gateway.functions().create(&Function::new("silent", Provider::Http { url })).await.unwrap();
    let subscription = Subscription::asynchronous("user.registered", "silent");
    gateway.subscriptions().create(&subscription).await.unwrap();

    app.register_many(COUNT).await;
    app.eventually_events("email.sent", COUNT).await;
    app.eventually_events("user.annotated", COUNT).await;
    eventually("all rows", async || {
        (app.get("/analytics/user.registered").await.len() == COUNT).then_some(())
    })
    .await;
    let event = &app.events("user.registered").await[0]["id"];
    let url = format!(
        "{}/v1/spaces/default/events/{}?source=/services/users",
        app.app.config,
        event.as_str().unwrap()
    );
    let is_other = |delivery: &&Value| !["silent", CRM].contains(&delivery["functionId"].as_str().unwrap());
    let deliveries = eventually("the others to be done", async || {
        let event: Value = http().get(&url).send().await.unwrap().json().await.unwrap();
        let deliveries = event["deliveries"].as_array().unwrap().clone();
        deliveries.iter().filter(is_other).all(|one| one["state"] == "delivered").then_some(deliveries)
    })
    .await;
    assert_eq!(deliveries.len(), 6);
    for delivery in deliveries.iter().filter(is_other) {
        assert_eq!(delivery["attempts"].as_array().unwrap().len(), 1, "{delivery}");
    }
    assert!(deliveries.iter().any(|one| one["functionId"] == "silent" && one["state"] != "delivered"));
    app.app.program.kill().await;
}

/// The original gateway reported the error handler's own errors to it, in an endless loop.
#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_fails_raises_no_alert() {
    let app = Registration::start(&[("CRM_FAILURE", "always"), ("ALERT_FAILURE", "always")]).await;
    app.register("donald@disney.com").await;
    let letters = eventually("the CRM's dead letter", async || {
        Some(app.dead_letters().await).filter(|letters| !letters.is_empty())
    });
    assert_eq!(letters.await[0]["functionId"], CRM);
    let reports = app.eventually_events(FAILED, ATTEMPTS).await;
    // Waits until each report has been attempted and has failed, then checks that this caused no further report.
    for report in &reports {
        let id = report["eventID"].as_str().or(report["id"].as_str()).unwrap();
        let url = format!("{}/v1/spaces/default/events/{id}", app.app.config);
        eventually("a failed alert", async || {
            let event: Value = http().get(&url).send().await.unwrap().json().await.unwrap();
            let deliveries = event["deliveries"].as_array().unwrap().clone();
            let alert = deliveries.iter().find(|one| one["functionId"] == "errors-alert_admin").unwrap();
            let attempts = alert["attempts"].as_array().unwrap();
            attempts.iter().any(|attempt| attempt["outcome"] == "failed").then_some(())
        })
        .await;
    }
    assert_eq!(failures(&app.events(FAILED).await), BTreeMap::from([(CRM.to_owned(), ATTEMPTS)]));
    assert!(app.get("/alerts").await.is_empty());
    app.stop().await;
}
