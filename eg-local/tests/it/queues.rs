//! Queues through AWS's own client, as an application uses them.

use std::time::Duration;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry};
use eg_local::{Cloud, FunctionSpec, Mapping};

use crate::support::example;

fn sqs(cloud: &Cloud) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(cloud.url())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}

#[tokio::test]
async fn the_aws_sdk_sends_messages_to_a_function_and_reads_its_dead_letters() {
    let cloud = Cloud::builder().visibility(Duration::ZERO).max_receives(2).start().await.unwrap();
    cloud.deploy(FunctionSpec::new("pack", example("function")).handler("batch")).await.unwrap();
    let orders = cloud.queue("orders").await.unwrap();
    let client = sqs(&cloud);
    let queue = client.get_queue_url().queue_name("orders").send().await.unwrap().queue_url.unwrap();

    let colour = MessageAttributeValue::builder().data_type("String").string_value("red").build().unwrap();
    let sent = client
        .send_message()
        .queue_url(&queue)
        .message_body("{\"n\":1}")
        .message_attributes("colour", colour)
        .send()
        .await
        .unwrap();
    // Computed elsewhere: AWS's other SDKs refuse a queue that gives other sums.
    assert_eq!(sent.md5_of_message_body(), Some("082c26c8a6bc75226a31da5495cc9292"));
    assert_eq!(sent.md5_of_message_attributes(), Some("0410de28095c8c9ede883953e14dac6c"));
    let entry = |id: &str, body: &str| {
        SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
    };
    let batch = client
        .send_message_batch()
        .queue_url(&queue)
        .entries(entry("a", "good"))
        .entries(entry("b", "bad"))
        .send()
        .await
        .unwrap();
    assert_eq!((batch.successful.len(), batch.failed.len()), (2, 0));

    cloud.map(Mapping::new("orders", "pack")).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), orders.drained()).await.unwrap().unwrap();

    let dead = queue.clone() + "-dead-letters";
    let counts = client
        .get_queue_attributes()
        .queue_url(&dead)
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
        .send()
        .await
        .unwrap();
    let counts = counts.attributes.unwrap();
    assert_eq!(counts[&QueueAttributeName::ApproximateNumberOfMessages], "1");
    let received = client.receive_message().queue_url(&dead).send().await.unwrap().messages.unwrap();
    assert_eq!(received[0].body(), Some("bad"));
    let receipt = received[0].receipt_handle().unwrap();
    client.delete_message().queue_url(&dead).receipt_handle(receipt).send().await.unwrap();
    assert!(orders.dead_letters().await.unwrap().is_empty());
    cloud.stop().await;
}

#[tokio::test]
async fn a_queue_that_is_made_through_the_api_has_its_dead_letter_queue() {
    let cloud = Cloud::start().await.unwrap();
    let client = sqs(&cloud);
    client.create_queue().queue_name("orders").send().await.unwrap();
    let dead = client.get_queue_url().queue_name("orders-dead-letters").send().await.unwrap();
    assert!(dead.queue_url.unwrap().ends_with("/000000000000/orders-dead-letters"));

    let unknown = client.get_queue_url().queue_name("order").send().await.unwrap_err().into_service_error();
    assert!(unknown.is_queue_does_not_exist(), "{unknown:?}");
    assert_eq!(unknown.meta().message(), Some("there is no queue order; the queues are orders"));
    cloud.stop().await;
}

#[tokio::test]
async fn a_group_waits_for_the_message_that_is_being_handled() {
    let cloud = Cloud::start().await.unwrap();
    cloud.queue("orders.fifo").await.unwrap();
    let client = sqs(&cloud);
    let queue = client.get_queue_url().queue_name("orders.fifo").send().await.unwrap().queue_url.unwrap();
    let missing = client.send_message().queue_url(&queue).message_body("x").send().await.unwrap_err();
    let missing = missing.into_service_error();
    assert!(missing.meta().message().unwrap().contains("MessageGroupId"), "{missing:?}");
    for body in ["first", "second"] {
        client
            .send_message()
            .queue_url(&queue)
            .message_group_id("7")
            .message_body(body)
            .send()
            .await
            .unwrap();
    }
    let receive = async || client.receive_message().queue_url(&queue).send().await.unwrap().messages;
    let first = receive().await.unwrap();
    assert_eq!(first[0].body(), Some("first"));
    assert!(receive().await.unwrap_or_default().is_empty(), "its group is being handled");
    let counts = client
        .get_queue_attributes()
        .queue_url(&queue)
        .attribute_names(QueueAttributeName::All)
        .send()
        .await
        .unwrap();
    let counts = counts.attributes.unwrap();
    assert_eq!(counts[&QueueAttributeName::ApproximateNumberOfMessages], "1");
    assert_eq!(counts[&QueueAttributeName::ApproximateNumberOfMessagesNotVisible], "1");
    cloud.stop().await;
}
