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
    assert_eq!((status.as_u16(), &read), (200, &json!({"id": user["id"], "email": user["email"]})));

    app.settle(PATIENCE).await;
    let registered = app.events("user.registered").await;
    assert_eq!((registered.len(), &registered[0]["data"]), (1, &read), "the user, without the session");
    let cause = &registered[0]["id"];
    let sent = app.events("email.sent").await;
    let letter = json!({"id": user["id"], "email": user["email"], "subject": "Welcome!"});
    assert_eq!((sent.len(), &sent[0]["data"]), (1, &letter));
    let annotated = app.events("user.annotated").await;
    assert_eq!((annotated.len(), &annotated[0]["data"]["email"]), (1, &user["email"]));
    // Each event has an id of its own and names its cause.
    for event in [&sent[0], &annotated[0]] {
        assert_eq!(&event["causationid"], cause, "{event}");
    }
    assert_eq!(ids([&registered[0], &sent[0], &annotated[0]], "id").len(), 3);
    assert_eq!(annotated[0]["data"]["entities"].as_array().unwrap().len(), 5);
    let rows = app.get("/analytics/user.registered").await;
    assert_eq!((rows.len(), &rows[0]["event"], &rows[0]["id"]), (1, &json!("user.registered"), cause));
    assert_eq!(serde_json::from_str::<Value>(rows[0]["data"].as_str().unwrap()).unwrap(), read);
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

/// The session is a secret between the service and its user. It was readable at `GET /analytics/user.registered`.
#[tokio::test(flavor = "multi_thread")]
async fn no_event_row_or_log_contains_a_session() {
    let app = Registration::start(&[("CRM_FAILURE", "first:1")]).await;
    let user = app.register("donald@disney.com").await;
    let session = user["session"].as_str().unwrap();
    let click = json!({"target": "homepage.button.event-driven", "session": session});
    let event =
        json!({"specversion": "1.0", "id": "1", "source": "/web", "type": "user.clicked", "data": click});
    assert_eq!(app.post("/clicks", &[("content-type", "application/cloudevents+json")], &event).await.0, 202);
    app.settle(PATIENCE).await;
    for path in ["/analytics/user.registered", "/analytics/user.clicked", "/alerts", "/contacts", "/email"] {
        let rows = app.get(path).await;
        assert!(!rows.is_empty(), "{path}");
        assert!(!json!(rows).to_string().contains(session), "{path}: {rows:?}");
    }
    let events = app.list("events", "", |page| page.get("next").cloned()).await;
    assert!(events.len() > 4 && !json!(events).to_string().contains(session), "{events:?}");
    let logs = walk(&app.state.path().join("logs"));
    assert!(!logs.is_empty());
    for log in logs {
        assert!(!std::fs::read_to_string(&log).unwrap().contains(session), "{}", log.display());
    }
    app.stop().await;
}

/// Returns the files below a folder.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
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
        assert_eq!((told.len(), ids(&told, "causationid")), (count, events.clone()), "{ty} for each");
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
