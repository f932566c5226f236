//! What holds for a whole app: traces, schedules, and events that cause events.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::collections::HashSet;

use eg_runtime::testing::{Outcome, TestApp};
use eg_runtime::{
    App, CloudEvent, Context, Data, Emit, Error, Event, EventGateway, Json, State, StatusCode, TraceContext,
    http, schedule, subscribe,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize, Event)]
#[event("order.placed")]
struct Placed {
    n: u32,
}

#[derive(Serialize, Deserialize, Event)]
#[event("order.shipped")]
struct Shipped {
    n: u32,
}

#[http(POST, "/orders")]
async fn place(emit: Emit<Placed>, Json(n): Json<u32>) -> Result<StatusCode, Error> {
    emit.send(Placed { n }).await?;
    Ok(StatusCode::ACCEPTED)
}

#[subscribe(Placed)]
async fn ship(emit: Emit<Shipped>, event: CloudEvent<Placed>) -> Result<(), Error> {
    if event.data.n == 0 {
        return Err(Error::reject("nothing to ship"));
    }
    emit.send(Shipped { n: event.data.n }).await?;
    Ok(())
}

#[derive(Serialize, Deserialize, Event)]
#[event("customer.told")]
struct Told;

#[subscribe(Shipped)]
async fn tell(emit: Emit<Told>, event: CloudEvent<Shipped>) -> Result<(), Error> {
    if event.data.n > 100 {
        return Err(Error::retry("the mail server is down"));
    }
    emit.send(Told).await?;
    Ok(())
}

#[subscribe("trace", mode = "sync")]
async fn traced(context: Context) -> Json<Value> {
    Json(json!({"trace": context.trace().map(ToString::to_string), "function": context.function_name()}))
}

#[derive(Serialize, Deserialize, Event)]
#[event("price.asked")]
struct PriceAsked {
    product: u32,
}

/// Asks with the permission in its signature.
#[subscribe("ask")]
async fn ask(ask: Emit<PriceAsked>) -> Result<(), Error> {
    let cents: u32 = ask.request(PriceAsked { product: 7 }).await?.json()?;
    ask.request_at("/", PriceAsked { product: cents }).await?;
    Ok(())
}

/// Asks and emits with the client itself.
#[subscribe("ask.client")]
async fn ask_with_the_client(State(gateway): State<EventGateway>) -> Result<(), Error> {
    let cents: u32 = gateway.request(PriceAsked { product: 7 }).await?.json()?;
    gateway.emit(PriceAsked { product: cents }).await?;
    Ok(())
}

#[schedule("rate(1 day)")]
async fn clean_up(event: CloudEvent<Data>) -> Result<(), Error> {
    Err(Error::reject(format!("cleaned up on {}", event.ty())))
}

#[schedule("cron(0 12 ? * MON-FRI *)", timeout = "5m", memory = 256)]
async fn report() -> Result<(), Error> {
    Err(Error::reject("reported"))
}

#[tokio::test]
async fn emitted_events_follow_their_subscriptions_when_asked() {
    let app = TestApp::new(App::new()).unwrap();
    for n in [7, 0, 101] {
        assert_eq!(app.post("/orders", &n).await.status(), StatusCode::ACCEPTED);
    }
    assert_eq!(app.emitted::<Placed>().unwrap().len(), 3);
    assert!(app.emitted::<Shipped>().unwrap().is_empty(), "nothing happens by itself");

    let deliveries = app.settle().await;
    let outcomes: Vec<_> = deliveries.iter().map(|d| (d.function, d.event.ty(), &d.outcome)).collect();
    assert_eq!(
        outcomes,
        [
            ("ship", "order.placed", &Outcome::Done),
            ("ship", "order.placed", &Outcome::Rejected("nothing to ship".to_owned())),
            ("ship", "order.placed", &Outcome::Done),
            ("tell", "order.shipped", &Outcome::Done),
            ("tell", "order.shipped", &Outcome::Retry("the mail server is down".to_owned())),
        ]
    );
    assert_eq!(app.emitted::<Shipped>().unwrap()[0].source(), "/services/eg-runtime");
    assert!(app.settle().await.is_empty(), "each event once");
}

#[tokio::test]
async fn a_gateway_that_refuses_makes_the_event_come_again() {
    let app = TestApp::new(App::new()).unwrap();
    app.gateway().refuse_next(503, "full");
    let deliveries = app.deliver(Placed { n: 1 }).await.unwrap();
    assert!(
        matches!(&deliveries[0].outcome, Outcome::Retry(reason) if reason.contains("full")),
        "{deliveries:?}"
    );
}

/// Events that a test took from the recorder were skipped, and the ones after them as well.
#[tokio::test]
async fn events_that_were_taken_are_delivered_all_the_same() {
    let app = TestApp::new(App::new()).unwrap();
    app.post("/orders", &1).await;
    assert_eq!(app.settle().await.len(), 2);
    assert_eq!(app.gateway().take().len(), 3);
    app.post("/orders", &2).await;
    app.post("/orders", &3).await;
    assert_eq!(app.gateway().take().len(), 2);
    app.post("/orders", &4).await;
    let placed = app.settle().await.into_iter().filter(|delivery| delivery.function == "ship");
    let placed: Vec<_> = placed.map(|delivery| delivery.event.decode::<Placed>().unwrap().data.n).collect();
    assert_eq!(placed, [2, 3, 4]);
    assert_eq!(app.emitted::<Placed>().unwrap().len(), 1, "what was taken is not listed again");
}

#[derive(Serialize, Deserialize, Event)]
#[event("ball.north")]
struct North;

#[derive(Serialize, Deserialize, Event)]
#[event("ball.south")]
struct South;

#[subscribe(North)]
async fn player(emit: Emit<South>) -> Result<(), Error> {
    emit.send(South).await?;
    Ok(())
}

#[subscribe(South)]
async fn opponent(emit: Emit<North>) -> Result<(), Error> {
    emit.send(North).await?;
    Ok(())
}

#[subscribe(South)]
async fn umpire() {}

#[http(POST, "/serve")]
async fn serve(emit: Emit<North>) -> Result<(), Error> {
    emit.send(North).await?;
    Ok(())
}

#[tokio::test]
#[should_panic(
    expected = "events cause each other in a loop: `ball.south` (handled by `opponent` and `umpire`) → `ball.north` \
                (handled by `player`) → `ball.south`"
)]
async fn a_loop_is_named_after_a_few_deliveries() {
    let app = TestApp::new(App::new()).unwrap();
    app.post("/serve", &()).await;
    app.settle().await;
}

#[tokio::test]
async fn a_tick_is_for_a_function_of_that_name() {
    let app = TestApp::new(App::new()).unwrap();
    assert_eq!(app.tick("clean_up").await.unwrap_err().error_message, "cleaned up on Scheduled Event");
    for name in ["reports", "x_report", "eg-runtime-report", "ship", ""] {
        let error = app.tick(name).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "Reject: no function named `{name}` has a schedule; the functions with a schedule are `clean_up` \
                 (rate(1 day)), `report` (cron(0 12 ? * MON-FRI *))"
            )
        );
    }
}

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn one_trace_and_a_span_per_function() {
    let app = TestApp::new(App::new()).unwrap();
    let request = http::Request::post("/orders").header("content-type", "application/json");
    let request = request.header("traceparent", TRACEPARENT).header("tracestate", "vendor=1");
    assert_eq!(app.http(request.body("7").unwrap()).await.status(), 202);
    app.settle().await;
    let traces: Vec<_> = app.events().iter().map(|event| event.trace_context().unwrap()).collect();
    assert_eq!(
        app.events().iter().map(CloudEvent::ty).collect::<Vec<_>>(),
        ["order.placed", "order.shipped", "customer.told"]
    );
    for trace in &traces {
        assert_eq!(trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(trace.tracestate(), Some("vendor=1"));
    }
    let spans: HashSet<_> = traces.iter().map(TraceContext::span_id).chain(["b7ad6b7169203331"]).collect();
    assert_eq!(spans.len(), 4, "the caller's, and one for each of three functions");

    let event =
        json!({"specversion": "1.0", "id": "1", "source": "/x", "type": "trace", "traceparent": TRACEPARENT});
    let answer = app.invoke(&event.to_string()).await.unwrap();
    let seen: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(seen, json!({"trace": TRACEPARENT, "function": "traced"}));
}

#[tokio::test]
async fn requests_to_synchronous_subscribers_keep_trace_cause_and_hops() {
    let app = TestApp::new(App::new()).unwrap();
    app.gateway().answer("price.asked", 250).unwrap();
    for ty in ["ask", "ask.client"] {
        let trace = TraceContext::parse(TRACEPARENT, None).unwrap();
        let event =
            CloudEvent::of_type(ty, "/x", Data::Empty).with_id(ty).with_trace_context(&trace).with_hops(2);
        let deliveries = app.deliver(event).await.unwrap();
        assert_eq!(deliveries[0].outcome, Outcome::Done, "{ty}");
        let sent = app.gateway().take();
        let product = |event: &CloudEvent| event.clone().decode::<PriceAsked>().unwrap().data.product;
        let products: Vec<_> = sent.iter().map(product).collect();
        assert_eq!(products, [7, 250], "{ty}");
        for sent in sent {
            assert_eq!((sent.ty(), sent.cause(), sent.hops()), ("price.asked", Some(ty), 3));
            assert_eq!(sent.trace_context().unwrap().trace_id(), trace.trace_id());
        }
    }
    let event = CloudEvent::of_type("ask", "/x", Data::Empty);
    app.gateway().refuse_next(503, "full");
    let deliveries = app.deliver(event).await.unwrap();
    assert!(
        matches!(&deliveries[0].outcome, Outcome::Retry(reason) if reason.contains("full")),
        "{deliveries:?}"
    );
}

/// The arguments of functions are extractors of axum, but only a function has what they need.
#[tokio::test]
async fn arguments_of_functions_in_another_router_are_answered_with_an_error() {
    use eg_runtime::axum::{Router, body::Body, routing::get};
    use tower::ServiceExt as _;

    let router = Router::new()
        .route("/context", get(async |_: Context| ()))
        .route("/state", get(async |_: State<u8>| ()))
        .route("/emit", get(async |_: Emit<Placed>| ()));
    for path in ["/context", "/state", "/emit"] {
        let request = http::Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(router.clone().oneshot(request).await.unwrap().status(), 500, "{path}");
    }
}

#[tokio::test]
async fn what_functions_emit_is_counted_from_what_made_them_run() {
    let app = TestApp::new(App::new().max_hops(u32::MAX)).unwrap();
    let gateway_request = json!({"eventType": "http.request", "cloudEventsVersion": "0.1", "source": "/x",
        "eventID": "1", "extensions": {"hops": 6},
        "data": {"method": "POST", "path": "/orders", "headers": {"Content-Type": "application/json"}, "body": 7}});
    app.post("/orders", &7).await;
    let request =
        http::Request::post("/orders").header("content-type", "application/json").header("ce-hops", "2");
    app.http(request.body("7").unwrap()).await;
    app.invoke(&gateway_request.to_string()).await.unwrap();
    for (id, hops) in [("a", json!(4)), ("b", json!("9")), ("c", json!(i32::MAX)), ("d", json!("none"))] {
        let event = CloudEvent::new("/x", Placed { n: 1 }).with_id(id).with_extension("hops", hops);
        app.deliver(event).await.unwrap();
    }
    let counts: Vec<_> = app.events().iter().map(CloudEvent::hops).collect();
    assert_eq!(counts, [0, 3, 7, 5, 10, i32::MAX.unsigned_abs(), 1]);
    assert_eq!(app.events()[0].extension("hops"), None, "a request is where counting begins");
    let causes: Vec<_> = app.events().iter().map(|event| event.cause().map(str::to_owned)).collect();
    assert_eq!(
        causes,
        [None, None, Some("1"), Some("a"), Some("b"), Some("c"), Some("d")].map(|id| id.map(str::to_owned))
    );
}

#[tokio::test]
async fn the_clock_runs_the_function_that_the_rule_is_named_after() {
    let app = TestApp::new(App::new()).unwrap();
    let scheduled = async |source: &str, resource: &str| {
        let event = json!({"version": "0", "id": "1", "detail-type": "Scheduled Event", "source": source, "account": "1",
            "time": "2026-01-01T12:00:00Z", "region": "eu-central-1", "resources": [resource], "detail": {}});
        app.invoke(&event.to_string()).await.unwrap_err().error_message
    };
    for rule in ["report", "eg-runtime-report"] {
        let rule = format!("arn:aws:events:eu-central-1:1:rule/{rule}");
        assert_eq!(scheduled("aws.events", &rule).await, "reported");
    }
    let schedule = "arn:aws:scheduler:eu-central-1:1:schedule/default/clean_up";
    assert_eq!(scheduled("aws.scheduler", schedule).await, "cleaned up on Scheduled Event");
    assert_eq!(app.tick("report").await.unwrap_err().error_message, "reported");
    for rule in ["other", "x_report", "x-report", "eg-runtime-x_report", "eg-runtime_report", "reports"] {
        let nobody = scheduled("aws.events", &format!("arn:aws:events:eu-central-1:1:rule/{rule}")).await;
        assert!(nobody.contains("`report` takes the schedule cron(0 12 ? * MON-FRI *)"), "{rule}: {nobody}");
    }
}
