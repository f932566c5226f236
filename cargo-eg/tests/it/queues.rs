//! `#[queue]` and `#[schedule]` functions in `cargo eg run`: messages that AWS's SDK sends, batches, partial failures,
//! dead letters, and a function called by the clock.

use std::time::Duration;

use crate::support::app::{App, Main, record};
use crate::support::{eventually, eventually_within};
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry};
use aws_smithy_http_client::Builder;
use rustix::process::Signal;

/// AWS's own client, as an application would use it.
fn sqs(endpoint: &str) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(Builder::new().build_http())
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}

#[tokio::test]
async fn messages_reach_their_function_and_bad_ones_end_as_dead_letters() {
    let app = App::new();
    app.service("shop", &[record("shop", "pack", "queue orders")], &Main::Serves);
    let mut run = app.run_with(&["--queue-visibility", "0"]);
    let url = run.ready().await;
    let client = sqs(&url("sqs"));
    let shown = run.stderr();
    assert!(shown.contains("  orders  shop-pack  dead letters in orders-dead-letters\n"), "{shown}");

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

    run.says("dead letter: received 5 times; `cargo eg dead-letters --queue orders` lists it\n", 1).await;
    assert!(run.stderr().contains("queue orders → shop-pack"), "{}", run.stderr());
    let log = app.log("shop-pack");
    assert_eq!(log.matches("\"body\":\"bad\"").count(), 5, "{log}");
    assert_eq!(log.matches("\"body\":\"good\"").count(), 1, "what was handled does not come again: {log}");
    assert!(log.contains("\"colour\":{\"binaryListValues\":[],\"dataType\":\"String\""), "{log}");

    let letters = |arguments: &[&str]| {
        app.eg(
            &[&["dead-letters"], arguments, &["--queue", "orders", "--lambda-url", &url("lambda")]].concat()
        )
    };
    let listed = letters(&[]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.stdout.lines().count() == 1 && listed.stdout.ends_with("  bad\n"), "{listed:?}");
    assert_eq!(
        listed.stderr,
        "`cargo eg dead-letters retry --queue orders` puts them back, `discard --queue orders` removes them\n"
    );
    let line: serde_json::Value = serde_json::from_str(&letters(&["list", "--json"]).stdout).unwrap();
    assert_eq!(line["body"], "bad");
    let retried = letters(&["retry"]);
    assert_eq!((retried.code, &*retried.stdout), (Some(0), "1 message back in orders\n"), "{retried:?}");
    run.says("dead letter: received 5 times", 2).await;
    assert_eq!(app.log("shop-pack").matches("\"body\":\"bad\"").count(), 10);

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

    let none = letters(&["list"]);
    assert_eq!((none.code, &*none.stdout, &*none.stderr), (Some(0), "", "no dead letters of queue orders\n"));
    assert_eq!(letters(&["discard"]).stdout, "0 messages discarded\n");
    let unknown = app.eg(&["dead-letters", "--queue", "order"]);
    unknown.fails(
        6,
        "error: no queue `order-dead-letters`: there is no queue order-dead-letters; the queues are orders\n\
         hint: a queue exists when a function has #[queue(\"NAME\")] and the app runs\n",
    );
    let unknown = client.get_queue_url().queue_name("order").send().await.unwrap_err().into_service_error();
    assert!(unknown.is_queue_does_not_exist(), "{unknown:?}");
    assert_eq!(unknown.meta().message(), Some("there is no queue order; the queues are orders"));
}

#[tokio::test]
async fn what_is_in_a_queue_survives_a_crash() {
    let app = App::new();
    app.service("shop", &[record("shop", "pack", "queue orders.fifo")], &Main::Says("hears"));
    let mut run = app.run();
    let url = run.ready().await;
    let client = sqs(&url("sqs"));
    let queue = client.get_queue_url().queue_name("orders.fifo").send().await.unwrap().queue_url.unwrap();
    let send = async |client: &aws_sdk_sqs::Client, body: &str| {
        client.send_message().queue_url(&queue).message_group_id("7").message_body(body).send().await
    };
    send(&client, "bad").await.unwrap();
    run.says("1 message 1 failed", 1).await;
    // Its group waits for it: half a minute, unless the app is killed before.
    send(&client, "second").await.unwrap();
    let missing = client.send_message().queue_url(&queue).message_body("x").send().await.unwrap_err();
    let missing = missing.into_service_error();
    assert!(missing.meta().message().unwrap().contains("MessageGroupId"), "{missing:?}");
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
    assert!(!app.log("shop-pack").contains("second"));
    run.signal(Signal::KILL);
    run.wait();

    let mut run = app.run();
    drop(run.ready().await);
    eventually("both come, in their order", || app.log("shop-pack").contains("\"body\":\"second\"")).await;
    let log = app.log("shop-pack");
    let bad: Vec<usize> = log.match_indices("\"body\":\"bad\"").map(|(at, _)| at).collect();
    assert!(bad.len() == 2 && bad[1] < log.find("\"body\":\"second\"").unwrap(), "{log}");
}

#[tokio::test]
async fn a_function_is_called_by_the_clock() {
    let app = App::new();
    app.service(
        "shop",
        &[record("shop", "sweep", "cron(* * * * ? *)"), record("shop", "list", "GET /list")],
        &Main::Serves,
    );
    let mut run = app.run_with(&["--no-schedules"]);
    drop(run.ready().await);
    assert!(run.stderr().contains("  shop-sweep  cron(* * * * ? *)  off\n"), "{}", run.stderr());
    run.signal(Signal::INT);
    assert_eq!(run.wait(), Some(0));

    let mut run = app.run();
    drop(run.ready().await);
    assert!(run.stderr().contains("  shop-sweep  cron(* * * * ? *)  next "), "{}", run.stderr());
    eventually_within(Duration::from_secs(90), "the minute is full", || {
        run.stderr().contains("cron(* * * * ? *) → shop-sweep done")
    })
    .await;
    let log = app.log("shop-sweep");
    assert!(log.contains("\"detail-type\":\"Scheduled Event\"") && log.contains(":00Z\""), "{log}");
}
