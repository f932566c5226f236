//! Spans, as a collector gets them.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use serde_json::json;

use crate::support::{Answer, Functions, TestGateway};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn accepting_and_delivering_are_spans_of_the_same_trace() {
    let mut collector = Functions::accepting().await;
    let mut functions = Functions::start(|call| {
        let status = if call.path == "/broken" { 422 } else { 200 };
        Answer::Http(status, String::new())
    })
    .await;
    let endpoint = collector.url("");
    let gateway = TestGateway::with(|options| options.otlp_endpoint = Some(endpoint)).await;
    gateway.api.event_type("e").await;
    for path in ["works", "broken"] {
        gateway.api.http_function(path, &functions.url(&format!("/{path}"))).await;
        gateway.api.subscribe("e", path).await;
    }
    let event = |id: &str, traceparent: Option<&str>| {
        let mut event = json!({ "specversion": "1.0", "type": "e", "source": "/s", "id": id });
        if let Some(traceparent) = traceparent {
            event["traceparent"] = json!(traceparent);
        }
        event
    };
    let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let unsampled = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let mut called = HashMap::new();
    for event in [event("1", Some(sampled)), event("2", None), event("3", Some(unsampled))] {
        assert_eq!(gateway.api.emit_json(&event).await.status(), 202);
        for _ in 0..2 {
            let call = functions.next_call().await;
            let id = event["id"].as_str().unwrap().to_owned();
            called.insert((id, call.path.clone()), call.headers["traceparent"].to_str().unwrap().to_owned());
        }
    }
    gateway.api.wait_for_books("delivered", 3).await;
    gateway.api.wait_for_books("dead", 3).await;
    gateway.gateway.shutdown().await;

    let mut spans: Vec<Span> = Vec::new();
    while let Some(call) = collector.try_call() {
        assert_eq!(call.path, "/v1/traces");
        let request = ExportTraceServiceRequest::decode(call.body).unwrap();
        for resource in request.resource_spans {
            let attributes = resource.resource.unwrap().attributes;
            assert!(attributes.iter().any(|attribute| attribute.key == "service.name"), "{attributes:?}");
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    assert_eq!(spans.len(), 6, "three for each trace that is recorded: {spans:?}");
    for (id, given) in [("1", Some(sampled)), ("2", None)] {
        let works = &called[&(id.to_owned(), "/works".to_owned())];
        let trace = works.split('-').nth(1).unwrap();
        let of_trace: Vec<&Span> = spans.iter().filter(|span| hex(&span.trace_id) == trace).collect();
        let accept = of_trace.iter().find(|span| span.name == "accept e").unwrap();
        assert_eq!(accept.kind(), SpanKind::Server);
        assert!(accept.start_time_unix_nano <= accept.end_time_unix_nano);
        let parent = given.map_or(String::new(), |given| given.split('-').nth(2).unwrap().to_owned());
        assert_eq!(hex(&accept.parent_span_id), parent, "{id}");
        let below = if given.is_some() { parent } else { hex(&accept.span_id) };
        for path in ["/works", "/broken"] {
            let span_id = called[&(id.to_owned(), path.to_owned())].split('-').nth(2).unwrap();
            let deliver = of_trace.iter().find(|span| hex(&span.span_id) == span_id).unwrap();
            assert_eq!((deliver.name.as_str(), deliver.kind()), ("deliver e", SpanKind::Client));
            assert_eq!(hex(&deliver.parent_span_id), below, "{id} {path}");
            let failed = deliver.status.as_ref().is_some_and(|status| status.message.contains("422"));
            assert_eq!(failed, path == "/broken", "{deliver:?}");
        }
    }
}

/// The gateway does its work whether or not a collector is there.
#[tokio::test]
async fn a_collector_that_is_away_stops_nothing() {
    let mut functions = Functions::accepting().await;
    let gateway = TestGateway::with(|options| {
        options.otlp_endpoint = Some("http://127.0.0.1:9".to_owned());
    })
    .await;
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &functions.url("/")).await;
    gateway.api.subscribe("e", "f").await;
    gateway.api.emit("e", "1").await;
    functions.next_call().await;
    gateway.api.wait_for_books("delivered", 1).await;
    gateway.gateway.shutdown().await;
}
