//! Tests of the whole service in memory: requests in, answers and events out.

use eg_runtime::EventGateway;
use eg_runtime::testing::{Answer, Outcome, TestApp};
use eg_tests::moto::Moto;
use serde_json::Value;

use super::*;

fn users() -> TestApp {
    let store = Store::in_memory().unwrap();
    TestApp::new(App::new().state(Users::new(store.clone())).state(Journal::new(store))).unwrap()
}

fn said(answer: &Answer) -> (u16, Value) {
    (answer.status().as_u16(), answer.json().unwrap())
}

fn donald() -> Value {
    json!({"id": "10", "firstName": "Donald", "lastName": "Duck", "email": "donald.duck@disney.com"})
}

#[tokio::test]
async fn a_profile_is_stored_told_and_read() {
    let app = users();
    assert_eq!(said(&app.post("/users", &donald()).await), (200, donald()));
    assert_eq!(said(&app.get("/users/10").await), (200, donald()));
    let told = app.emitted::<UserCreated>().unwrap();
    assert_eq!(serde_json::to_value(&told[0].data).unwrap(), donald());
    assert_eq!((told.len(), told[0].source()), (1, "/services/users"));
}

#[tokio::test]
async fn a_registration_is_answered_with_a_session_that_nobody_else_learns() {
    let app = users();
    let mut answers = Vec::new();
    for _ in 0..2 {
        let (status, user) =
            said(&app.post("/users", &json!({"email": "Donald@Disney.com ", "name": "Donald"})).await);
        assert_eq!(
            (status, &user["email"], &user["name"]),
            (200, &json!("donald@disney.com"), &json!("Donald"))
        );
        let id = user["id"].as_str().unwrap();
        let read = json!({"id": id, "email": "donald@disney.com", "name": "Donald"});
        assert_eq!(said(&app.get(&format!("/users/{id}")).await), (200, read));
        answers.push(user);
    }
    let told = app.emitted::<UserRegistered>().unwrap();
    let told: Vec<Value> = told.iter().map(|event| serde_json::to_value(&event.data).unwrap()).collect();
    let without_session =
        |answer: &Value| json!({"id": answer["id"], "email": answer["email"], "name": "Donald"});
    assert_eq!(told, answers.iter().map(without_session).collect::<Vec<_>>());
    assert_ne!(answers[0]["id"], answers[1]["id"]);
    assert_ne!(answers[0]["session"], answers[1]["session"]);
    assert_eq!(answers[0]["session"].as_str().unwrap().len(), 32);

    let (_, nameless) = said(&app.post("/users", &json!({"email": "d@x.org"})).await);
    assert_eq!(nameless.as_object().unwrap().keys().collect::<Vec<_>>(), ["email", "id", "session"]);
}

#[tokio::test]
async fn an_account_is_stored_told_and_read() {
    let app = users();
    let user = json!({"name": "Your Name", "email": "your@email.com"});
    let (status, account) = said(&app.post("/users", &json!({ "user": user })).await);
    let id = account["id"].as_str().unwrap();
    assert_eq!((status, &account), (200, &json!({"id": id, "name": "Your Name", "email": "your@email.com"})));
    assert_eq!(said(&app.get(&format!("/users/{id}")).await), (200, account.clone()));
    let told = app.emitted::<UserCreated>().unwrap();
    assert_eq!((told.len(), serde_json::to_value(&told[0].data).unwrap()), (1, account));
    assert!(app.emitted::<UserRegistered>().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_refused_is_told_to_nobody() {
    let app = users();
    let missing = json!({"errors": ["Invalid request. Missing required field."]});
    assert_eq!(said(&app.post("/users", &json!({"id": "11", "firstName": "Daisy"})).await), (400, missing));
    let required = json!({"message": "Email is required"});
    for form in [
        json!({}),
        json!({"email": ""}),
        json!({"email": "donald"}),
        json!({"name": "Donald"}),
        json!({"user": {"name": "Donald"}}),
    ] {
        assert_eq!(said(&app.post("/users", &form).await), (400, required.clone()), "{form}");
    }
    let name = json!({"email": "donald@disney.com", "name": 7});
    assert_eq!(said(&app.post("/users", &name).await), (400, json!({"message": "Name must be text"})));
    let unknown = json!({"errors": ["Could not retrieve user with ID 11"]});
    assert_eq!(said(&app.get("/users/11").await), (404, unknown));
    assert!(app.events().is_empty());
}

/// An unavailable gateway neither delays a registration nor loses its event.
#[tokio::test]
async fn what_cannot_be_told_at_once_is_told_later() {
    let app = users();
    app.gateway().refuse_next(503, "away");
    assert_eq!(said(&app.post("/users", &donald()).await), (200, donald()));
    assert_eq!(said(&app.get("/users/10").await), (200, donald()));
    assert!(app.events().is_empty());

    for _ in 0..2 {
        app.tick("send_unsent").await.unwrap();
        assert_eq!(app.emitted::<UserCreated>().unwrap().len(), 1);
    }
}

/// Runs against both backends.
async fn check_repository(store: Store) {
    let (gateway, recorder) = EventGateway::recording();
    let users = Users::new(store);
    let profile = Profile {
        id: "o'brien 🦆".to_owned(),
        first_name: "Donald".to_owned(),
        last_name: "Duck".to_owned(),
        email: "donald@disney.com".to_owned(),
    };
    assert_eq!(users.get(&profile.id).await.unwrap(), None);
    for last_name in ["Duck", "Mallard"] {
        let profile = Profile { last_name: last_name.to_owned(), ..profile.clone() };
        users.put(&profile, &gateway, gateway.stage(of_profile(&profile)).unwrap()).await.unwrap();
        assert_eq!(
            users.get(&profile.id).await.unwrap(),
            Some(User::Profile(profile)),
            "the last one counts"
        );
    }

    let registrant = Registrant { email: "d@x.org".to_owned(), name: None };
    let user = Registered { id: "11".to_owned(), registrant };
    let event = || gateway.stage(registered(&user)).unwrap();
    users.register(&user, Some("secret"), &gateway, event()).await.unwrap();
    assert_eq!(users.get("11").await.unwrap(), Some(User::Registered(user.clone())));
    for (token, owner) in [("secret", Some("11")), ("Secret", None), ("", None), ("11", None)] {
        assert_eq!(users.of_session(token).await.unwrap().as_deref(), owner, "{token}");
    }
    assert!(users.register(&user, Some("other"), &gateway, event()).await.is_err(), "an id is given once");
    assert_eq!(users.of_session("other").await.unwrap(), None, "all or nothing");
    assert_eq!(users.get("").await.unwrap(), None);

    recorder.refuse_next(503, "away");
    users.put(&profile, &gateway, gateway.stage(of_profile(&profile)).unwrap()).await.unwrap();
    let told = recorder.events().len();
    users.send_unsent(&gateway).await.unwrap();
    assert_eq!((told, recorder.events().len()), (3, 4));
}

#[tokio::test]
async fn users_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    check_repository(Store::sqlite(&directory.path().join("users.db")).unwrap()).await;
}

#[tokio::test]
async fn users_in_a_table() {
    let Some(moto) = Moto::start() else { return };
    check_repository(service_storage::testing::table(&moto.url, "users").await).await;
}

fn click(session: &str) -> CloudEvent<Value> {
    let click = json!({"target": "homepage.button.event-driven", "session": session});
    CloudEvent::of_type("user.clicked", "/anybody", click)
}

/// Builds an event as browsers send it.
async fn send(app: &TestApp, event: CloudEvent<Value>) -> Answer {
    let body = event.encode().unwrap().to_json().unwrap();
    let request = http::Request::post("/clicks").header("content-type", "application/cloudevents+json");
    app.http(request.body(body).unwrap()).await
}

/// Registers a user. Returns the id and the session.
async fn register(app: &TestApp) -> (String, String) {
    let (_, user) = said(&app.post("/users", &json!({"email": "d@x.org"})).await);
    let text = |name: &str| user[name].as_str().unwrap().to_owned();
    (text("id"), text("session"))
}

#[tokio::test]
async fn clicks_of_users_are_passed_on_without_the_session() {
    let app = users();
    let (id, session) = register(&app).await;
    let click = click(&session);
    for _ in 0..2 {
        assert_eq!(send(&app, click.clone()).await.status(), 202);
    }
    let passed = app.emitted::<UserClicked>().unwrap();
    assert_eq!(passed[0].data, UserClicked { target: "homepage.button.event-driven".to_owned(), user: id });
    assert_eq!(passed[0].source(), "/web", "the sender has no say in the source");
    assert_eq!(passed[0].id(), passed[1].id(), "a repeated click is the same event");
    assert_ne!(passed[0].id(), click.id());
}

#[tokio::test]
async fn nothing_else_is_passed_on() {
    let app = users();
    for session in ["", "guess"] {
        let refused = json!({"errors": ["the session is unknown: register first"]});
        assert_eq!(said(&send(&app, click(session)).await), (403, refused));
    }
    let (_, session) = register(&app).await;
    let disguised = CloudEvent::of_type("user.registered", "/web", click(&session).data);
    let refused = json!({"errors": ["browsers may emit user.clicked only, not user.registered"]});
    assert_eq!(said(&send(&app, disguised).await), (403, refused));
    assert_eq!(app.post("/clicks", &click("guess").data).await.status(), 400, "no event at all");
    assert!(app.emitted::<UserClicked>().unwrap().is_empty());
}

async fn journal(app: &TestApp, session: &str) -> (u16, Value) {
    let request = http::Request::get("/journal").header("authorization", format!("Bearer {session}"));
    said(&app.http(request.body(Vec::new()).unwrap()).await)
}

/// The page shows the journal: what happened because of a user, and which calls failed.
#[tokio::test]
async fn a_journal_shows_a_user_what_happened_and_nobody_else() {
    let app = users();
    let (id, session) = register(&app).await;
    let (other, others_session) = register(&app).await;
    send(&app, click(&session)).await;
    app.settle().await;
    let handled =
        CloudEvent::of_type("user.registered", "/services/users", json!({"id": id, "email": "d@x.org"}));
    let handled: Value = serde_json::from_slice(&handled.encode().unwrap().to_json().unwrap()).unwrap();
    let about = |ty: &str, data: Value| CloudEvent::of_type(ty, "/tests", data);
    for event in [
        about("email.sent", json!({"id": id, "email": "d@x.org", "subject": "Welcome!"})),
        about("user.annotated", json!({"id": id, "email": "d@x.org", "entities": ["Duck", "Boat"]})),
        about(
            journal::FAILED,
            json!({"functionId": "crm", "event": handled, "error": {"message": "no luck"}}),
        ),
        about(
            journal::DEAD_LETTERED,
            json!({"functionId": "crm", "event": handled, "reason": "all 3 attempts failed"}),
        ),
        // About nobody.
        about("email.sent", json!({"email": "e@x.org", "subject": "Welcome!"})),
    ] {
        for _ in 0..2 {
            assert_eq!(app.deliver(event.clone()).await.unwrap()[0].outcome, Outcome::Done, "{event:?}");
        }
    }
    let (status, entries) = journal(&app, &session).await;
    let entry = |entry: &Value| {
        assert!(entry["time"].as_str().unwrap().ends_with('Z'));
        (entry["event"].clone(), entry.get("detail").cloned().unwrap_or_default(), entry["failed"].clone())
    };
    let expected = [
        ("user.registered", Value::Null, false),
        ("user.clicked", json!("homepage.button.event-driven"), false),
        ("email.sent", json!("Welcome!"), false),
        ("user.annotated", json!("Duck, Boat"), false),
        ("user.registered", json!("crm failed: no luck"), true),
        ("user.registered", json!("crm gave up: all 3 attempts failed"), true),
    ];
    assert_eq!(
        (status, entries.as_array().unwrap().iter().map(entry).collect::<Vec<_>>()),
        (200, expected.map(|(event, detail, failed)| (json!(event), detail, json!(failed))).to_vec())
    );
    assert!(!entries.to_string().contains(&other));
    assert_eq!(journal(&app, &others_session).await.1.as_array().unwrap().len(), 1);
    for stranger in ["", "guess", &id] {
        let refused = json!({"errors": ["the session is unknown: register first"]});
        assert_eq!(journal(&app, stranger).await, (401, refused), "{stranger}");
    }
}
