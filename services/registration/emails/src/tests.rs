//! Tests of the whole service in memory: events and requests in, letters and events out.

use eg_runtime::testing::{Outcome, TestApp};
use eg_tests::moto::Moto;
use serde_json::{Value, json};

use super::*;

fn emails() -> TestApp {
    TestApp::new(App::new().state(Letters::new(Store::in_memory().unwrap()))).unwrap()
}

async fn letters(app: &TestApp) -> Vec<Value> {
    app.get("/email").await.json().unwrap()
}

#[tokio::test]
async fn everybody_is_welcomed_by_the_name_they_gave() {
    let app = emails();
    let created = |user: Value| CloudEvent::of_type("user.created", "/services/users", user);
    for (event, subject) in [
        (
            created(json!({"id": "1", "firstName": "Donald", "lastName": "Duck", "email": "1@x.org"})),
            "Welcome, Donald!",
        ),
        (created(json!({"id": "2", "name": "Your Name", "email": "2@x.org"})), "Welcome, Your Name!"),
        // An event of another program, without an id.
        (created(json!({"username": "sls-fan", "firstname": "Bill", "email": "3@x.org"})), "Welcome, Bill!"),
        (
            created(json!({"id": "4", "name": "Eve\r\nBcc: all@x.org", "email": "4@x.org"})),
            "Welcome, Eve  Bcc: all@x.org!",
        ),
        (
            CloudEvent::of_type("user.registered", "/services/users", json!({"id": "5", "email": "5@x.org"})),
            "Welcome!",
        ),
    ] {
        let (id, email) = (event.data["id"].clone(), event.data["email"].clone());
        assert_eq!(app.deliver(event).await.unwrap()[0].outcome, Outcome::Done, "{email}");
        let sent = app.emitted::<EmailSent>().unwrap().pop().unwrap();
        assert_eq!((json!(sent.data.id), json!(sent.data.email), &*sent.data.subject), (id, email, subject));
    }
    let subjects: Vec<_> = letters(&app).await.iter().map(|letter| letter["email"].clone()).collect();
    assert_eq!(subjects, ["1@x.org", "2@x.org", "3@x.org", "4@x.org", "5@x.org"]);
}

/// Deliveries are at least once. A letter is sent once for each event, and its event has an id of its own.
#[tokio::test]
async fn a_redelivery_sends_no_second_letter() {
    let app = emails();
    let event =
        CloudEvent::of_type("user.registered", "/services/users", json!({"id": "5", "email": "5@x.org"}));
    app.gateway().refuse_next(503, "away");
    let first = app.deliver(event.clone()).await.unwrap().remove(0);
    assert!(matches!(first.outcome, Outcome::Retry(_)), "{:?}", first.outcome);
    for _ in 0..2 {
        assert_eq!(app.deliver(event.clone()).await.unwrap()[0].outcome, Outcome::Done);
    }
    let sent = app.emitted::<EmailSent>().unwrap();
    assert_eq!((sent.len(), letters(&app).await.len()), (1, 1));
    assert_ne!(sent[0].id(), event.id());
    assert_eq!((sent[0].cause(), sent[0].source()), (Some(event.id()), "/services/emails"));
}

#[tokio::test]
async fn an_event_without_an_address_is_rejected() {
    let app = emails();
    let event = CloudEvent::of_type("user.created", "/tests", json!({"id": "10"}));
    let outcome = app.deliver(event).await.unwrap().remove(0).outcome;
    assert!(matches!(outcome, Outcome::Rejected(reason) if reason.contains("missing field `email`")));
    assert!(app.events().is_empty());
}

#[tokio::test]
async fn letters_are_sent_on_request() {
    let app = emails();
    let request = json!({"email": " Donald@Disney.com", "name": "Donald"});
    // The gateway is unavailable: the letter is sent all the same, and its event is emitted later.
    app.gateway().refuse_next(503, "away");
    let answer = app.post("/email", &request).await;
    assert_eq!((answer.status().as_u16(), answer.json().unwrap()), (200, json!({"message": "Email sent."})));
    assert!(app.events().is_empty());
    app.tick("send_unsent").await.unwrap();
    let letter = letters(&app).await.remove(0);
    assert_eq!(
        (&letter["email"], &letter["subject"]),
        (&json!("donald@disney.com"), &json!("Welcome, Donald!"))
    );
    assert_eq!(app.emitted::<EmailSent>().unwrap().len(), 1);
    assert_eq!(app.post("/email", &json!({"email": "donald"})).await.status(), 400);
    assert_eq!(letters(&app).await.len(), 1);
}

/// Runs against both backends.
async fn check_repository(store: Store) {
    let (gateway, _recorder) = eg_runtime::EventGateway::recording();
    let (letters, emit) = (Letters::new(store), Emit::through(gateway));
    let letter =
        |email: &str| EmailSent { id: None, email: email.to_owned(), name: None, subject: String::new() };
    let time = |second| OffsetDateTime::from_unix_timestamp(second).unwrap();
    for (cause, second, email) in [("b", 2, "o'brien@x.org"), ("a", 1, "d@x.org"), ("a", 3, "again@x.org")] {
        letters.send(&emit, cause.into(), time(second), letter(email)).await.unwrap();
    }
    let all: Vec<(String, String)> =
        letters.all().await.unwrap().into_iter().map(|letter| (letter.time, letter.sent.email)).collect();
    let row = |time: &str, email: &str| (time.to_owned(), email.to_owned());
    assert_eq!(all, [row("1970-01-01T00:00:01Z", "d@x.org"), row("1970-01-01T00:00:02Z", "o'brien@x.org")]);
}

#[tokio::test]
async fn letters_in_memory() {
    check_repository(Store::in_memory().unwrap()).await;
}

#[tokio::test]
async fn letters_in_a_table() {
    let Some(moto) = Moto::start() else { return };
    check_repository(service_storage::testing::table(&moto.url, "emails").await).await;
}
