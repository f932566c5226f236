//! Implements the part of WebDriver, the W3C's protocol for driving browsers, that the tests need. Client libraries
//! are not an option: they enable features of `serde_json`, which the product is built without, for everything that
//! is tested together with them.

use eg_tests::http;
use reqwest::Method;
use serde_json::{Value, json};

/// The key of elements in the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// An open browser.
pub(crate) struct Session {
    client: reqwest::Client,
    url: String,
}

/// Something on the page.
pub(crate) struct Element<'a> {
    session: &'a Session,
    path: String,
}

impl Session {
    /// Makes the driver at `driver` start a Chromium with these flags, with the screen of a phone.
    pub(crate) async fn open(driver: &str, flags: &[String]) -> Self {
        let client = http();
        let phone = json!({"deviceMetrics": {"width": 360, "height": 640, "pixelRatio": 3.0}});
        let options = json!({"args": flags, "mobileEmulation": phone});
        let chromium = json!({"browserName": "chrome", "goog:chromeOptions": options});
        let wanted = json!({"capabilities": {"alwaysMatch": chromium}});
        let made = call(&client, Method::POST, &format!("{driver}/session"), Some(wanted)).await;
        let id = made["sessionId"].as_str().unwrap();
        Self { url: format!("{driver}/session/{id}"), client }
    }

    pub(crate) async fn goto(&self, url: &str) {
        self.post("url", json!({"url": url})).await;
    }

    pub(crate) async fn refresh(&self) {
        self.post("refresh", json!({})).await;
    }

    /// Returns the first element that a CSS selector finds.
    pub(crate) async fn find(&self, css: &str) -> Element<'_> {
        let found = self.post("element", json!({"using": "css selector", "value": css})).await;
        Element { session: self, path: format!("element/{}", found[ELEMENT].as_str().unwrap()) }
    }

    /// Runs a script and returns its result; awaits a promise.
    pub(crate) async fn execute(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("execute/sync", json!({"script": script, "args": arguments})).await
    }

    pub(crate) async fn close(self) {
        call(&self.client, Method::DELETE, &self.url, None).await;
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        call(&self.client, Method::POST, &format!("{}/{path}", self.url), Some(body)).await
    }

    async fn get(&self, path: &str) -> Value {
        call(&self.client, Method::GET, &format!("{}/{path}", self.url), None).await
    }
}

impl Element<'_> {
    pub(crate) async fn is_displayed(&self) -> bool {
        self.session.get(&format!("{}/displayed", self.path)).await.as_bool().unwrap()
    }

    /// Returns the value of an attribute; `None` if there is none.
    pub(crate) async fn attribute(&self, name: &str) -> Option<String> {
        self.session.get(&format!("{}/attribute/{name}", self.path)).await.as_str().map(str::to_owned)
    }

    pub(crate) async fn text(&self) -> String {
        self.session.get(&format!("{}/text", self.path)).await.as_str().unwrap().to_owned()
    }

    pub(crate) async fn clear(&self) {
        self.session.post(&format!("{}/clear", self.path), json!({})).await;
    }

    pub(crate) async fn send_keys(&self, text: &str) {
        self.session.post(&format!("{}/value", self.path), json!({"text": text})).await;
    }

    pub(crate) async fn click(&self) {
        self.session.post(&format!("{}/click", self.path), json!({})).await;
    }
}

/// Returns the driver's answer. An error fails the test with the driver's message.
async fn call(client: &reqwest::Client, method: Method, url: &str, body: Option<Value>) -> Value {
    let mut request = client.request(method, url);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let (status, mut answer) = (response.status(), response.json::<Value>().await.unwrap());
    assert!(status.is_success(), "{url}: {answer}");
    answer["value"].take()
}
