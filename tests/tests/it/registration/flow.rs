//! Tests one and many registrations.

use std::time::Duration;

use eg_tests::{PATIENCE, http};
use serde_json::{Value, json};

use super::support::{ATTEMPTS, CRM, FAILED, Registration, failures, ids};

#[tokio::test(flavor = "multi_thread")]
async fn who_registers_is_written_to_recorded_annotated_and_added_to_the_crm() {
    let app = Registration::start(&[]).await;
    let user = app.register(" Donald.Duck@Disney.com").await;
    assert_eq!(user["email"], "donald.duck@disney.com");
    let (status, read) = {
        let url = format!("{}/users/{}", app.app.events, user["id"].as_str().unwrap());
        let response = http().get(url).send().await.unwrap();
        (response.status(), response.json::<Value>().await.unwrap())
    };
    assert_eq!((status.as_u16(), read), (200, json!({"id": user["id"], "email": user["email"]})));

    app.settle(PATIENCE).await;
    let registered = app.events("user.registered").await;
    assert_eq!((registered.len(), &registered[0]["data"]), (1, &user), "what is answered is what is told");
    let cause = &registered[0]["id"];
    let sent = app.events("email.sent").await;
    let letter = json!({"id": user["id"], "email": user["email"], "subject": "Welcome!"});
    assert_eq!((sent.len(), &sent[0]["data"], &sent[0]["id"]), (1, &letter, cause));
    let annotated = app.events("user.annotated").await;
    assert_eq!((annotated.len(), &annotated[0]["data"]["email"]), (1, &user["email"]));
    assert_eq!(annotated[0]["data"]["entities"].as_array().unwrap().len(), 5);
    let rows = app.get("/analytics/user.registered").await;
    assert_eq!((rows.len(), &rows[0]["event"], &rows[0]["id"]), (1, &json!("user.registered"), cause));
    assert_eq!(serde_json::from_str::<Value>(rows[0]["data"].as_str().unwrap()).unwrap(), user);
    assert!(app.dead_letters().await.is_empty());
    assert!(app.get("/alerts").await.is_empty());

    // Without an address, no event is emitted.
    let required = (400, json!({"message": "Email is required"}));
    for form in [json!({}), json!({"email": "donald"}), json!({"name": "Donald"})] {
        assert_eq!(app.post_user(&form).await, required, "{form}");
    }
    app.settle(PATIENCE).await;
    assert_eq!(app.events("user.registered").await.len(), 1);
    app.stop().await;
}

/// Rows are written before their events count as delivered, so a power cut in between neither loses nor duplicates
/// any.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_registered_before_a_power_cut_is_recorded_once() {
    let app = Registration::start(&[]).await;
    let users = app.register_many(20).await;
    let app = app.cut_power().await;
    app.settle(PATIENCE).await;
    let rows = app.get("/analytics/user.registered").await;
    let recorded: Vec<Value> =
        rows.iter().map(|row| serde_json::from_str(row["data"].as_str().unwrap()).unwrap()).collect();
    assert_eq!((rows.len(), ids(&recorded, "id")), (users.len(), ids(&users, "id")));
    assert_eq!(app.events("email.sent").await.len(), users.len());
    app.stop().await;
}

/// With a CRM that never works, all other functions do their work, and the CRM's events are kept. `REGISTRATIONS`
/// sets the number of registrations. The gateway calls a function that keeps failing only once per second, so each
/// takes three seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_registrations_with_a_broken_crm() {
    let count: usize = std::env::var("REGISTRATIONS").map_or(20, |count| count.parse().unwrap());
    let patience = Duration::from_secs(60) + Duration::from_secs(5) * u32::try_from(count).unwrap();
    let app = Registration::start(&[("CRM_FAILURE", "always")]).await;
    let users = app.register_many(count).await;
    let books = app.settle(patience).await;
    assert_eq!((&books["dead"], &books["expired"]), (&json!(count), &json!(0)));

    let registered = app.events("user.registered").await;
    let events = ids(&registered, "id");
    assert_eq!(
        (ids(registered.iter().map(|event| &event["data"]), "id"), events.len()),
        (ids(&users, "id"), count)
    );
    let rows = app.get("/analytics/user.registered").await;
    assert_eq!((rows.len(), ids(&rows, "id")), (count, events.clone()), "a row for each");
    for ty in ["email.sent", "user.annotated"] {
        let told = app.events(ty).await;
        assert_eq!((told.len(), ids(&told, "id")), (count, events.clone()), "{ty} for each");
    }
    let letters = app.dead_letters().await;
    assert_eq!((letters.len(), ids(&letters, "eventId")), (count, events.clone()), "a dead letter for each");
    for letter in &letters {
        let attempts = letter["attempts"].as_array().unwrap().len();
        assert_eq!((letter["functionId"].as_str(), attempts), (Some(CRM), ATTEMPTS), "{letter}");
    }
    let alerts = app.get("/alerts").await;
    assert_eq!(
        (alerts.len(), ids(&alerts, "eventId")),
        (count, events),
        "an alert for each, not for each attempt"
    );
    assert_eq!(
        failures(&app.events(FAILED).await),
        std::collections::BTreeMap::from([(CRM.to_owned(), count * ATTEMPTS)])
    );
    app.stop().await;
}
