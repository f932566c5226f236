//! Typed questions: what a function asks, what it gets, and what it gets if the answer is another one.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use eg_runtime::testing::TestApp;
use eg_runtime::{App, Ask, CloudEvent, Context, Error, Event, Json, Path, StatusCode, http, subscribe};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event("price.asked", answer = Price)]
struct PriceAsked {
    item: String,
}

#[derive(Serialize, Deserialize)]
struct Price {
    cents: u32,
}

#[subscribe(PriceAsked, mode = "sync")]
async fn quote(context: Context, event: CloudEvent<PriceAsked>) -> Result<Json<Price>, Error> {
    match event.data.item.as_str() {
        "moon" => Err(Error::status(StatusCode::NOT_FOUND, "we do not sell any moon")),
        _ => Ok(Json(Price { cents: 1990 + context.hops() })),
    }
}

/// Answers with something else.
#[subscribe(PriceAsked, mode = "sync", path = "/eu")]
async fn quote_in_words() -> &'static str {
    "much"
}

#[http(GET, "/prices/{item}")]
async fn price(ask: Ask<PriceAsked>, Path(item): Path<String>) -> Result<String, Error> {
    let Price { cents } = ask.request(PriceAsked { item }).await?;
    Ok(format!("{cents} cents"))
}

#[http(GET, "/eu/prices/{item}")]
async fn price_in_europe(ask: Ask<PriceAsked>, Path(item): Path<String>) -> Result<String, Error> {
    ask.request_at("/eu", PriceAsked { item })
        .await
        .map(|price| price.cents.to_string())
        .map_err(Error::retry)
}

#[tokio::test]
async fn a_question_has_a_typed_answer() {
    let app = TestApp::new(App::new()).unwrap();
    // The question is the second in the chain that began with the request.
    assert_eq!(app.get("/prices/lamp").await.text(), "1991 cents");
    let unanswered = app.get("/prices/moon").await;
    assert_eq!(unanswered.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let wrong = app.get("/eu/prices/lamp").await;
    assert_eq!(wrong.status(), StatusCode::INTERNAL_SERVER_ERROR, "{}", wrong.text());
}
