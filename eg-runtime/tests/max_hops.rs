//! `App::max_hops` ends chains of events where no gateway counts.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use eg_runtime::testing::TestApp;
use eg_runtime::{App, CloudEvent, Emit, Error, Event, subscribe};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize, Deserialize, Event)]
#[event("a")]
struct A {}

#[derive(Serialize, Deserialize, Event)]
#[event("b")]
struct B {}

#[derive(Serialize, Deserialize, Event)]
#[event("c")]
struct C {}

#[derive(Serialize, Deserialize, Event)]
#[event("d")]
struct D {}

#[subscribe(A)]
async fn after_a(emit: Emit<B>, _event: CloudEvent<A>) -> Result<(), Error> {
    emit.send(B {}).await?;
    Ok(())
}

#[subscribe(B)]
async fn after_b(emit: Emit<C>, _event: CloudEvent<B>) -> Result<(), Error> {
    emit.send(C {}).await?;
    Ok(())
}

#[subscribe(C)]
async fn after_c(emit: Emit<D>, _event: CloudEvent<C>) -> Result<(), Error> {
    emit.send(D {}).await?;
    Ok(())
}

#[subscribe(D)]
async fn after_d(_event: CloudEvent<D>) {}

#[tokio::test]
async fn an_event_with_more_hops_is_rejected() {
    for (max_hops, letters) in [(2, 1), (3, 0)] {
        let app = TestApp::new(App::new().max_hops(max_hops)).unwrap();
        app.deliver(A {}).await.unwrap();
        app.settle().await;
        let hops: Vec<_> = app.events().iter().map(CloudEvent::hops).collect();
        assert_eq!(hops, [1, 2, 3]);
        let dead = app.dead_letters();
        assert_eq!(dead.len(), letters, "{dead:?}");
        for letter in dead {
            assert_eq!(letter.function, "after_d");
            let reason = "3 events led to this one, and 2 are allowed";
            assert!(letter.reason.contains(reason), "{}", letter.reason);
        }
    }
}

#[tokio::test]
async fn events_of_eventbridge_are_counted_alike() {
    let app = TestApp::new(App::new().max_hops(2)).unwrap();
    let payload = |hops: u32| {
        json!({"version": "0", "id": "1", "detail-type": "d", "source": "/chain", "account": "1",
            "time": "2026-01-01T12:00:00Z", "region": "eu-central-1", "resources": [],
            "detail": {"ce": {"specversion": "1.0", "id": "1", "hops": hops}}})
    };
    app.invoke(&payload(2).to_string()).await.unwrap();
    let rejected = app.invoke(&payload(3).to_string()).await.unwrap_err();
    assert_eq!(rejected.error_type, "Reject");
    assert!(rejected.error_message.contains("3 events led to this one"), "{rejected:?}");
}
