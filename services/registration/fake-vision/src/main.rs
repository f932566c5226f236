//! Replaces Cloud Vision locally: accepts the same requests and answers in the same format, without analyzing any
//! picture.
//!
//! `FAKE_VISION` selects the answer: `entities` (the default; the same entities for the same picture), `nothing`,
//! `error` (an answer that reports an inaccessible picture), or `down` (an error status without an answer).

use std::env;

use eg_runtime::{App, Error, Json, State, StatusCode, http};
use serde::Deserialize;
use serde_json::{Value, json};

/// The entities that this server can report.
const SIGHTS: [&str; 8] =
    ["Portrait", "Duck", "Mouse", "Sailor suit", "Bow tie", "Comics", "Landscape", "Robot"];

#[derive(Deserialize)]
struct Batch {
    requests: Vec<Question>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    image: Image,
    features: Vec<Feature>,
}

#[derive(Deserialize)]
struct Image {
    source: Source,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    image_uri: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feature {
    r#type: String,
    max_results: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Finding {
    Entities,
    Nothing,
    Error,
    Down,
}

impl Finding {
    fn parse(setting: &str) -> Result<Self, Error> {
        match setting {
            "" | "entities" => Ok(Self::Entities),
            "nothing" => Ok(Self::Nothing),
            "error" => Ok(Self::Error),
            "down" => Ok(Self::Down),
            other => Err(Error::reject(format!(
                "FAKE_VISION is `{other}`: set it to `entities`, `nothing`, `error` or `down`"
            ))),
        }
    }

    fn answer(self, question: &Question) -> Value {
        match self {
            Self::Nothing | Self::Down => json!({}),
            Self::Error => {
                json!({"error": {"code": 14, "message": "we can not access the URL currently"}})
            }
            Self::Entities => {
                let features = question.features.iter().filter(|feature| feature.r#type == "WEB_DETECTION");
                let count = features.map(|feature| feature.max_results).max().unwrap_or_default();
                let bytes = question.image.source.image_uri.bytes();
                let start = bytes.fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
                let seen = SIGHTS.iter().cycle().skip(start % SIGHTS.len()).take(count.min(SIGHTS.len()));
                let entities: Vec<Value> =
                    seen.map(|sight| json!({"description": sight, "score": 0.5})).collect();
                json!({"webDetection": {"webEntities": entities}})
            }
        }
    }
}

/// Returns the entities for a batch of pictures.
#[http(POST, "/fake-vision/v1/images:annotate")]
async fn annotate_images(
    State(finding): State<Finding>,
    Json(batch): Json<Batch>,
) -> Result<Json<Value>, Error> {
    if finding == Finding::Down {
        return Err(Error::status(StatusCode::SERVICE_UNAVAILABLE, "the vision server is down"));
    }
    let answers: Vec<Value> = batch.requests.iter().map(|question| finding.answer(question)).collect();
    Ok(Json(json!({"responses": answers})))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let finding = Finding::parse(&env::var("FAKE_VISION").unwrap_or_default())?;
    App::new().state(finding).run().await
}

#[cfg(test)]
mod tests {
    use eg_runtime::testing::TestApp;

    use super::*;

    async fn ask(setting: &str) -> (u16, Value) {
        let app = TestApp::new(App::new().state(Finding::parse(setting).unwrap())).unwrap();
        let question = json!({
            "image": {"source": {"imageUri": "https://gravatar.com/avatar/1"}},
            "features": [{"type": "WEB_DETECTION", "maxResults": 2}],
        });
        let answer = app.post("/fake-vision/v1/images:annotate", &json!({"requests": [question]})).await;
        (answer.status().as_u16(), answer.json().unwrap())
    }

    #[tokio::test]
    async fn it_finds_what_it_is_told_to_find() {
        let (status, found) = ask("entities").await;
        let entities = found["responses"][0]["webDetection"]["webEntities"].as_array().unwrap();
        assert_eq!((status, entities.len()), (200, 2));
        assert_eq!(ask("").await, (200, found), "the same for the same picture");
        assert_eq!(ask("nothing").await, (200, json!({"responses": [{}]})));
        let (status, failed) = ask("error").await;
        assert_eq!((status, &failed["responses"][0]["error"]["code"]), (200, &json!(14)));
        assert_eq!(ask("down").await, (503, json!({"errors": ["the vision server is down"]})));
    }

    #[test]
    fn other_settings_are_refused() {
        let error = Finding::parse("cats").unwrap_err().to_string();
        assert_eq!(error, "FAKE_VISION is `cats`: set it to `entities`, `nothing`, `error` or `down`");
    }
}
