//! Tests the main purpose with the real programs: `cargo eg run` builds and serves the registration application, and
//! an accepted event is delivered whatever happens to the gateway.

use std::path::Path;

use eg_sdk::CloudEvent;
use eg_sdk::config::{EventType, Function, Provider, Subscription};
use eg_tests::app::{App, cargo_eg};
use eg_tests::subscriber::Subscriber;
use eg_tests::{eventually, http};
use serde_json::{Value, json};

/// The registration application, running.
struct Users(App);

impl Users {
    async fn start(state: &Path) -> Self {
        Self(App::start(state, &["services/registration"]).await)
    }

    /// Subscribes `subscriber` to `email.sent`.
    async fn subscribe(&self, subscriber: &Subscriber) {
        let gateway = self.0.gateway();
        let mailbox = Function::new("mailbox", Provider::Http { url: subscriber.url().to_owned() });
        gateway.functions().create(&mailbox).await.unwrap();
        gateway.subscriptions().create(&Subscription::asynchronous("email.sent", "mailbox")).await.unwrap();
        let known: Vec<EventType> = gateway.event_types().list().await.unwrap();
        assert!(
            known.iter().any(|known| known.name == "email.sent"),
            "emitted types are registered: {known:?}"
        );
    }

    async fn post_user(&self, body: &Value) -> (u16, Value) {
        let response = http().post(format!("{}/users", self.0.events)).json(body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn get_user(&self, id: &str) -> (u16, Value) {
        let response = http().get(format!("{}/users/{id}", self.0.events)).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Runs another `cargo eg` command on this app. Returns its exit code and standard output.
    async fn command(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = cargo_eg();
        command.args(arguments).env("EVENT_GATEWAY_URL", &self.0.events);
        let output = command.output().await.unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }
}

fn donald() -> Value {
    json!({"id": "10", "firstName": "Donald", "lastName": "Duck", "email": "donald.duck@disney.com"})
}

/// Waits for the only event in the inbox and returns it.
async fn mail(subscriber: &Subscriber) -> CloudEvent {
    eventually("email.sent", async || subscriber.taken().into_iter().next()).await
}

fn welcome(event: &CloudEvent, first_name: &str) {
    assert_eq!((event.ty(), event.source()), ("email.sent", "/services/emails"));
    let data: Value = serde_json::from_slice(event.data.as_bytes()).unwrap();
    assert_eq!(data["subject"], format!("Welcome, {first_name}!"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_registered_read_and_welcomed() {
    let state = tempfile::tempdir().unwrap();
    let app = Users::start(state.path()).await;
    let subscriber = Subscriber::start().await;
    app.subscribe(&subscriber).await;

    assert_eq!(app.post_user(&donald()).await, (200, donald()));
    assert_eq!(app.get_user("10").await, (200, donald()));
    welcome(&mail(&subscriber).await, "Donald");

    let missing = json!({"errors": ["Invalid request. Missing required field."]});
    assert_eq!(app.post_user(&json!({"id": "11", "firstName": "Daisy"})).await, (400, missing));
    let unknown = json!({"errors": ["Could not retrieve user with ID 11"]});
    assert_eq!(app.get_user("11").await, (404, unknown));
    let broken = http().post(format!("{}/users", app.0.events)).header("content-type", "application/json");
    let broken = broken.body("{\"id\":").send().await.unwrap();
    assert_eq!(broken.status(), 400);
    assert!(broken.text().await.unwrap().contains("JSON"), "says that the JSON is broken");

    // The second way to emit: an event from the command line.
    let file = state.path().join("daisy.json");
    let daisy = json!({"id": "11", "firstName": "Daisy", "lastName": "Duck", "email": "daisy@disney.com"});
    std::fs::write(&file, daisy.to_string()).unwrap();
    let data = format!("@{}", file.display());
    let (code, output) = app.command(&["emit", "--event", "user.created", "--data", &data]).await;
    assert_eq!((code, output.lines().next()), (0, Some("Event emitted: user.created")));
    let mails =
        eventually("two mails", async || Some(subscriber.taken()).filter(|mails| mails.len() == 2)).await;
    welcome(&mails[1], "Daisy");

    let state = state.path().display().to_string();
    let (code, log) = app.command(&["logs", "--function", "send_welcome_email", "--state-dir", &state]).await;
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(code, 0);
    assert!(lines[0].starts_with("START RequestId: ") && lines[0].ends_with(" Version: $LATEST"), "{log}");
    assert_eq!(lines[1..3], ["To: donald.duck@disney.com", "Subject: Welcome, Donald!"]);
    assert!(lines[3].starts_with("END RequestId: ") && lines[4].starts_with("REPORT RequestId: "), "{log}");

    app.0
        .program
        .line("the request", |line| line.contains("POST /users → users-create_user 200").then_some(()))
        .await;
    assert_eq!(app.0.program.interrupt().await, 0);
}

/// The signature's `retry(attempts = 2, …)` reaches the gateway through the manifest.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_tried_as_often_as_the_code_says() {
    let state = tempfile::tempdir().unwrap();
    let app = App::start(state.path(), &["tests"]).await;
    let event = json!({"specversion": "1.0", "id": "1", "source": "/tests", "type": "do", "data": "retry"});
    let emitted = http().post(&app.events).header("content-type", "application/cloudevents+json");
    assert_eq!(emitted.body(event.to_string()).send().await.unwrap().status(), 202);
    let url = format!("{}/v1/spaces/default/dead-letters", app.config);
    let letter = eventually("a dead letter", async || {
        let list: Value = http().get(&url).send().await.unwrap().json().await.unwrap();
        list["deadLetters"].get(0).cloned()
    })
    .await;
    assert_eq!(letter["functionId"], "eg-tests-fails");
    assert_eq!(letter["attempts"].as_array().map(Vec::len), Some(2), "{letter}");
    assert_eq!(app.program.interrupt().await, 0);
}

/// The gateway is part of `cargo eg run`; both end by SIGKILL here.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_delivered_after_a_kill() {
    let state = tempfile::tempdir().unwrap();
    let subscriber = Subscriber::start().await;
    subscriber.refuse(true);

    let app = Users::start(state.path()).await;
    app.subscribe(&subscriber).await;
    assert_eq!(app.post_user(&donald()).await.0, 200);
    eventually("a refused delivery", async || (subscriber.refused() > 0).then_some(())).await;
    app.0.program.kill().await;
    assert!(subscriber.taken().is_empty());

    subscriber.refuse(false);
    let app = Users::start(state.path()).await;
    welcome(&mail(&subscriber).await, "Donald");
    assert_eq!(app.get_user("10").await, (200, donald()), "the service's own data survives as well");
    assert_eq!(app.0.program.interrupt().await, 0);
}

/// Here the gateway is killed before anyone has seen the event: right after the answer to the emitter.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_only_accepted_is_delivered_after_a_kill() {
    let state = tempfile::tempdir().unwrap();
    let subscriber = Subscriber::start().await;
    let app = Users::start(state.path()).await;
    app.subscribe(&subscriber).await;
    let user = CloudEvent::of_type("user.created", "/tests", donald());
    app.0.gateway().emit(user).await.unwrap();
    app.0.program.kill().await;

    let app = Users::start(state.path()).await;
    welcome(&mail(&subscriber).await, "Donald");
    assert_eq!(app.0.program.interrupt().await, 0);
}
