//! Runs a gateway in the test's own process, and HTTP functions whose answers the test sets.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use eg_gateway::{Gateway, Options, PrivateTargets};
use eg_sdk::config::{EventType, Function, Provider, Retry, RetryLimits, Subscription};
use eg_sdk::{EventGateway, Settings};
use tempfile::TempDir;

/// The answers of functions: a status and a body by the function's name.
type Answers = Arc<Mutex<Vec<(String, u16, String)>>>;

/// A running gateway with functions.
pub(crate) struct Running {
    pub(crate) gateway: Gateway,
    pub(crate) client: EventGateway,
    answers: Answers,
    functions: String,
    _folder: TempDir,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(folder.path());
        (options.events_addr, options.config_addr) = (0.into(), 0.into());
        options.private_targets = PrivateTargets::all();
        change(&mut options);
        let gateway = Gateway::start(options).await.unwrap();
        let mut settings = Settings::default();
        settings.url = gateway.events_url().to_owned();
        settings.config_url = Some(gateway.config_url().to_owned());
        let client = EventGateway::with_settings(settings).unwrap();
        let answers = Answers::default();
        let functions = serve(Arc::clone(&answers)).await;
        Self { gateway, client, answers, functions, _folder: folder }
    }

    /// Sets the answer of the function from now on. The default is 200.
    pub(crate) fn answers(&self, function: &str, status: u16, body: &str) {
        self.answers.lock().unwrap().push((function.to_owned(), status, body.to_owned()));
    }

    pub(crate) async fn function(&self, id: &str) {
        let provider = Provider::Http { url: format!("{}/{id}", self.functions) };
        self.client.functions().create(&Function::new(id, provider)).await.unwrap();
    }

    pub(crate) async fn event_type(&self, name: &str) {
        self.client.event_types().create(&EventType::new(name)).await.unwrap();
    }

    /// Subscribes a function with two attempts.
    pub(crate) async fn subscribe(&self, ty: &str, function: &str, filter: Option<serde_json::Value>) {
        let mut retry = RetryLimits::new();
        retry.attempts = Some(2);
        retry.min_backoff_ms = Some(0);
        retry.max_backoff_ms = Some(1);
        let mut subscription = Subscription::asynchronous(ty, function);
        subscription.retry = Some(Retry::Limits(retry));
        subscription.filter = filter;
        self.client.subscriptions().create(&subscription).await.unwrap();
    }
}

async fn serve(answers: Answers) -> String {
    async fn answer(
        State(answers): State<Answers>,
        Path(function): Path<String>,
        _: Bytes,
    ) -> (StatusCode, String) {
        let answers = answers.lock().unwrap();
        let said = answers.iter().rev().find(|(name, _, _)| *name == function);
        said.map_or((StatusCode::OK, String::new()), |(_, status, body)| {
            (StatusCode::from_u16(*status).unwrap(), body.clone())
        })
    }
    let router = Router::new().route("/{function}", post(answer)).with_state(answers);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}
