//! Tests the page in a real browser: headless Chromium, driven through WebDriver. The tests include what the browser
//! prevents other pages from doing.

use std::collections::BTreeSet;

use eg_tests::browser::Browser;
use eg_tests::program::{Program, built};
use eg_tests::webdriver::{Screen, Session};
use eg_tests::{PATIENCE, eventually};
use serde_json::{Value, json};
use tokio::process::Command;

use super::support::Registration;

/// The page from the view of a user.
struct Tab<'a>(&'a Session);

impl Tab<'_> {
    async fn visible(&self, id: &str) -> bool {
        self.0.find(&format!("#{id}")).await.is_displayed().await
    }

    async fn fill(&self, id: &str, text: &str) {
        let field = self.0.find(&format!("#{id}")).await;
        field.clear().await;
        field.send_keys(text).await;
    }

    async fn press(&self, css: &str) {
        self.0.find(css).await.click().await;
    }

    /// Waits until the page shows a message that begins with `beginning`, where it can be seen.
    async fn says(&self, beginning: &str) {
        self.shows(beginning, "status").await;
    }

    /// Waits until the page shows an error that begins with `beginning`, where it can be seen and as what it is.
    async fn complains(&self, beginning: &str) {
        self.shows(beginning, "alert").await;
    }

    async fn shows(&self, beginning: &str, role: &str) {
        let message = self.0.find("#message").await;
        eventually(&format!("the page to say `{beginning}…`"), async || {
            message.text().await.starts_with(beginning).then_some(())
        })
        .await;
        assert_eq!(message.attribute("role").await.as_deref(), Some(role), "{beginning}");
        let is_error = message.attribute("class").await.unwrap_or_default().contains("error");
        assert_eq!(is_error, role == "alert", "{beginning}");
        let seen = "const box = document.getElementById('message').getBoundingClientRect();
                    return box.height > 0 && box.top >= 0 && box.bottom <= window.innerHeight";
        assert_eq!(self.0.execute(seen, &[]).await, true, "`{beginning}…` is out of sight");
    }

    /// Waits until the journal has these lines: the event, what is known about it, and whether it is a failure.
    async fn journal_has(&self, lines: &[(&str, &str, bool)]) {
        let read = "return [...document.querySelectorAll('#journal li')].map((line) =>
            [line.querySelector('code').textContent, line.querySelector('.detail').textContent,
             line.classList.contains('failed')])";
        eventually(&format!("the journal to have {lines:?}"), async || {
            let shown = self.0.execute(read, &[]).await;
            let shown = shown.as_array().unwrap();
            let has = |(event, detail, failed): &(&str, &str, bool)| {
                shown.contains(&json!([event, detail, failed]))
            };
            lines.iter().all(has).then_some(())
        })
        .await;
    }

    async fn session(&self) -> Value {
        self.0.execute("return sessionStorage.getItem('session')", &[]).await
    }

    /// Emits an event from a script of this page. Returns the status or the name of the error.
    async fn emit(&self, url: &str, event: &Value) -> Value {
        let script = "return fetch(arguments[0], {
            method: 'POST', headers: {'content-type': 'application/cloudevents+json'},
            body: JSON.stringify(arguments[1]) }).then((r) => r.status, (e) => e.name)";
        self.0.execute(script, &[json!(url), event.clone()]).await
    }
}

/// Serves the page from its own server, as a web host would. Returns the server and its port.
async fn host(gateway: &str) -> (Program, String) {
    let mut command = Command::new(built("web"));
    command.env("PORT", "0").env("WEB_GATEWAY_URL", gateway).env_remove("AWS_LAMBDA_RUNTIME_API");
    let program = Program::start("web", command);
    let port = |line: &str| {
        let address = line.split_once("http://")?.1;
        Some(address.trim_end_matches('/').rsplit_once(':')?.1.to_owned())
    };
    let port = program.line("its address", port).await;
    (program, port)
}

fn event(ty: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": format!("browser-{ty}"), "source": "/web", "type": ty, "data": data})
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_registers_clicks_and_logs_out() {
    let Some(browser) = Browser::start(Screen::Phone).await else { return };
    let app = Registration::start(&[("CRM_FAILURE", "first:1")]).await;
    let (_host, port) = host(&app.app.events).await;
    browser.run(async |session| story(&Tab(session), &app, &port).await).await;
    app.settle(PATIENCE).await;
    let rows = app.get("/analytics/user.clicked").await;
    let clicked: BTreeSet<String> = rows
        .iter()
        .map(|row| serde_json::from_str::<Value>(row["data"].as_str().unwrap()).unwrap())
        .map(|data| data["target"].as_str().unwrap().to_owned())
        .collect();
    let buttons = ["build-value", "event-driven", "minimize-overhead"];
    assert_eq!(clicked, buttons.map(|button| format!("homepage.button.{button}")).into());
    assert_eq!(rows.len(), 3, "logging out is no event, and neither is anything that was refused");
    assert_eq!(app.get("/analytics/user.registered").await.len(), 1);
    assert_eq!(app.events("email.sent").await.len(), 1);
    app.stop().await;
}

async fn story(tab: &Tab<'_>, app: &Registration, port: &str) {
    let gateway = app.app.events.trim_end_matches('/');
    tab.0.goto(&format!("http://localhost:{port}/")).await;
    assert!(tab.visible("register").await && !tab.visible("home").await);
    tab.fill("email", "donald").await;
    tab.press("#register button").await;
    tab.complains("Email is required").await;
    assert_eq!(tab.session().await, Value::Null);

    tab.fill("email", "Donald@Disney.com").await;
    tab.fill("name", "Donald").await;
    tab.press("#register button").await;
    tab.says("Welcome, Donald!").await;
    assert!(!tab.visible("register").await && tab.visible("home").await);
    let user = app.events("user.registered").await.remove(0)["data"].clone();
    assert_eq!(tab.session().await.as_str().unwrap().len(), 32);

    for button in ["build-value", "minimize-overhead", "event-driven"] {
        let target = format!("homepage.button.{button}");
        tab.press(&format!("[data-target='{target}']")).await;
        tab.says(&format!("Noted: {target}")).await;
    }

    // The page shows the events as they flow, and what fails.
    let letter = "Welcome, Donald!";
    let failed = "crm-add_user_to_crm failed: Retry: Can't add user to the CRM";
    tab.journal_has(&[
        ("user.registered", "", false),
        ("email.sent", letter, false),
        ("user.registered", failed, true),
        ("user.clicked", "homepage.button.event-driven", false),
    ])
    .await;

    // A script may emit only clicks, and only with a session; anything else is blocked or reaches nobody.
    let click = json!({"target": "x", "session": "guess"});
    assert_eq!(tab.emit(&format!("{gateway}/clicks"), &event("user.clicked", &click)).await, 403);
    assert_eq!(tab.emit(&format!("{gateway}/"), &event("user.registered", &user)).await, "TypeError");
    assert_eq!(tab.emit(&format!("{gateway}/clicks"), &event("user.registered", &user)).await, 202);

    tab.0.refresh().await;
    assert!(tab.visible("home").await, "the session lasts as long as the tab");
    tab.journal_has(&[("email.sent", letter, false)]).await;
    tab.press("#logout").await;
    tab.says("Good-bye!").await;
    assert!(tab.visible("register").await);
    assert_eq!(tab.session().await, Value::Null);
}

/// The page comes from the gateway itself here, as `cargo eg run` serves it.
#[tokio::test(flavor = "multi_thread")]
async fn pages_from_elsewhere_cannot_register_and_the_gateways_own_can() {
    let Some(browser) = Browser::start(Screen::Phone).await else { return };
    let app = Registration::start(&[]).await;
    let (_host, port) = host(&app.app.events).await;
    browser
        .run(async |session| {
            let tab = Tab(session);
            // Browsers resolve every name below `localhost` to this machine, but treat it as another origin.
            tab.0.goto(&format!("http://elsewhere.localhost:{port}/")).await;
            tab.fill("email", "mallory@example.org").await;
            tab.press("#register button").await;
            tab.complains("The gateway cannot be reached: ").await;

            tab.0.goto(&format!("{}/", app.app.events.trim_end_matches('/'))).await;
            tab.fill("email", "donald@disney.com").await;
            tab.press("#register button").await;
            tab.says("Welcome, donald@disney.com!").await;
            tab.press("[data-target='homepage.button.event-driven']").await;
            tab.says("Noted: ").await;
        })
        .await;
    app.settle(PATIENCE).await;
    let registered = app.events("user.registered").await;
    assert_eq!((registered.len(), &registered[0]["data"]["email"]), (1, &json!("donald@disney.com")));
    assert_eq!(app.get("/analytics/user.clicked").await.len(), 1);
    app.stop().await;
}
