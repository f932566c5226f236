//! Tests the calls of the history API: URLs, pages, missing resources, error codes, and a feed that survives a broken
//! connection.

use std::collections::BTreeMap;

use axum::response::{IntoResponse as _, Response};
use eg_sdk::errors::{ErrorBody, ErrorCode};
use eg_sdk::history::{
    Accounting, Activity, EventFilter, JobKind, JobState, Loss, RedriveRequest, Redriven, Replay,
    ReplayRequest, Tally, parse_time,
};
use eg_sdk::{Error, EventGateway, FeedEvent, RetryPolicy, Settings};
use serde_json::{Value, json};

use crate::server::{Seen, Server, json, nobody, status};

fn client(url: &str) -> EventGateway {
    let mut settings = Settings::default();
    settings.config_url = Some(url.to_owned());
    settings.space = "team".to_owned();
    settings.access_key = Some("key".into());
    EventGateway::with_settings(settings).unwrap().with_retry(RetryPolicy::none())
}

fn refusal(code: ErrorCode) -> Response {
    json(code.status(), &serde_json::to_value(ErrorBody::new(code, "no")).unwrap())
}

fn event(id: &str) -> Value {
    json!({
        "eventId": id, "eventType": "e", "source": "/s", "method": "POST", "path": "/",
        "acceptedAt": "2026-01-31T12:00:00.5Z", "event": {"n": 1.0}, "later": "members are ignored",
    })
}

fn letter(id: i64) -> Value {
    json!({
        "deadLetterId": id, "eventId": "1", "eventType": "e", "source": "/s", "subscriptionId": "s",
        "functionId": "f", "state": "dead", "reason": "rejected: no", "acceptedAt": "2026-01-31T12:00:00Z",
        "deadAt": "2026-01-31T12:00:01Z", "attempts": [], "event": {},
    })
}

fn lines(server: &Server) -> Vec<String> {
    server.seen().iter().map(Seen::line).collect()
}

#[tokio::test]
async fn events_are_read_page_by_page() {
    let server = Server::answers([
        json(200, &json!({"events": [event("4"), event("3")], "next": 3})),
        json(200, &json!({"events": [event("2")]})),
    ])
    .await;
    let filter = EventFilter {
        ty: Some("a b".to_owned()),
        from: Some(parse_time("2026-01-31T12:00:00Z").unwrap()),
        ..EventFilter::default()
    };
    let gateway = client(&server.url);
    let events = gateway.history().events(&filter, 1000).await.unwrap();
    let ids: Vec<_> = events.iter().map(|event| event.event_id.as_str()).collect();
    assert_eq!(ids, ["4", "3", "2"]);
    assert_eq!(events[0].event.get(), r#"{"n":1.0}"#, "as it was emitted");
    let query = "type=a%20b&from=2026-01-31T12%3A00%3A00Z";
    assert_eq!(
        lines(&server),
        [
            format!("GET /v1/spaces/team/events?{query}&limit=500"),
            format!("GET /v1/spaces/team/events?{query}&limit=500&before=3"),
        ]
    );
    assert_eq!(server.seen()[0].header("authorization"), Some("bearer key"));
}

#[tokio::test]
async fn every_operation_has_its_method_url_and_body() {
    let page = json!({"deadLetters": [letter(7)], "next": 7});
    let detail = {
        let mut detail = event("1");
        detail["deliveries"] = json!([]);
        detail
    };
    let accounting =
        Accounting::new(BTreeMap::from([("team".to_owned(), Tally { accepted: 1, ..Tally::default() })]));
    let server = Server::answers([
        json(200, &detail),
        json(202, &json!({"replayId": "r", "events": 1, "deliveries": 2})),
        json(200, &page),
        json(200, &letter(7)),
        json(202, &json!({"redriven": 1, "skipped": 0})),
        json(202, &json!({"redriven": 3, "skipped": 1, "jobId": 9})),
        status(204),
        json(200, &json!({"discarded": 4})),
        json(200, &serde_json::to_value(&accounting).unwrap()),
    ])
    .await;
    let gateway = client(&server.url);
    let (history, letters) = (gateway.history(), gateway.dead_letters());
    assert_eq!(history.event("a/b", Some("/s"), Some("t")).await.unwrap().unwrap().event.event_id, "1");
    let request = ReplayRequest { event_id: Some("1".to_owned()), ..ReplayRequest::default() };
    let replay = Replay { replay_id: "r".to_owned(), events: 1, deliveries: 2, job_id: None };
    assert_eq!(history.replay(&request).await.unwrap(), replay);
    assert_eq!(letters.page(Loss::Expired, Some(9), 5).await.unwrap().next, Some(7));
    assert_eq!(letters.get(7).await.unwrap().unwrap().state, Loss::Dead);
    let edited = RedriveRequest { event: serde_json::from_str("{}").unwrap() };
    let redriven = Redriven { redriven: 1, skipped: 0, job_id: None };
    assert_eq!(letters.redrive(7, Some(&edited)).await.unwrap(), redriven);
    let redriven = Redriven { redriven: 3, skipped: 1, job_id: Some(9) };
    assert_eq!(letters.redrive_all(Loss::Expired).await.unwrap(), redriven);
    letters.discard(7).await.unwrap();
    assert_eq!(letters.discard_all(Loss::Dead).await.unwrap().discarded, 4);
    let read = gateway.accounting().await.unwrap();
    assert_eq!((read.balanced, read), (false, accounting));
    assert_eq!(
        lines(&server),
        [
            "GET /v1/spaces/team/events/a%2Fb?source=%2Fs&type=t",
            "POST /v1/spaces/team/replays",
            "GET /v1/spaces/team/dead-letters?state=expired&limit=5&before=9",
            "GET /v1/spaces/team/dead-letters/7",
            "POST /v1/spaces/team/dead-letters/7/redrive",
            "POST /v1/spaces/team/dead-letters/redrive?state=expired",
            "DELETE /v1/spaces/team/dead-letters/7",
            "DELETE /v1/spaces/team/dead-letters?state=dead",
            "GET /v1/accounting",
        ]
    );
    assert_eq!(server.seen()[1].json(), json!({"eventId": "1"}));
    assert_eq!(server.seen()[4].json(), json!({"event": {}}));
}

#[tokio::test]
async fn jobs_are_listed_read_cancelled_and_resumed() {
    let job = |state: &str| {
        json!({
            "jobId": 3, "kind": "redrive", "state": state, "percent": 40, "events": 0, "deliveries": 400, "skipped": 1,
            "loss": "expired", "waitsFor": "the store is full", "createdAt": "2026-01-31T12:00:00Z",
        })
    };
    let server = Server::answers([
        json(200, &json!({"jobs": [job("running")], "next": 3})),
        json(200, &job("running")),
        json(200, &job("cancelled")),
        json(200, &job("running")),
        refusal(ErrorCode::NotFound),
    ])
    .await;
    let gateway = client(&server.url);
    let page = gateway.jobs().page(Some(7), 9_000).await.unwrap();
    assert_eq!(
        (page.jobs[0].kind, page.jobs[0].loss, page.next),
        (JobKind::Redrive, Some(Loss::Expired), Some(3))
    );
    let read = gateway.jobs().get(3).await.unwrap().unwrap();
    assert_eq!((read.percent, read.waits_for.as_deref()), (40, Some("the store is full")));
    assert_eq!(gateway.jobs().cancel(3).await.unwrap().state, JobState::Cancelled);
    assert_eq!(gateway.jobs().resume(3).await.unwrap().state, JobState::Running);
    assert_eq!(gateway.jobs().get(4).await.unwrap(), None);
    assert_eq!(
        lines(&server),
        [
            "GET /v1/spaces/team/jobs?limit=500&before=7",
            "GET /v1/spaces/team/jobs/3",
            "POST /v1/spaces/team/jobs/3/cancel",
            "POST /v1/spaces/team/jobs/3/resume",
            "GET /v1/spaces/team/jobs/4",
        ]
    );
}

#[tokio::test]
async fn what_is_missing_is_none_and_a_gateway_without_history_is_an_error() {
    let server = Server::answers([
        refusal(ErrorCode::NotFound),
        refusal(ErrorCode::NotFound),
        refusal(ErrorCode::SubscriptionInactive),
        refusal(ErrorCode::UnknownPath),
        (axum::http::StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
    ])
    .await;
    let gateway = client(&server.url);
    assert!(gateway.history().event("1", None, None).await.unwrap().is_none());
    assert!(gateway.dead_letters().get(1).await.unwrap().is_none());
    let inactive = gateway.dead_letters().redrive(1, None).await.unwrap_err();
    assert_eq!(inactive.code(), Some(ErrorCode::SubscriptionInactive));
    let unknown = gateway.history().event("1", None, None).await.unwrap_err();
    assert_eq!((unknown.status(), unknown.code()), (Some(404), Some(ErrorCode::UnknownPath)));
    let original = gateway.history().event("1", None, None).await.unwrap_err();
    assert_eq!((original.status(), original.code()), (Some(404), None));
    assert!(original.to_string().ends_with("answered 404: 404 page not found\n"), "{original}");
}

#[tokio::test]
async fn a_recording_client_has_no_history() {
    let (gateway, _recorder) = EventGateway::recording();
    for error in [
        gateway.history().event("1", None, None).await.unwrap_err(),
        gateway.accounting().await.unwrap_err(),
        gateway.feed(None).next().await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    }
}

fn entry(id: &str, deliveries: usize) -> String {
    let data =
        json!({"at": "2026-01-31T12:00:00Z", "kind": "redriven", "space": "team", "deliveries": deliveries});
    format!("id: {id}\ndata: {data}\n\n")
}

#[tokio::test]
async fn the_feed_continues_after_a_broken_connection() {
    let feed = |text: String| ([("content-type", "text/event-stream")], text).into_response();
    let server = Server::answers([
        feed(format!(":\n\n{}{}", entry("e-1", 1), entry("e-2", 2))),
        feed("event: gap\ndata: {}\n\n".to_owned() + &entry("f-1", 3)),
        feed("id: f-2\ndata: {\"at\":\"2026-01-31T12:00:00Z\",\"kind\":\"ofTomorrow\"}\n\n".to_owned()),
        refusal(ErrorCode::KeyRefused),
    ])
    .await;
    let mut feed = client(&server.url).feed(Some("e-0".to_owned()));
    let mut redriven = Vec::new();
    for expected in [Some(1), Some(2), None, Some(3)] {
        let found = match feed.next().await.unwrap() {
            FeedEvent::Gap => None,
            FeedEvent::Entry(entry) => match entry.activity {
                Activity::Redriven { deliveries, .. } => Some(deliveries),
                other => panic!("{other:?}"),
            },
        };
        assert_eq!(found, expected);
        redriven.extend(feed.last_id().map(str::to_owned));
    }
    assert_eq!(redriven, ["e-1", "e-2", "e-2", "f-1"]);
    let FeedEvent::Entry(unknown) = feed.next().await.unwrap() else { panic!("an entry") };
    assert_eq!(unknown.activity, Activity::Unknown);
    assert_eq!(feed.next().await.unwrap_err().code(), Some(ErrorCode::KeyRefused));
    let asked: Vec<_> =
        server.seen().iter().map(|seen| seen.header("last-event-id").unwrap().to_owned()).collect();
    assert_eq!(asked, ["e-0", "e-2", "f-1", "f-2"]);

    let mut feed = client(&nobody().await).feed(None);
    assert!(matches!(feed.next().await.unwrap_err(), Error::Unreachable { .. }));
}
