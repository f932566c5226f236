//! Implements the part of WebDriver, the W3C's protocol for driving browsers, that the tests need. `browser` starts the driver. Client libraries
//! are not an option: they enable features of `serde_json`, which the product is built without, for everything that
//! is tested together with them.

use crate::http;
use reqwest::Method;
use serde_json::{Value, json};

/// The key of elements in the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What the pages are shown on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// A phone of 360 by 640 points.
    Phone,
    /// A window of 1280 by 900 points.
    Window,
}

/// An open browser.
#[derive(Debug)]
pub struct Session {
    client: reqwest::Client,
    url: String,
}

/// Something on the page.
#[derive(Debug)]
pub struct Element<'a> {
    session: &'a Session,
    path: String,
}

impl Session {
    /// Makes the driver at `driver` start a Chromium with these flags.
    pub(crate) async fn open(driver: &str, flags: &[String], screen: Screen) -> Self {
        let client = http();
        let mut options = json!({ "args": flags });
        if screen == Screen::Phone {
            let phone = json!({"width": 360, "height": 640, "pixelRatio": 3.0});
            options["mobileEmulation"] = json!({ "deviceMetrics": phone });
        }
        let chromium = json!({"browserName": "chrome", "goog:chromeOptions": options});
        let wanted = json!({"capabilities": {"alwaysMatch": chromium}});
        let made = call(&client, Method::POST, &format!("{driver}/session"), Some(wanted)).await;
        let id = text(&made["sessionId"]);
        Self { url: format!("{driver}/session/{id}"), client }
    }

    /// Opens an address.
    ///
    /// # Panics
    /// As every method here, if the driver answers with an error.
    pub async fn goto(&self, url: &str) {
        self.post("url", json!({"url": url})).await;
    }

    /// Loads the page again.
    ///
    /// # Panics
    /// If the driver answers with an error.
    pub async fn refresh(&self) {
        self.post("refresh", json!({})).await;
    }

    /// Returns the first element that a CSS selector finds.
    ///
    /// # Panics
    /// If there is none.
    pub async fn find(&self, css: &str) -> Element<'_> {
        let found = self.post("element", json!({"using": "css selector", "value": css})).await;
        Element { session: self, path: format!("element/{}", text(&found[ELEMENT])) }
    }

    /// Runs a script and returns its result; awaits a promise.
    ///
    /// # Panics
    /// If the script fails.
    pub async fn execute(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("execute/sync", json!({"script": script, "args": arguments})).await
    }

    /// Calls a command of the DevTools protocol of Chromium, for what WebDriver does not have.
    ///
    /// # Panics
    /// If the command fails.
    pub async fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
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
    /// Returns whether it can be seen.
    ///
    /// # Panics
    /// As every method here, if the element is gone.
    pub async fn is_displayed(&self) -> bool {
        self.session
            .get(&format!("{}/displayed", self.path))
            .await
            .as_bool()
            .expect("whether it is displayed")
    }

    /// Returns the value of an attribute; `None` if there is none.
    ///
    /// # Panics
    /// If the element is gone.
    pub async fn attribute(&self, name: &str) -> Option<String> {
        self.session.get(&format!("{}/attribute/{name}", self.path)).await.as_str().map(str::to_owned)
    }

    /// Returns its text as it is shown.
    ///
    /// # Panics
    /// If the element is gone.
    pub async fn text(&self) -> String {
        text(&self.session.get(&format!("{}/text", self.path)).await)
    }

    /// Empties a field.
    ///
    /// # Panics
    /// If it is none.
    pub async fn clear(&self) {
        self.session.post(&format!("{}/clear", self.path), json!({})).await;
    }

    /// Types a text into it.
    ///
    /// # Panics
    /// If it takes none.
    pub async fn send_keys(&self, text: &str) {
        self.session.post(&format!("{}/value", self.path), json!({"text": text})).await;
    }

    /// Clicks on it.
    ///
    /// # Panics
    /// If it cannot be clicked.
    pub async fn click(&self) {
        self.session.post(&format!("{}/click", self.path), json!({})).await;
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// Returns the driver's answer. An error fails the test with the driver's message.
async fn call(client: &reqwest::Client, method: Method, url: &str, body: Option<Value>) -> Value {
    let mut request = client.request(method, url);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.expect("the driver answers");
    let (status, mut answer) =
        (response.status(), response.json::<Value>().await.expect("an answer in JSON"));
    assert!(status.is_success(), "{url}: {answer}");
    answer["value"].take()
}
