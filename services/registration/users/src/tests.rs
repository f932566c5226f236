//! Tests of the whole service in memory: requests in, answers and events out.

use eg_runtime::EventGateway;
use eg_runtime::testing::{Answer, TestApp};
use eg_tests::moto::Moto;
use serde_json::Value;

use super::*;

fn users() -> TestApp {
    TestApp::new(App::new().state(Users::new(Store::in_memory().unwrap()))).unwrap()
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
    assert_eq!(told, answers);
    assert_ne!(answers[0]["id"], answers[1]["id"]);
    assert_ne!(answers[0]["session"], answers[1]["session"]);
    assert_eq!(answers[0]["session"].as_str().unwrap().len(), 32);

    let (_, nameless) = said(&app.post("/users", &json!({"email": "d@x.org"})).await);
    assert_eq!(nameless.as_object().unwrap().keys().collect::<Vec<_>>(), ["email", "id", "session"]);
}

#[tokio::test]
async fn what_is_refused_is_told_to_nobody() {
    let app = users();
    let missing = json!({"errors": ["Invalid request. Missing required field."]});
    assert_eq!(said(&app.post("/users", &json!({"id": "11", "firstName": "Daisy"})).await), (400, missing));
    let required = json!({"message": "Email is required"});
    for form in [json!({}), json!({"email": ""}), json!({"email": "donald"}), json!({"name": "Donald"})] {
        assert_eq!(said(&app.post("/users", &form).await), (400, required.clone()), "{form}");
    }
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
        users.put(&profile, &gateway, gateway.stage(created(&profile)).unwrap()).await.unwrap();
        assert_eq!(
            users.get(&profile.id).await.unwrap(),
            Some(User::Profile(profile)),
            "the last one counts"
        );
    }

    let registrant = Registrant { email: "d@x.org".to_owned(), name: None };
    let user = Registered { id: "11".to_owned(), registrant };
    let event = || gateway.stage(registered(&user, "secret")).unwrap();
    users.register(&user, "secret", &gateway, event()).await.unwrap();
    assert_eq!(users.get("11").await.unwrap(), Some(User::Registered(user.clone())));
    for (token, known) in [("secret", true), ("Secret", false), ("", false), ("11", false)] {
        assert_eq!(users.has_session(token).await.unwrap(), known, "{token}");
    }
    assert!(users.register(&user, "other", &gateway, event()).await.is_err(), "an id is given once");
    assert!(!users.has_session("other").await.unwrap(), "all or nothing");
    assert_eq!(users.get("").await.unwrap(), None);

    recorder.refuse_next(503, "away");
    users.put(&profile, &gateway, gateway.stage(created(&profile)).unwrap()).await.unwrap();
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

fn click(session: &str) -> CloudEvent<UserClicked> {
    let target = "homepage.button.event-driven".to_owned();
    CloudEvent::new("/anybody", UserClicked { target, session: session.to_owned() })
}

/// Builds an event as browsers send it.
async fn send<T: serde::Serialize>(app: &TestApp, event: CloudEvent<T>) -> Answer {
    let body = event.encode().unwrap().to_json().unwrap();
    let request = http::Request::post("/clicks").header("content-type", "application/cloudevents+json");
    app.http(request.body(body).unwrap()).await
}

#[tokio::test]
async fn clicks_of_users_are_passed_on() {
    let app = users();
    let (_, user) = said(&app.post("/users", &json!({"email": "d@x.org"})).await);
    let click = click(user["session"].as_str().unwrap());
    assert_eq!(send(&app, click.clone()).await.status(), 202);
    let passed = app.emitted::<UserClicked>().unwrap();
    assert_eq!((passed.len(), &passed[0].data), (1, &click.data));
    assert_eq!(
        (passed[0].id(), passed[0].source()),
        (click.id(), "/web"),
        "the sender has no say in the source"
    );
}

#[tokio::test]
async fn nothing_else_is_passed_on() {
    let app = users();
    for session in ["", "guess"] {
        let refused = json!({"errors": ["the session is unknown: register first"]});
        assert_eq!(said(&send(&app, click(session)).await), (403, refused));
    }
    let (_, user) = said(&app.post("/users", &json!({"email": "d@x.org"})).await);
    let disguised =
        CloudEvent::of_type("user.registered", "/web", click(user["session"].as_str().unwrap()).data);
    let refused = json!({"errors": ["browsers may emit user.clicked only, not user.registered"]});
    assert_eq!(said(&send(&app, disguised).await), (403, refused));
    assert_eq!(app.post("/clicks", &click("guess").data).await.status(), 400, "no event at all");
    assert!(app.emitted::<UserClicked>().unwrap().is_empty());
}
