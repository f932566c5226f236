//! Queues through AWS's own client, as an application uses them.

use std::time::{Duration, Instant};

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry};
use eg_local::{Cloud, FunctionSpec, Mapping};
use serde_json::{Value, json};

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
    assert_eq!(unknown.meta().message(), Some("there is no queue `order`; the queues are orders"));
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

/// Returns the URL of a queue with these attributes, which is new.
async fn create(
    client: &aws_sdk_sqs::Client,
    name: &str,
    attributes: &[(QueueAttributeName, &str)],
) -> Result<String, aws_sdk_sqs::operation::create_queue::CreateQueueError> {
    let mut call = client.create_queue().queue_name(name);
    for (attribute, value) in attributes {
        call = call.attributes(attribute.clone(), *value);
    }
    call.send().await.map(|created| created.queue_url.unwrap()).map_err(SdkError::into_service_error)
}

/// Receives one message, waiting up to ten seconds. Returns its body and how long it took.
async fn poll(client: &aws_sdk_sqs::Client, queue: &str) -> (Option<String>, Duration) {
    let started = Instant::now();
    let received = client.receive_message().queue_url(queue).wait_time_seconds(10).send().await.unwrap();
    let body = received.messages.unwrap_or_default().first().and_then(|message| message.body.clone());
    (body, started.elapsed())
}

/// A poll saw only what was sent while it waited, not what became visible.
#[tokio::test]
async fn a_long_poll_gets_what_becomes_visible_while_it_waits() {
    let cloud = Cloud::start().await.unwrap();
    let client = sqs(&cloud);
    let visible = async |queue: &str| {
        let (body, time) = poll(&client, queue).await;
        assert_eq!(body.as_deref(), Some("x"), "{queue}");
        // The poll ends after ten seconds, and the message becomes visible after one.
        assert!((Duration::from_millis(500)..Duration::from_secs(8)).contains(&time), "{queue}: {time:?}");
    };
    let send = async |queue: &str, delay: i32| {
        client.send_message().queue_url(queue).message_body("x").delay_seconds(delay).send().await.unwrap();
    };
    let receive = async |queue: &str, visibility: i32| {
        let call = client.receive_message().queue_url(queue).visibility_timeout(visibility);
        call.send().await.unwrap().messages.unwrap()[0].receipt_handle.clone().unwrap()
    };
    let delayed = create(&client, "delayed", &[]).await.unwrap();
    send(&delayed, 1).await;
    visible(&delayed).await;

    let received = create(&client, "received", &[]).await.unwrap();
    send(&received, 0).await;
    receive(&received, 1).await;
    visible(&received).await;

    let changed = create(&client, "changed", &[]).await.unwrap();
    send(&changed, 0).await;
    let receipt = receive(&changed, 600).await;
    let change = client.change_message_visibility().queue_url(&changed).receipt_handle(receipt);
    let change = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        change.visibility_timeout(1).send().await.unwrap();
    };
    tokio::join!(visible(&changed), change);
    cloud.stop().await;
}

/// Attributes were accepted and had no effect.
#[tokio::test]
async fn attributes_of_a_queue_count() {
    let cloud = Cloud::start().await.unwrap();
    let client = sqs(&cloud);
    let dead = create(&client, "dead", &[]).await.unwrap();
    let policy =
        json!({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": "1"});
    let attributes = [
        (QueueAttributeName::VisibilityTimeout, "1"),
        (QueueAttributeName::DelaySeconds, "1"),
        (QueueAttributeName::ReceiveMessageWaitTimeSeconds, "10"),
        (QueueAttributeName::MaximumMessageSize, "1024"),
        (QueueAttributeName::RedrivePolicy, &policy.to_string()),
    ];
    let queue = create(&client, "orders", &attributes).await.unwrap();
    let send = |body: &str| client.send_message().queue_url(&queue).message_body(body).send();
    let large = send(&"x".repeat(1025)).await.unwrap_err().into_service_error();
    assert_eq!(large.meta().message(), Some("a message has at most 1024 bytes, not 1025"));

    // Delayed for a second, received by a poll that waits without being asked to, and visible again after a second.
    send("x").await.unwrap();
    let started = Instant::now();
    let receive = async || client.receive_message().queue_url(&queue).send().await.unwrap().messages;
    let first = receive().await.unwrap();
    assert_eq!(first[0].body(), Some("x"));
    assert!(started.elapsed() > Duration::from_millis(500), "the delay of the queue");
    // It may be received once. The next poll moves it to the queue of dead letters.
    let (none, letter) = tokio::join!(
        client.receive_message().queue_url(&queue).wait_time_seconds(5).send(),
        poll(&client, &dead)
    );
    assert!(none.unwrap().messages.unwrap_or_default().is_empty());
    assert_eq!(letter.0.as_deref(), Some("x"));
    assert!(letter.1 < Duration::from_secs(9), "a poll of dead letters sees them come: {:?}", letter.1);

    let names = [QueueAttributeName::VisibilityTimeout, QueueAttributeName::RedrivePolicy];
    let get = async |queue: &str, names: &[QueueAttributeName]| {
        let call = client.get_queue_attributes().queue_url(queue).set_attribute_names(Some(names.to_vec()));
        call.send().await.unwrap().attributes.unwrap_or_default()
    };
    let found = get(&queue, &names).await;
    assert_eq!((found.len(), found[&names[0]].as_str()), (2, "1"));
    assert!(found[&names[1]].contains(":dead\""), "{found:?}");
    assert!(get(&queue, &[]).await.is_empty());
    let lacks = [QueueAttributeName::MessageRetentionPeriod, QueueAttributeName::KmsMasterKeyId];
    assert!(get(&queue, &lacks).await.is_empty());
    let set = client.set_queue_attributes().queue_url(&queue);
    set.attributes(QueueAttributeName::VisibilityTimeout, "7").send().await.unwrap();
    assert_eq!(get(&queue, &names).await[&names[0]], "7");
    let all = get(&queue, &[QueueAttributeName::All]).await;
    assert!(all.contains_key(&QueueAttributeName::CreatedTimestamp), "{all:?}");
    cloud.stop().await;
}

#[tokio::test]
async fn what_aws_would_refuse_is_refused() {
    let cloud = Cloud::start().await.unwrap();
    cloud.queue("declared.fifo").await.unwrap();
    let client = sqs(&cloud);
    let visibility = |value| (QueueAttributeName::VisibilityTimeout, value);
    create(&client, "orders", &[visibility("5")]).await.unwrap();
    create(&client, "orders", &[visibility("5")]).await.unwrap();
    create(&client, "orders", &[]).await.unwrap();
    let other = create(&client, "orders", &[visibility("6")]).await.unwrap_err();
    assert!(other.is_queue_name_exists(), "{other:?}");
    assert_eq!(other.meta().message(), Some("the queue `orders` exists with another VisibilityTimeout"));
    let wrong = create(&client, "new", &[visibility("43201")]).await.unwrap_err();
    assert!(wrong.is_invalid_attribute_value(), "{wrong:?}");
    let unknown =
        create(&client, "new", &[(QueueAttributeName::KmsMasterKeyId, "alias/x")]).await.unwrap_err();
    assert!(unknown.is_invalid_attribute_name(), "{unknown:?}");
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:gone","maxReceiveCount":1}"#;
    let gone = create(&client, "new", &[(QueueAttributeName::RedrivePolicy, policy)]).await.unwrap_err();
    assert!(gone.meta().message().unwrap().contains("there is no queue `gone`"), "{gone:?}");
    assert!(client.get_queue_url().queue_name("new").send().await.is_err(), "nothing was created");
    let fifo = create(&client, "new.fifo", &[]).await.unwrap_err();
    assert!(fifo.meta().message().unwrap().contains("set the attribute FifoQueue to true"), "{fifo:?}");

    // A new FIFO queue wants an id for each message, unless it deduplicates by content.
    let new = create(&client, "new.fifo", &[(QueueAttributeName::FifoQueue, "true")]).await.unwrap();
    let send = |queue: &str| client.send_message().queue_url(queue).message_group_id("7").message_body("x");
    let no_id = send(&new).send().await.unwrap_err().into_service_error();
    assert!(no_id.meta().message().unwrap().contains("MessageDeduplicationId"), "{no_id:?}");
    send(&new).message_deduplication_id("1").send().await.unwrap();
    let set = client.set_queue_attributes().queue_url(&new);
    set.attributes(QueueAttributeName::ContentBasedDeduplication, "true").send().await.unwrap();
    send(&new).send().await.unwrap();
    let wait = client.receive_message().queue_url(&new).wait_time_seconds(21).send().await.unwrap_err();
    assert!(wait.into_service_error().meta().message().unwrap().contains("from 0 to 20"));
    let attribute = client.get_queue_attributes().queue_url(&new).attribute_names("Colour".into());
    assert!(attribute.send().await.unwrap_err().into_service_error().is_invalid_attribute_name());
    cloud.stop().await;
}

/// On AWS, the function sends it to its failures queue.
#[tokio::test]
async fn a_rejected_message_does_not_come_again() {
    let cloud = Cloud::builder().visibility(Duration::from_secs(60)).start().await.unwrap();
    cloud.deploy(FunctionSpec::new("pack", example("function")).handler("batch")).await.unwrap();
    let orders = cloud.queue("orders").await.unwrap();
    orders.send("wrong").await.unwrap();
    orders.send("good").await.unwrap();
    cloud.map(Mapping::new("orders", "pack")).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), orders.drained()).await.unwrap().unwrap();
    assert_eq!(orders.dead_letters().await.unwrap(), ["wrong"]);
    cloud.stop().await;
}

/// A message behind rejected ones became a dead letter without having been handled: each rejection counted as one of its receives.
#[tokio::test]
async fn rejections_use_up_no_receives_of_the_messages_behind_them() {
    let cloud = Cloud::builder().visibility(Duration::from_secs(60)).max_receives(2).start().await.unwrap();
    cloud.deploy(FunctionSpec::new("pack", example("function")).handler("batch")).await.unwrap();
    let orders = cloud.queue("orders.fifo").await.unwrap();
    for body in ["wrong 1", "wrong 2", "wrong 3", "good"] {
        orders.send_in_group("g", body).await.unwrap();
    }
    cloud.map(Mapping::new("orders.fifo", "pack")).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), orders.drained()).await.unwrap().unwrap();
    assert_eq!(orders.dead_letters().await.unwrap(), ["wrong 3", "wrong 2", "wrong 1"]);
    assert_eq!(cloud.log("pack").unwrap().matches("handling good").count(), 1);
    cloud.stop().await;
}

#[tokio::test]
async fn dead_letters_have_a_reason_and_are_tried_again_one_by_one() {
    let cloud = Cloud::builder().visibility(Duration::ZERO).max_receives(2).start().await.unwrap();
    cloud.deploy(FunctionSpec::new("pack", example("function")).handler("batch")).await.unwrap();
    let orders = cloud.queue("orders").await.unwrap();
    for body in ["bad", "bad", "good"] {
        orders.send(body).await.unwrap();
    }
    cloud.map(Mapping::new("orders", "pack")).await.unwrap();
    let drained =
        async || tokio::time::timeout(Duration::from_secs(20), orders.drained()).await.unwrap().unwrap();
    drained().await;
    let http = crate::support::http();
    let url = format!("{}/eg/dead-letters", cloud.url());
    let get = async |path: &str| -> Value {
        let answer = http.get(format!("{url}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    };
    let post = async |path: &str, body: Value| {
        let answer = http.post(format!("{url}{path}")).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(get("").await, json!({"queues": [{"queue": "orders", "deadLetters": 2}]}));
    let letters = get("/orders?limit=1").await;
    assert_eq!((letters["messages"].as_array().unwrap().len(), &letters["total"]), (1, &json!(2)));
    let letter = &letters["messages"][0];
    assert_eq!((&letter["body"], &letter["receives"]), (&json!("bad"), &json!(2)));
    assert_eq!(letter["reason"], "bad cannot be packed");
    assert!(letter["deadAt"].as_i64() >= letter["sentAt"].as_i64());
    let id = letter["messageId"].as_str().unwrap();
    assert_eq!(get(&format!("/orders?id={id}")).await["messages"][0], *letter);

    assert_eq!(post("/orders/retry", json!({"id": id, "body": ""})).await.0, 400);
    assert_eq!(post("/orders/retry", json!({"body": "x"})).await.0, 400);
    assert_eq!(post("/orders/retry", json!({"id": "gone"})).await.1, json!({"changed": 0}));
    assert_eq!(post("/orders/retry", json!({"id": id, "body": "good"})).await.1, json!({"changed": 1}));
    drained().await;
    assert_eq!(orders.dead_letters().await.unwrap(), ["bad"]);
    assert_eq!(post("/orders/retry", json!({})).await.1, json!({"changed": 1}));
    drained().await;
    assert_eq!(post("/orders/discard", json!({})).await.1, json!({"changed": 1}));
    assert_eq!(get("").await, json!({"queues": []}));
    let (status, unknown) = post("/order/retry", json!({})).await;
    assert_eq!(
        (status, &unknown["message"]),
        (400, &json!("there is no queue `order`; the queues are orders"))
    );
    cloud.stop().await;
}
