//! The registration application with the real programs: who registers is told to everybody, once, whoever fails.

#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eg_tests::app::App;
use eg_tests::{eventually, eventually_within, http};
use futures_util::{StreamExt as _, stream};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tempfile::TempDir;

const CRM: &str = "crm-add_user_to_crm";
const FAILED: &str = "eventgateway.function.invocationFailed";

/// How many attempts the CRM gets, by its own subscription.
const ATTEMPTS: usize = 3;

/// The application, running.
struct Registration {
    app: App,
    state: TempDir,
}

impl Registration {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let app = App::start_with(state.path(), &["services/registration"], variables).await;
        Self { app, state }
    }

    /// Ends it as a power cut does, and starts it again.
    async fn cut_power(self) -> Self {
        let Self { app, state } = self;
        app.program.kill().await;
        let app = App::start(state.path(), &["services/registration"]).await;
        Self { app, state }
    }

    async fn stop(self) {
        assert_eq!(self.app.program.interrupt().await, 0);
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, String) {
        let mut request = http().post(format!("{}{path}", self.app.events)).body(body.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn post_user(&self, user: &Value) -> (u16, Value) {
        let (status, body) = self.post("/users", &[("content-type", "application/json")], user).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    /// Somebody registers; the answer.
    async fn register(&self, email: &str) -> Value {
        let (status, user) = self.post_user(&json!({ "email": email })).await;
        assert_eq!(status, 200, "{user}");
        user
    }

    /// Something that a service tells over HTTP.
    async fn get(&self, path: &str) -> Vec<Value> {
        let url = format!("{}{path}", self.app.events);
        http().get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Something that the gateway lists, page by page.
    async fn list(&self, what: &str, query: &str, cursor: impl Fn(&Value) -> Option<Value>) -> Vec<Value> {
        let (mut all, mut before) = (Vec::new(), String::new());
        loop {
            let url =
                format!("{}/v1/spaces/default/{what}?limit=500&{query}{before}", self.app.config);
            let page: Value = http().get(url).send().await.unwrap().json().await.unwrap();
            let items = page.as_object().unwrap().values().find_map(Value::as_array).unwrap();
            all.extend(items.iter().cloned());
            match cursor(&page) {
                Some(next) if !items.is_empty() => before = format!("&before={next}"),
                _ => return all,
            }
        }
    }

    /// The events of a type that the gateway has accepted.
    async fn events(&self, ty: &str) -> Vec<Value> {
        let page = self.list("events", &format!("type={ty}"), |page| page.get("next").cloned());
        page.await.into_iter().map(|view| view["event"].clone()).collect()
    }

    async fn dead_letters(&self) -> Vec<Value> {
        let oldest = |page: &Value| Some(page["deadLetters"].as_array()?.last()?["deadLetterId"].clone());
        self.list("dead-letters", "", oldest).await
    }

    async fn books(&self) -> Value {
        let url = format!("{}/v1/accounting", self.app.config);
        http().get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Waits until nothing is left to deliver.
    async fn settle(&self, patience: Duration) -> Value {
        let books = eventually_within(patience, "every delivery to end", async || {
            Some(self.books().await).filter(|books| books["pending"] == 0)
        });
        let books = books.await;
        assert_eq!(books["balanced"], true, "{books}");
        books
    }

    async fn eventually_events(&self, ty: &str, count: usize) -> Vec<Value> {
        let what = format!("{count} times {ty}");
        eventually(&what, async || Some(self.events(ty).await).filter(|events| events.len() >= count)).await
    }
}

fn ids<'v>(values: impl IntoIterator<Item = &'v Value>, key: &str) -> BTreeSet<String> {
    values.into_iter().map(|value| value[key].as_str().unwrap().to_owned()).collect()
}

/// How often each function failed, by what the gateway told of it.
fn failures(reports: &[Value]) -> BTreeMap<String, usize> {
    let mut failures = BTreeMap::new();
    for report in reports {
        *failures.entry(report["data"]["functionId"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    failures
}

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

    app.settle(eg_tests::PATIENCE).await;
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

    // Without an address, nobody hears of anything.
    let required = (400, json!({"message": "Email is required"}));
    for form in [json!({}), json!({"email": "donald"}), json!({"name": "Donald"})] {
        assert_eq!(app.post_user(&form).await, required, "{form}");
    }
    app.settle(eg_tests::PATIENCE).await;
    assert_eq!(app.events("user.registered").await.len(), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clicks_are_recorded_and_nothing_else_comes_in_where_browsers_emit() {
    let app = Registration::start(&[]).await;
    let user = app.register("donald@disney.com").await;
    let cloud_event = |ty: &str, id: &str, data: &Value| {
        json!({"specversion": "1.0", "id": id, "source": "/web", "type": ty, "data": data})
    };
    let structured = [("content-type", "application/cloudevents+json")];
    let click = |target: &str| json!({"target": target, "session": user["session"]});
    let accepted = (202, String::new());

    let event = cloud_event("user.clicked", "1", &click("homepage.button.build-value"));
    assert_eq!(app.post("/clicks", &structured, &event).await, accepted);
    // As Event Gateway's first clients emitted, wherever they are.
    let legacy = [("content-type", "application/json"), ("event", "user.clicked")];
    assert_eq!(app.post("/clicks", &legacy, &click("homepage.button.event-driven")).await, accepted);
    assert_eq!(app.post("/", &legacy, &click("homepage.button.minimize-overhead")).await, accepted);

    let (status, body) = app
        .post("/clicks", &structured, &cloud_event("user.clicked", "2", &json!({"target": "x", "session": "y"})))
        .await;
    assert_eq!((status, body.as_str()), (403, r#"{"errors":["the session is unknown: register first"]}"#));
    let (status, _) =
        app.post("/clicks", &structured, &cloud_event("user.clicked", "3", &json!({"target": "x"}))).await;
    assert_eq!(status, 400);
    let (status, _) = app.post("/clicks", &legacy[..1], &click("x")).await;
    assert_eq!(status, 400, "a request that is no event");
    // What is no click has no subscriber there: it is accepted, and reaches nobody.
    let forged = cloud_event("user.registered", "4", &user);
    assert_eq!(app.post("/clicks", &structured, &forged).await, accepted);

    app.settle(eg_tests::PATIENCE).await;
    let rows = app.get("/analytics/user.clicked").await;
    let targets: BTreeSet<String> = rows
        .iter()
        .map(|row| serde_json::from_str::<Value>(row["data"].as_str().unwrap()).unwrap())
        .map(|data| data["target"].as_str().unwrap().to_owned())
        .collect();
    let clicked = ["build-value", "event-driven", "minimize-overhead"];
    assert_eq!(targets, clicked.map(|button| format!("homepage.button.{button}")).into());
    assert_eq!((rows.len(), app.get("/analytics/user.registered").await.len()), (3, 1));
    assert_eq!(app.events("email.sent").await.len(), 1);
    app.stop().await;
}

/// What browsers are told about pages from elsewhere. `tests/browser.rs` shows that they obey.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_may_register_and_click_only_where_that_is_allowed() {
    let app = Registration::start(&[]).await;
    let ask = async |path: &str, origin: &str| {
        let request = http().request(reqwest::Method::OPTIONS, format!("{}{path}", app.app.events));
        let request = request.header("origin", origin).header("access-control-request-method", "POST");
        let response = request.header("access-control-request-headers", "content-type").send().await.unwrap();
        allowed(response.headers())
    };
    for (path, origin, expected) in [
        ("/users", "http://localhost:3000", Some("http://localhost:3000")),
        ("/clicks", "http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
        ("/clicks", "https://evil.example", None),
        ("/users", "http://localhost.evil.example", None),
        ("/", "http://localhost:3000", None),
        ("/analytics/user.clicked", "http://localhost:3000", None),
    ] {
        assert_eq!(ask(path, origin).await.as_deref(), expected, "{path} from {origin}");
    }
    app.stop().await;
}

fn allowed(headers: &HeaderMap) -> Option<String> {
    headers.get("access-control-allow-origin").map(|origin| origin.to_str().unwrap().to_owned())
}

/// The CRM fails twice for each event and works then: nobody loses anything, and the admin hears of it once.
#[tokio::test(flavor = "multi_thread")]
async fn a_crm_that_recovers_gets_its_users() {
    let app = Registration::start(&[("CRM_FAILURE", "first:2")]).await;
    let user = app.register("donald@disney.com").await;
    app.settle(eg_tests::PATIENCE).await;
    assert!(app.dead_letters().await.is_empty());
    assert_eq!(failures(&app.events(FAILED).await), BTreeMap::from([(CRM.to_owned(), 2)]));
    let alerts = app.get("/alerts").await;
    assert_eq!((alerts.len(), &alerts[0]["function"]), (1, &json!(CRM)), "one alert for two failed attempts");
    assert_eq!(alerts[0]["message"], "Can't add user to the CRM");
    let database = rusqlite::Connection::open(app.state.path().join("data/crm/crm.db")).unwrap();
    let key = user["id"].as_str().unwrap();
    let found = database.query_row("SELECT count(*) FROM items WHERE sort = ?1", [key], |row| row.get(0));
    assert_eq!(found, Ok(1), "the contact is there");
    app.stop().await;
}

/// The original's gateway told the error handler of its own errors, for ever.
#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_fails_raises_no_alert() {
    let app = Registration::start(&[("CRM_FAILURE", "always"), ("ALERT_FAILURE", "always")]).await;
    app.register("donald@disney.com").await;
    let letters = eventually("the CRM's dead letter", async || {
        Some(app.dead_letters().await).filter(|letters| !letters.is_empty())
    });
    assert_eq!(letters.await[0]["functionId"], CRM);
    let reports = app.eventually_events(FAILED, ATTEMPTS).await;
    // Each report was tried at least once, and failed, before it is asked whether that was told.
    for report in &reports {
        let id = report["eventID"].as_str().or(report["id"].as_str()).unwrap();
        let url = format!("{}/v1/spaces/default/events/{id}", app.app.config);
        eventually("a failed alert", async || {
            let event: Value = http().get(&url).send().await.unwrap().json().await.unwrap();
            let attempts = event["deliveries"][0]["attempts"].as_array().unwrap().clone();
            attempts.iter().any(|attempt| attempt["outcome"] == "retry").then_some(())
        })
        .await;
    }
    assert_eq!(failures(&app.events(FAILED).await), BTreeMap::from([(CRM.to_owned(), ATTEMPTS)]));
    assert!(app.get("/alerts").await.is_empty());
    app.stop().await;
}

/// Rows are written before their events count as delivered, so a power cut in between costs none, and doubles none.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_registered_before_a_power_cut_is_recorded_once() {
    let app = Registration::start(&[]).await;
    let emails = (0..20).map(|n| format!("user{n}@example.org"));
    let users: Vec<Value> = stream::iter(emails)
        .map(|email| {
            let app = &app;
            async move { app.register(&email).await }
        })
        .buffer_unordered(8)
        .collect()
        .await;
    let app = app.cut_power().await;
    app.settle(eg_tests::PATIENCE).await;
    let rows = app.get("/analytics/user.registered").await;
    let recorded: Vec<Value> =
        rows.iter().map(|row| serde_json::from_str(row["data"].as_str().unwrap()).unwrap()).collect();
    assert_eq!((rows.len(), ids(&recorded, "id")), (users.len(), ids(&users, "id")));
    assert_eq!(app.events("email.sent").await.len(), users.len());
    app.stop().await;
}

/// With a CRM that never works, everybody else does all the work, and the CRM's is kept. `REGISTRATIONS` says how many.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_registrations_with_a_broken_crm() {
    let count: usize = std::env::var("REGISTRATIONS").map_or(200, |count| count.parse().unwrap());
    let patience = Duration::from_secs(60) + Duration::from_millis(200) * u32::try_from(count).unwrap();
    let app = Registration::start(&[("CRM_FAILURE", "always")]).await;
    let emails = (0..count).map(|n| format!("user{n}@example.org"));
    let users: Vec<Value> = stream::iter(emails)
        .map(|email| {
            let app = &app;
            async move { app.register(&email).await }
        })
        .buffer_unordered(16)
        .collect()
        .await;
    let books = app.settle(patience).await;
    assert_eq!((&books["dead"], &books["expired"]), (&json!(count), &json!(0)));

    let registered = app.events("user.registered").await;
    let events = ids(&registered, "id");
    assert_eq!((ids(registered.iter().map(|event| &event["data"]), "id"), events.len()), (ids(&users, "id"), count));
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
    assert_eq!((alerts.len(), ids(&alerts, "eventId")), (count, events), "an alert for each, not for each attempt");
    assert_eq!(failures(&app.events(FAILED).await), BTreeMap::from([(CRM.to_owned(), count * ATTEMPTS)]));
    app.stop().await;
}
