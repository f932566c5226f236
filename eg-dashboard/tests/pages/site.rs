//! A gateway with the pages, the functions that it calls, and what tests ask of them.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use eg_gateway::{Gateway, Options, PrivateTargets};
use eg_sdk::config::{EventType, Function, FunctionNotes, Provider, Retry, RetryLimits, Subscription};
use eg_sdk::history::EventDetail;
use eg_sdk::{CloudEvent, EventGateway, Settings};
use eg_tests::{eventually, http_with};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The reason with which the function `crm` rejects events while it is broken.
pub(crate) const BROKEN: &str = "the CRM has no account for this user";

/// A gateway with its functions: `mail` emits `email.sent`, `crm` rejects events while it is broken.
pub(crate) struct Site {
    pub(crate) gateway: Gateway,
    /// A client of the gateway.
    pub(crate) api: EventGateway,
    pub(crate) client: Client,
    functions: Arc<Functions>,
    address: String,
    _dir: TempDir,
}

#[derive(Default)]
struct Functions {
    is_fixed: AtomicBool,
    gateway: OnceLock<EventGateway>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path().join("data"));
        options.events_addr = 0.into();
        options.config_addr = 0.into();
        options.private_targets = PrivateTargets::all();
        options.recent_calls = 1_000;
        change(&mut options);
        let key = options.access_keys.all.clone();
        let gateway = Gateway::start(options).await.unwrap();
        let mut settings = Settings::default();
        settings.url = gateway.events_url().to_owned();
        settings.config_url = Some(gateway.config_url().to_owned());
        settings.access_key = key;
        let api = EventGateway::with_settings(settings).unwrap();

        let functions = Arc::new(Functions::default());
        functions.gateway.set(api.clone()).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().route("/{name}", post(called)).with_state(Arc::clone(&functions));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let client = http_with(Policy::none());
        Self { gateway, api, client, functions, address, _dir: dir }
    }

    /// Registers the functions `mail`, `crm` and `audit` for `user.created`, and `archive` for `email.sent`.
    pub(crate) async fn register(&self) {
        for ty in ["user.created", "email.sent"] {
            let mut event_type = EventType::new(ty);
            if ty == "user.created" {
                event_type
                    .set_schema(&json!({"type": "object", "properties": {"amount": {"type": "number"}}}));
            }
            self.api.event_types().create(&event_type).await.unwrap();
        }
        for name in ["mail", "crm", "audit", "archive"] {
            let url = format!("{}/{name}", self.address);
            let mut function = Function::new(name, Provider::Http { url });
            function.concurrency = (name == "crm").then_some(5);
            let mut notes = FunctionNotes::default();
            notes.service = Some(if name == "archive" { "archive" } else { "users" }.to_owned());
            if name == "mail" {
                notes.emits = vec!["email.sent".to_owned(), "email.counted".to_owned()];
                notes.schedules = vec!["rate(1 day)".to_owned()];
            }
            notes.write(&mut function.metadata);
            self.api.functions().create(&function).await.unwrap();
        }
        let mut crm = Subscription::asynchronous("user.created", "crm");
        let mut limits = RetryLimits::new();
        limits.attempts = Some(3);
        crm.retry = Some(Retry::Limits(limits));
        let mut audit = Subscription::asynchronous("user.created", "audit");
        audit.filter = Some(json!({"data": {"amount": [{"numeric": [">", 500]}]}}));
        let mail = Subscription::asynchronous("user.created", "mail");
        for subscription in [mail, crm, audit, Subscription::asynchronous("email.sent", "archive")] {
            self.api.subscriptions().create(&subscription).await.unwrap();
        }
    }

    /// Makes `crm` accept events from now on.
    pub(crate) fn fix_crm(&self) {
        self.functions.is_fixed.store(true, Ordering::SeqCst);
    }

    /// Emits an event and waits until all its deliveries have ended.
    pub(crate) async fn emit(&self, id: &str, ty: &str, data: &Value) -> EventDetail {
        let event =
            CloudEvent::of_type(ty, "/services/users", data.clone()).with_id(id).with_subject("users/10");
        self.api.emit(event).await.unwrap();
        self.ended(id).await
    }

    /// Waits until all deliveries of an event have ended.
    pub(crate) async fn ended(&self, id: &str) -> EventDetail {
        eventually(&format!("the deliveries of {id} to end"), async || {
            let detail = self.api.history().event(id, None, None).await.unwrap()?;
            detail.deliveries.iter().all(|delivery| delivery.ended_at.is_some()).then_some(detail)
        })
        .await
    }

    /// Returns the URL of a function. `busy` fails while `crm` is broken.
    pub(crate) fn function(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Returns the address of a page.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("{}{path}", self.gateway.config_url().trim_end_matches('/'))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(self.page(path)).send().await.unwrap()
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    }

    /// Returns the token in the forms of a page.
    pub(crate) async fn token(&self) -> String {
        let page = self.text("/dashboard/spaces/default/send").await;
        let rest = page.split_once("name=\"token\" value=\"").unwrap().1;
        rest.split_once('"').unwrap().0.to_owned()
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.client.post(self.page(path)).form(form).send().await.unwrap()
    }

    pub(crate) async fn stop(self) {
        tokio::time::timeout(Duration::from_secs(20), self.gateway.shutdown()).await.unwrap();
    }
}

/// Answers a call of a function.
async fn called(
    State(functions): State<Arc<Functions>>,
    Path(name): Path<String>,
    event: Bytes,
) -> (StatusCode, String) {
    match name.as_str() {
        "busy" if !functions.is_fixed.load(Ordering::SeqCst) => {
            (StatusCode::SERVICE_UNAVAILABLE, String::new())
        }
        "crm" if !functions.is_fixed.load(Ordering::SeqCst) => {
            (StatusCode::UNPROCESSABLE_ENTITY, BROKEN.to_owned())
        }
        "mail" => {
            if let (Some(gateway), Ok(event)) = (functions.gateway.get(), CloudEvent::from_json(&event)) {
                let sent =
                    CloudEvent::of_type("email.sent", "/services/mail", json!({"to": "donald@disney.com"}));
                let sent = sent.with_cause(event.id()).with_hops(event.hops() + 1);
                if gateway.emit(sent).await.is_err() {
                    return (StatusCode::SERVICE_UNAVAILABLE, "cannot emit".to_owned());
                }
                if event.ty() == "http.request" {
                    return (StatusCode::OK, json!({"statusCode": 200, "body": "signed up"}).to_string());
                }
            }
            (StatusCode::OK, "sent to donald@disney.com".to_owned())
        }
        _ => (StatusCode::OK, String::new()),
    }
}
