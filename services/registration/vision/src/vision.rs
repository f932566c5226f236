//! A minimal client of Cloud Vision: web detection for one picture. Knows no users.

use std::env;
use std::time::Duration;

use eg_runtime::Error;
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};

const CLOUD_VISION: &str = "https://vision.googleapis.com";

/// The time limit of one call.
const PATIENCE: Duration = Duration::from_secs(10);

/// The maximum number of entities in an answer.
const MAX_RESULTS: u32 = 5;

/// A client of one vision server. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Vision {
    endpoint: Url,
    key: Option<String>,
    client: Client,
}

#[derive(Serialize)]
struct Batch<'a> {
    requests: [Question<'a>; 1],
}

#[derive(Serialize)]
struct Question<'a> {
    image: Image<'a>,
    features: [Feature; 1],
}

#[derive(Serialize)]
struct Image<'a> {
    source: Source<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source<'a> {
    image_uri: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Feature {
    r#type: &'static str,
    max_results: u32,
}

#[derive(Deserialize)]
struct Answers {
    responses: Vec<Answer>,
}

/// Google omits empty members at every level.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    error: Option<Problem>,
    web_detection: WebDetection,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WebDetection {
    web_entities: Vec<WebEntity>,
}

#[derive(Deserialize)]
struct WebEntity {
    description: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
}

impl Vision {
    /// Connects to the server in `VISION_URL`, with the key in `API_KEY`. Without a URL, uses Cloud Vision if there
    /// is a key, else this application's `fake-vision`.
    pub(crate) fn from_env() -> Result<Self, Error> {
        let variable = |name| env::var(name).ok().filter(|value: &String| !value.is_empty());
        let key = variable("API_KEY");
        let url = variable("VISION_URL").unwrap_or_else(|| match &key {
            Some(_) => CLOUD_VISION.to_owned(),
            None => {
                let gateway = variable("EVENT_GATEWAY_URL");
                format!("{}/fake-vision", gateway.as_deref().unwrap_or("http://localhost:4000"))
            }
        });
        Self::new(&url, key)
    }

    pub(crate) fn new(url: &str, key: Option<String>) -> Result<Self, Error> {
        let endpoint = format!("{}/v1/images:annotate", url.trim_end_matches('/'));
        let Ok(endpoint) = Url::parse(&endpoint) else {
            let message = format!("VISION_URL is `{url}`: set it to the URL of a vision server");
            return Err(Error::reject(message));
        };
        let client = service_http::client(&endpoint, PATIENCE)?;
        Ok(Self { endpoint, key, client })
    }

    /// Returns what the picture at `image` shows, best guess first; empty if there is no picture. Every failure is
    /// temporary and worth a retry.
    pub(crate) async fn web_entities(&self, image: &str) -> Result<Vec<String>, Error> {
        let question = Question {
            image: Image { source: Source { image_uri: image } },
            features: [Feature { r#type: "WEB_DETECTION", max_results: MAX_RESULTS }],
        };
        let mut request = self.client.post(self.endpoint.clone()).json(&Batch { requests: [question] });
        if let Some(key) = &self.key {
            // Not in the URL, because error messages contain it.
            request = request.header("x-goog-api-key", key);
        }
        let no_answer = |e| format!("the vision server does not answer: {}", service_http::reason(&e));
        let response = request.send().await.map_err(|e| Error::retry(no_answer(e)))?;
        let status = response.status();
        if !status.is_success() {
            let text = response.text().await.unwrap_or_default();
            let excerpt: String = text.chars().take(200).collect();
            return Err(Error::retry(format!("the vision server answered {status}: {excerpt}")));
        }
        let unreadable =
            |e| format!("the answer of the vision server cannot be read: {}", service_http::reason(&e));
        let answers: Answers = response.json().await.map_err(|e| Error::retry(unreadable(e)))?;
        let Some(answer) = answers.responses.into_iter().next() else {
            return Err(Error::retry("the answer of the vision server is empty"));
        };
        if let Some(Problem { message }) = answer.error {
            return Err(Error::retry(format!("the vision server failed: {message}")));
        }
        let entities = answer.web_detection.web_entities.into_iter();
        Ok(entities.filter_map(|entity| entity.description).collect())
    }
}
