//! Starts the application for the tests of this folder, sends requests to it, and reads its history from the gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eg_tests::app::App;
use eg_tests::{eventually, eventually_within, http};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The function that fails on demand.
pub(crate) const CRM: &str = "crm-add_user_to_crm";

/// The type of the system event for each failed call.
pub(crate) const FAILED: &str = "eventgateway.function.invocationFailed";

/// The number of attempts in the CRM's subscription.
pub(crate) const ATTEMPTS: usize = 3;

/// The application, running.
pub(crate) struct Registration {
    pub(crate) app: App,
    pub(crate) state: TempDir,
}

impl Registration {
    pub(crate) async fn start(variables: &[(&str, &str)]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let app = App::start_with(state.path(), &["services/registration"], variables).await;
        Self { app, state }
    }

    /// Kills it like a power cut, and starts it again.
    pub(crate) async fn cut_power(self) -> Self {
        let Self { app, state } = self;
        app.program.kill().await;
        let app = App::start(state.path(), &["services/registration"]).await;
        Self { app, state }
    }

    pub(crate) async fn stop(self) {
        assert_eq!(self.app.program.interrupt().await, 0);
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, String) {
        let mut request = http().post(format!("{}{path}", self.app.events)).body(body.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(crate) async fn post_user(&self, user: &Value) -> (u16, Value) {
        let (status, body) = self.post("/users", &[("content-type", "application/json")], user).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    /// Registers a user and returns the answer.
    pub(crate) async fn register(&self, email: &str) -> Value {
        let (status, user) = self.post_user(&json!({ "email": email })).await;
        assert_eq!(status, 200, "{user}");
        user
    }

    /// Registers `count` users, several at a time, and returns the answers.
    pub(crate) async fn register_many(&self, count: usize) -> Vec<Value> {
        let emails = (0..count).map(|n| format!("user{n}@example.org"));
        let answers = stream::iter(emails).map(async |email| self.register(&email).await);
        answers.buffer_unordered(16).collect().await
    }

    /// Returns a list that a service provides over HTTP.
    pub(crate) async fn get(&self, path: &str) -> Vec<Value> {
        let url = format!("{}{path}", self.app.events);
        http().get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Returns a list of the gateway, read page by page.
    pub(crate) async fn list(
        &self,
        what: &str,
        query: &str,
        cursor: impl Fn(&Value) -> Option<Value>,
    ) -> Vec<Value> {
        let (mut all, mut before) = (Vec::new(), String::new());
        loop {
            let url = format!("{}/v1/spaces/default/{what}?limit=500&{query}{before}", self.app.config);
            let page: Value = http().get(url).send().await.unwrap().json().await.unwrap();
            let items = page.as_object().unwrap().values().find_map(Value::as_array).unwrap();
            all.extend(items.iter().cloned());
            match cursor(&page) {
                Some(next) if !items.is_empty() => before = format!("&before={next}"),
                _ => return all,
            }
        }
    }

    /// Returns the events of a type that the gateway has accepted.
    pub(crate) async fn events(&self, ty: &str) -> Vec<Value> {
        let query = format!("type={ty}");
        let views = self.list("events", &query, |page| page.get("next").cloned()).await;
        views.into_iter().map(|view| view["event"].clone()).collect()
    }

    pub(crate) async fn dead_letters(&self) -> Vec<Value> {
        let oldest = |page: &Value| Some(page["deadLetters"].as_array()?.last()?["deadLetterId"].clone());
        self.list("dead-letters", "", oldest).await
    }

    pub(crate) async fn books(&self) -> Value {
        let url = format!("{}/v1/accounting", self.app.config);
        http().get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Waits until nothing is left to deliver.
    pub(crate) async fn settle(&self, patience: Duration) -> Value {
        let books = eventually_within(patience, "every delivery to end", async || {
            Some(self.books().await).filter(|books| books["pending"] == 0)
        });
        let books = books.await;
        assert_eq!(books["balanced"], true, "{books}");
        books
    }

    pub(crate) async fn eventually_events(&self, ty: &str, count: usize) -> Vec<Value> {
        let what = format!("{count} times {ty}");
        eventually(&what, async || Some(self.events(ty).await).filter(|events| events.len() >= count)).await
    }
}

pub(crate) fn ids<'v>(values: impl IntoIterator<Item = &'v Value>, key: &str) -> BTreeSet<String> {
    values.into_iter().map(|value| value[key].as_str().unwrap().to_owned()).collect()
}

/// Returns how often each function failed according to the gateway's reports.
pub(crate) fn failures(reports: &[Value]) -> BTreeMap<String, usize> {
    let mut failures = BTreeMap::new();
    for report in reports {
        *failures.entry(report["data"]["functionId"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    failures
}
