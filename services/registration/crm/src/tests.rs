//! Tests of the whole service in memory: events in, contacts out.

use std::time::Duration;

use eg_runtime::testing::{Outcome, TestApp};
use eg_tests::moto::Moto;
use registration_faults::Mode;
use serde_json::json;

use time::OffsetDateTime;

use super::*;

fn crm(mode: Mode) -> TestApp {
    let store = Store::in_memory().unwrap();
    let app = App::new().state(Contacts::new(store.clone())).state(Faults::new(mode, store));
    TestApp::new(app).unwrap()
}

fn donald() -> CloudEvent<UserRegistered> {
    let [id, email, name] = ["10", "donald@disney.com", "Donald"].map(str::to_owned);
    CloudEvent::new("/services/users", UserRegistered { id, email, name: Some(name) })
}

async fn deliver(app: &TestApp, event: CloudEvent<Value>) -> Outcome {
    app.deliver(event).await.unwrap().remove(0).outcome
}

/// Returns the outcomes of `attempts` attempts to deliver the same event.
async fn attempts(app: &TestApp, attempts: usize) -> Vec<Outcome> {
    let (event, mut outcomes) = (donald(), Vec::new());
    for _ in 0..attempts {
        outcomes.push(app.deliver(event.clone()).await.unwrap().remove(0).outcome);
    }
    outcomes
}

async fn contact(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/contacts/{id}")).await.json().unwrap()
}

#[tokio::test]
async fn new_users_become_contacts_once() {
    let crm = crm(Mode::Never);
    assert_eq!(attempts(&crm, 2).await, [Outcome::Done, Outcome::Done]);
    let expected = json!({"id": "10", "email": "donald@disney.com", "name": "Donald"});
    assert_eq!(contact(&crm, "10").await, expected);
    assert_eq!(crm.get("/contacts").await.json::<Value>().unwrap(), json!([expected]));
    assert_eq!(crm.get("/contacts/11").await.status(), 404);
}

/// Profiles, accounts, and what other programs emit: the sample event of this service, and that of the original's.
#[tokio::test]
async fn users_of_every_form_become_contacts() {
    let crm = crm(Mode::Never);
    let sample: Value = serde_json::from_str(include_str!("../event.json")).unwrap();
    for (user, id, name) in [
        (
            json!({"id": "1", "firstName": "Donald", "lastName": "Duck", "email": "d@x.org"}),
            "1",
            "Donald Duck",
        ),
        (json!({"id": "2", "name": "Daisy", "email": "daisy@x.org"}), "2", "Daisy"),
        (sample, "20", "Test Williams"),
        (
            json!({"username": "sls-fan", "firstname": "Bill", "lastname": "Jones", "company": "Big Corp, Inc.",
                   "email": "bjones12@bigcorp.com"}),
            "bjones12@bigcorp.com",
            "Bill Jones",
        ),
    ] {
        let event = CloudEvent::of_type("user.created", "/tests", user.clone());
        assert_eq!(deliver(&crm, event).await, Outcome::Done, "{user}");
        let stored = contact(&crm, id).await;
        assert_eq!((&stored["name"], &stored["email"]), (&json!(name), &user["email"]));
    }
    for broken in [json!({"id": "3"}), json!("d@x.org")] {
        let event = CloudEvent::of_type("user.created", "/tests", broken.clone());
        assert!(matches!(deliver(&crm, event).await, Outcome::Rejected(_)), "{broken}");
    }
}

/// A dead letter may be retried after a newer event was handled.
#[tokio::test]
async fn a_late_event_does_not_overwrite_newer_data() {
    let crm = crm(Mode::Never);
    let event =
        |email: &str| CloudEvent::of_type("user.created", "/tests", json!({"id": "1", "email": email}));
    let (old, new) = (event("old@x.org"), event("new@x.org"));
    let later = old.time().map(|time| time + Duration::from_secs(1));
    assert_eq!(deliver(&crm, new.with_time(later)).await, Outcome::Done);
    assert_eq!(deliver(&crm, old).await, Outcome::Done);
    assert_eq!(contact(&crm, "1").await["email"], "new@x.org");
}

#[tokio::test]
async fn it_fails_on_demand_and_for_now_only() {
    let failed = || Outcome::Retry("Can't add user to the CRM".to_owned());
    let broken = crm(Mode::Always);
    assert_eq!(attempts(&broken, 3).await, [failed(), failed(), failed()]);
    assert_eq!(broken.get("/contacts/10").await.status(), 404);

    let shaky = crm(Mode::First(2));
    assert_eq!(attempts(&shaky, 3).await, [failed(), failed(), Outcome::Done]);
    assert_eq!(shaky.get("/contacts/10").await.status(), 200);
}

/// Runs against both backends.
async fn check_repository(store: Store) {
    let contacts = Contacts::new(store.clone());
    let contact = |email: &str| Contact { id: "10".to_owned(), email: email.to_owned(), name: None };
    assert_eq!(contacts.get("10").await.unwrap(), None);
    for email in ["o'brien@x.org", "donald@x.org"] {
        contacts.put(&contact(email), None).await.unwrap();
        assert_eq!(contacts.get("10").await.unwrap(), Some(contact(email)));
    }
    contacts.put(&contact("old@x.org"), Some(OffsetDateTime::UNIX_EPOCH)).await.unwrap();
    assert_eq!(contacts.all().await.unwrap(), [contact("donald@x.org")]);
    let faults = Faults::new(Mode::First(1), store);
    assert!(faults.strike("event 1").await.unwrap());
    assert!(!faults.strike("event 1").await.unwrap());
}

#[tokio::test]
async fn contacts_in_memory() {
    check_repository(Store::in_memory().unwrap()).await;
}

#[tokio::test]
async fn contacts_in_a_table() {
    let Some(moto) = Moto::start() else { return };
    check_repository(service_storage::testing::table(&moto.url, "crm").await).await;
}
