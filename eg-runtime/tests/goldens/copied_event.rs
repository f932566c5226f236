#[tokio::test]
async fn user_created_is_handled() -> Result<(), eg_runtime::Error> {
    use eg_runtime::testing::{Outcome, TestApp};
    use eg_runtime::{App, CloudEvent};

    let event = r##"{"id":"1","specversion":"1.0","type":"user.created","source":"/s","data":{"name":"\"# Donald"}}"##;
    let app = TestApp::new(App::new())?;
    let deliveries = app.deliver(CloudEvent::from_json(event.as_bytes())?).await?;
    assert!(!deliveries.is_empty());
    for delivery in deliveries {
        assert_eq!(delivery.outcome, Outcome::Done, "{}", delivery.function);
    }
    Ok(())
}
