//! What the commands of the local app do with a stage: emit, invoke, dead letters.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Shop, order, place};
use crate::support::app::Running;
use crate::support::aws::{Fault, refusal};
use crate::support::eventually;

/// The operation that invokes a function, which moto cannot do.
const INVOKING: &str = "POST /2015-03-31/functions/";

/// Returns a client of moto's queues.
fn queues(shop: &Shop) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .http_client(crate::support::http_of_aws())
        .endpoint_url(&shop.aws.url)
        .region(aws_sdk_sqs::config::Region::new("eu-central-1"))
        .credentials_provider(aws_sdk_sqs::config::Credentials::new("test", "test", None, None, "test"))
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}

/// Returns the URL of the only queue whose name has this part. The name of a queue of dead letters has `Failures`.
async fn url(client: &aws_sdk_sqs::Client, part: &str) -> String {
    let known = client.list_queues().send().await.unwrap().queue_urls.unwrap();
    let is_failures = |url: &str| url.contains("Failures");
    let found = known.iter().filter(|url| url.contains(part) && is_failures(url) == is_failures(part));
    let [only] = found.collect::<Vec<_>>()[..] else { panic!("{part}: {known:?}") };
    only.clone()
}

/// Returns an event as EventBridge delivers it.
fn placed(id: &str) -> Value {
    json!({"detail-type": "order.placed", "source": "/shop", "detail": {"order": 1, "ce": {"id": id}}})
}

/// Puts the record of an invocation that a function failed to handle into its failures queue.
fn keep(shop: &Shop, payload: &Value) {
    let record = json!({
        "requestContext": {
            "functionArn": format!("arn:aws:lambda:eu-central-1:{}:function:shop-dev-order-bill:$LATEST", shop.aws.account),
            "condition": "RetriesExhausted",
        },
        "requestPayload": payload,
        "responsePayload": {"errorType": "Error", "errorMessage": "no card"},
    });
    shop.aws.block_on(async {
        let client = queues(shop);
        let call = client.send_message().queue_url(url(&client, "OrderFailures").await);
        call.message_body(record.to_string()).send().await.unwrap();
    });
}

/// Puts the record of an event that a function failed to handle into its failures queue.
pub(super) fn fail(shop: &Shop, id: &str) {
    keep(shop, &placed(id));
}

#[test]
fn dead_letters_of_a_stage_are_listed_and_handed_in_again() {
    let Some(shop) = Shop::open() else { return };
    shop.deployed();
    let letters = |arguments: &[&str]| shop.eg(&[&["dead-letters"], arguments, &["--stage", "dev"]].concat());
    assert_eq!(letters(&[]).stderr, "no dead letters\n");
    fail(&shop, "e1");
    fail(&shop, "e2");

    let listed = letters(&["--json"]);
    let lines: Vec<Value> = listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{listed:?}");
    for line in &lines {
        assert_eq!(
            [&line["function"], &line["eventType"], &line["reason"]],
            ["order-bill", "order.placed", "no card"]
        );
    }
    let first = lines.iter().find(|line| line["eventId"] == "e1").unwrap()["id"].as_str().unwrap();
    // Whoever looks leaves them where they are.
    let table = letters(&["--function", "bill", "--type", "order.placed"]);
    assert_eq!(table.stdout.lines().count(), 2, "{table:?}");
    let others = letters(&["--type", "order.shipped"]);
    assert_eq!((others.code, others.stdout.as_str()), (Some(0), ""), "{others:?}");
    let shown = letters(&["show", &first[..8]]);
    assert!(shown.stdout.contains("no card") && shown.stdout.contains("order-bill"), "{shown:?}");
    letters(&["show", "nothing"]).fails(
        6,
        "error: stack `shop-dev` has no dead letter `nothing`\n\
         hint: `cargo eg dead-letters --stage dev` lists them with their ids\n",
    );

    // A function that cannot be invoked leaves the letter in the queue.
    shop.aws.plan(INVOKING, 1, Fault::Answer(404, "{\"Message\":\"gone\"}".to_owned()));
    let refused = letters(&["retry", first]);
    assert_eq!(refused.code, Some(8), "{refused:?}");
    shop.aws.plan(INVOKING, 1, Fault::Answer(202, String::new()));
    let retried = letters(&["retry", first, "--data", "{\"order\":2}"]);
    assert_eq!(retried.stdout, "1 dead letter handed in again\n", "{retried:?}");
    let handed_in = shop.aws.sent(INVOKING);
    let [_, changed] = handed_in.as_slice() else { panic!("{handed_in:?} {:?}", shop.aws.calls()) };
    let changed: Value = serde_json::from_str(changed).unwrap();
    let expected =
        json!({"detail-type": "order.placed", "source": "/shop", "detail": {"order": 2, "ce": {"id": "e1"}}});
    assert_eq!(changed, expected, "the event with other data");
    let discarded = letters(&["discard", "--all"]);
    assert_eq!(discarded.stdout, "1 dead letter discarded\n", "{discarded:?}");
    assert_eq!(letters(&[]).stderr, "no dead letters\n");
}

/// Takes a message from a queue whose name has this part, and shows it to others at once.
fn received(shop: &Shop, name: &str) -> Option<Value> {
    shop.aws.block_on(async {
        let client = queues(shop);
        let call = client.receive_message().queue_url(url(&client, name).await).visibility_timeout(0);
        let answer = call.send().await.unwrap();
        let message = answer.messages.unwrap_or_default().pop()?;
        Some(serde_json::from_str(message.body()?).unwrap())
    })
}

/// Lambda's own retries would end after three attempts.
#[test]
fn an_event_that_a_queue_retries_is_a_dead_letter_in_the_end() {
    let Some(shop) = Shop::open() else { return };
    let event = json!({"eventType": "order.placed", "mode": "async", "method": "POST", "path": "/", "retry": {"attempts": 4}});
    order(&shop.app, &[place(256), json!({"name": "bill", "triggers": [event]})], "first");
    let plan = shop.plan(10);
    assert!(plan.contains("    + subscription order.placed\n"), "{plan}");
    shop.deployed();
    let emitted =
        shop.eg(&["emit", "--event", "order.placed", "--data", "{}", "--id", "e1", "--stage", "dev"]);
    assert_eq!(emitted.code, Some(0), "{emitted:?}");
    // moto has made the first attempt: it receives the message for the mapping of the function, which it cannot run.
    for attempt in 2..=4 {
        let event = received(&shop, "OnOrderPlacedQueue").unwrap_or_else(|| panic!("attempt {attempt}"));
        assert_eq!([&event["detail-type"], &event["detail"]["ce"]["id"]], ["order.placed", "e1"], "{event}");
    }
    assert_eq!(received(&shop, "OnOrderPlacedQueue"), None);

    let letters = |arguments: &[&str]| shop.eg(&[&["dead-letters"], arguments, &["--stage", "dev"]].concat());
    let listed = letters(&["--function", "bill", "--json"]);
    let line: Value = serde_json::from_str(&listed.stdout).unwrap_or_else(|_| panic!("{listed:?}"));
    assert_eq!(
        [&line["function"], &line["eventType"], &line["eventId"]],
        ["order-bill", "order.placed", "e1"]
    );
    let retried = letters(&["retry", line["id"].as_str().unwrap(), "--data", "{\"order\":2}"]);
    assert_eq!(retried.stdout, "1 dead letter handed in again\n", "{retried:?}");
    let event = received(&shop, "OnOrderPlacedQueue").unwrap();
    assert_eq!(
        [&event["detail"]["order"], &event["detail"]["ce"]["id"]],
        [&json!(2), &json!("e1")],
        "{event}"
    );
}

/// Lambda ignores the answer of an asynchronous invocation, so a message that fails there once more would be gone.
#[test]
fn a_message_that_a_function_rejected_goes_back_into_its_queue() {
    let Some(shop) = Shop::open() else { return };
    let event = json!({"eventType": "order.placed", "mode": "async", "method": "POST", "path": "/", "retry": {"attempts": 4}});
    // A schedule needs the failures queue, too.
    let bill = json!({"name": "bill", "triggers": [event, {"schedule": "rate(1 hour)"}]});
    order(&shop.app, &[place(256), bill], "first");
    shop.deployed();
    let letters = |arguments: &[&str]| shop.eg(&[&["dead-letters"], arguments, &["--stage", "dev"]].concat());
    let id = || {
        let listed = letters(&["--function", "bill", "--json"]);
        let line: Value = serde_json::from_str(&listed.stdout).unwrap_or_else(|_| panic!("{listed:?}"));
        assert_eq!([&line["eventType"], &line["eventId"]], ["order.placed", "e1"], "{line}");
        line["id"].as_str().unwrap().to_owned()
    };

    let (name, target) = shop.aws.block_on(async {
        let queue = url(&queues(&shop), "OnOrderPlacedQueue").await;
        let name = queue.rsplit('/').next().unwrap().to_owned();
        let target = format!("arn:aws:sqs:eu-central-1:{}:{name}", shop.aws.account);
        (name, target)
    });
    // Messages of queues without an order may have a group, too.
    let record = json!({"messageId": "m", "body": placed("e1").to_string(), "eventSource": "aws:sqs", "eventSourceARN": target,
        "attributes": {"MessageGroupId": "g"}});
    keep(&shop, &json!({"Records": [&record]}));
    let kept = shop.aws.sent("SendMessage").len();
    let retried = letters(&["retry", &id(), "--data", "{\"order\":2}"]);
    assert_eq!(retried.stdout, "1 dead letter handed in again\n", "{retried:?}");
    let sent: Value = serde_json::from_str(&shop.aws.sent("SendMessage")[kept]).unwrap();
    assert_eq!((&sent["MessageGroupId"], &sent["MessageDeduplicationId"]), (&json!("g"), &Value::Null));
    assert_eq!(received(&shop, &name).unwrap()["detail"], json!({"order": 2, "ce": {"id": "e1"}}));
    assert_eq!(letters(&[]).stderr, "no dead letters\n");

    // A rule that could not send to that queue says so in its dead letter.
    shop.aws.block_on(async {
        let client = queues(&shop);
        client.purge_queue().queue_url(url(&client, &name).await).send().await.unwrap();
        let attribute = aws_sdk_sqs::types::MessageAttributeValue::builder().data_type("String");
        let attribute = attribute.string_value(&target).build().unwrap();
        let call = client.send_message().queue_url(url(&client, "OrderFailures").await);
        let call = call.message_body(placed("e1").to_string()).message_attributes("TARGET_ARN", attribute);
        call.send().await.unwrap();
    });
    let retried = letters(&["retry", &id()]);
    assert_eq!(retried.stdout, "1 dead letter handed in again\n", "{retried:?}");
    assert_eq!(received(&shop, &name).unwrap()["detail"], placed("e1")["detail"]);
    assert_eq!(shop.aws.sent(INVOKING), [""; 0], "nobody has called the function");

    keep(&shop, &json!({"Records": [&record, &record]}));
    shop.aws.plan_after("SendMessage", 1, 1, refusal(403, "AccessDenied", "no"));
    let half = letters(&["retry", "--all"]);
    let hint =
        "hint: of its 2 messages, 1 went back into the queue, and will be handled twice if you retry it\n";
    assert!(half.code == Some(8) && half.stderr.contains(hint), "{half:?}");
}

/// Streams keep no place for one record to go back to, so the answer of the function counts.
#[test]
fn records_that_fail_again_stay_dead_letters() {
    let Some(shop) = Shop::open() else { return };
    shop.deployed();
    let record = json!({"eventID": "1", "eventSource": "aws:kinesis", "kinesis": {"sequenceNumber": "1", "data": "e30="}});
    keep(&shop, &json!({"Records": [record]}));
    let retry = || shop.eg(&["dead-letters", "retry", "--all", "--stage", "dev"]);
    let answers = [
        r#"{"batchItemFailures": [{"itemIdentifier": "1"}], "errors": {"1": "no card"}}"#,
        r#"{"batchItemFailures": [{"itemIdentifier": "1"}]}"#,
    ];
    for (answer, reason) in answers.into_iter().zip(["no card", "the function reports that it failed"]) {
        shop.aws.plan(INVOKING, 1, Fault::Answer(200, answer.to_owned()));
        let failed = retry();
        let expected = format!("failed again: {reason}\nhint: it is still a dead letter\n");
        assert!(failed.code == Some(9) && failed.stderr.ends_with(&expected), "{failed:?}");
    }
    shop.aws.plan(INVOKING, 1, Fault::Answer(200, r#"{"batchItemFailures": []}"#.to_owned()));
    assert_eq!(retry().stdout, "1 dead letter handed in again\n");
    assert_eq!(shop.eg(&["dead-letters", "--stage", "dev"]).stderr, "no dead letters\n");
    // Nobody else sees it while the function may work.
    let hidden = shop.aws.sent("ChangeMessageVisibility");
    assert_eq!(
        hidden.iter().filter(|body| body.contains(r#""VisibilityTimeout":930"#)).count(),
        3,
        "{hidden:?}"
    );
}

#[test]
fn events_go_to_the_bus_of_a_stage_and_calls_to_its_functions() {
    let Some(shop) = Shop::open() else { return };
    shop.eg(&["emit", "--event", "order.placed", "--data", "{}", "--stage", "dev"]).fails(
        6,
        "error: there is no stack `shop-dev`\nhint: check the region and the account, or deploy it with `cargo eg deploy --stage dev`\n",
    );
    shop.deployed();
    // moto has no functions as targets of rules.
    let taken = r#"{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}"#;
    shop.aws.plan("PutEvents", 1, Fault::Answer(200, taken.to_owned()));
    let emitted =
        shop.eg(&["emit", "--event", "order.placed", "--data", "{}", "--id", "e1", "--stage", "dev"]);
    assert_eq!(
        (emitted.code, emitted.stdout.as_str()),
        (Some(0), "Event emitted: order.placed\nid: e1\n"),
        "{emitted:?}"
    );
    let put: Value = serde_json::from_str(&shop.aws.sent("PutEvents")[0]).unwrap();
    let [entry] = put["Entries"].as_array().unwrap().as_slice() else { panic!("{put}") };
    assert_eq!([&entry["DetailType"], &entry["EventBusName"]], ["order.placed", "shop-dev"], "{entry}");

    shop.aws.plan(INVOKING, 1, Fault::Answer(200, "{\"paid\":true}".to_owned()));
    let called = shop.eg(&["invoke", "bill", "--data", "{}", "--stage", "dev"]);
    assert_eq!((called.code, called.stdout.as_str()), (Some(0), "{\"paid\":true}"), "{called:?}");
    assert_eq!(shop.aws.sent(&format!("{INVOKING}shop-dev-order-bill/invocations")), ["{}"]);
    let unknown = shop.eg(&["invoke", "bil", "--data", "{}", "--stage", "dev"]);
    assert_eq!(unknown.code, Some(6), "{unknown:?}");
    assert!(unknown.stderr.contains("hint: did you mean `bill`?"), "{unknown:?}");
}

/// Puts a line into the log of the function `bill`.
fn log(shop: &Shop, line: &str) {
    let group = "/aws/lambda/shop-dev-order-bill";
    let stream = json!({"logGroupName": group, "logStreamName": line});
    shop.aws.call("logs", "Logs_20140328.CreateLogStream", &stream);
    let now = time::OffsetDateTime::now_utc().unix_timestamp() * 1000;
    let event = json!({"timestamp": now, "message": format!("{line}\n")});
    let put = json!({"logGroupName": group, "logStreamName": line, "logEvents": [event]});
    shop.aws.call("logs", "Logs_20140328.PutLogEvents", &put);
}

/// Follows the logs of the stage, and returns the command with the files of its output and its messages.
fn follow(shop: &Shop) -> (Running, std::path::PathBuf) {
    let [lines, messages] = ["lines", "messages"].map(|name| shop.app.path().join(name));
    let mut command = shop.command(&["logs", "--stage", "dev", "--follow"]);
    let child = command
        .stdout(std::fs::File::create(&lines).unwrap())
        .stderr(std::fs::File::create(&messages).unwrap())
        .spawn()
        .unwrap();
    (Running::of(child, messages), lines)
}

#[test]
fn logs_of_a_stage_are_followed_and_no_line_is_shown_twice() {
    let Some(shop) = Shop::open() else { return };
    shop.deployed();
    log(&shop, "first");
    let (mut following, lines) = follow(&shop);
    let read = || std::fs::read_to_string(&lines).unwrap();
    shop.aws.block_on(eventually("the line", || read() == "order-bill  | first\n"));
    shop.aws.block_on(eventually("the session", || !shop.aws.sent("StartLiveTail").is_empty()));
    let asked: Value = serde_json::from_str(&shop.aws.sent("StartLiveTail")[0]).unwrap();
    let arn = |name: &str| {
        format!("arn:aws:logs:eu-central-1:{}:log-group:/aws/lambda/shop-dev-order-{name}", shop.aws.account)
    };
    assert_eq!(asked["logGroupIdentifiers"], json!([arn("bill"), arn("place")]));
    // moto's sessions end at once: then CloudWatch is asked again and again.
    log(&shop, "second");
    shop.aws
        .block_on(eventually("the next line", || read() == "order-bill  | first\norder-bill  | second\n"));
    following.signal(Signal::INT);
    assert_eq!((following.wait(), following.stderr().as_str()), (Some(0), ""));
}

#[test]
fn without_the_right_to_live_tail_logs_are_followed_all_the_same() {
    let Some(shop) = Shop::open() else { return };
    shop.deployed();
    let denied = r#"{"__type": "AccessDeniedException", "Message": "User: a is not authorized to perform: logs:StartLiveTail on b"}"#;
    shop.aws.plan("StartLiveTail", usize::MAX, Fault::Answer(400, denied.to_owned()));
    let (mut following, lines) = follow(&shop);
    let warning =
        "warning: cannot follow the logs live: the AWS credentials do not allow `logs:StartLiveTail`";
    shop.aws.block_on(eventually("the warning", || following.stderr().starts_with(warning)));
    log(&shop, "first");
    let read = || std::fs::read_to_string(&lines).unwrap();
    shop.aws.block_on(eventually("the line", || read() == "order-bill  | first\n"));
    following.signal(Signal::INT);
    assert_eq!(following.wait(), Some(0));
    assert_eq!(shop.aws.sent("StartLiveTail").len(), 1, "it is not tried again");
}

#[test]
fn events_of_a_stage_come_from_its_archive() {
    let Some(shop) = Shop::open() else { return };
    // moto has no functions as targets of rules.
    order(&shop.app, &[place(256)], "first");
    shop.deployed();
    let events = |more: &[&str]| shop.eg(&[&["events", "--stage", "dev"], more].concat());
    events(&[]).fails(
        6,
        "error: stack `shop-dev` has no event archive\nhint: write `archive = \"30d\"` into [deploy] of eg.toml, then run \
         `cargo eg deploy --stage dev`: events are kept from then on\n",
    );
    shop.app.write("eg.toml", "[deploy]\nstack = \"shop\"\narchive = \"30d\"\n");
    let added = shop.deploy(&["--yes"]);
    assert!(added.code == Some(0) && added.stderr.contains("+ event archive EventArchive\n"), "{added:?}");
    for (ty, id) in [("order.placed", "e1"), ("order.refused", "e2")] {
        let emitted =
            shop.eg(&["emit", "--event", ty, "--data", "{\"order\":7}", "--id", id, "--stage", "dev"]);
        assert_eq!(emitted.code, Some(0), "{emitted:?}");
    }
    let listed = |more: &[&str]| -> Vec<String> {
        let shown = events(&[&["--json"], more].concat());
        assert_eq!(shown.code, Some(0), "{shown:?}");
        let line = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        let id = |event: Value| format!("{} {}", event["eventId"].as_str().unwrap(), event["event"]["data"]);
        let mut ids: Vec<String> = shown.stdout.lines().map(line).map(id).collect();
        ids.sort();
        ids
    };
    // What another replay has left in the queue is not waited for.
    shop.aws.block_on(async {
        let client = queues(&shop);
        let left = json!({"replay-name": "cargo-eg-events-other", "detail-type": "order.placed"});
        let call = client.send_message().queue_url(url(&client, "ArchivedEvents").await);
        call.message_body(left.to_string()).send().await.unwrap();
    });
    assert_eq!(listed(&[]), ["e1 {\"order\":7}", "e2 {\"order\":7}"]);
    assert_eq!(listed(&["--type", "order.refused"]), ["e2 {\"order\":7}"]);
    let replay: Value = serde_json::from_str(&shop.aws.sent("StartReplay")[0]).unwrap();
    let arn = |rest: &str| format!("arn:aws:events:eu-central-1:{}:{rest}", shop.aws.account);
    assert_eq!(replay["Destination"]["Arn"], arn("event-bus/shop-dev").as_str());
    let rule = replay["Destination"]["FilterArns"][0].as_str().unwrap();
    assert!(rule.starts_with(&arn("rule/shop-dev/")), "{rule}");
    for (until, hour) in [(&[][..], "the last hour"), (&["--until", "1d"], "the hour before --until")] {
        let none = events(&[&["--type", "order.lost"], until].concat());
        let note = format!("no events match in {hour}; --since looks further back\n");
        assert!(none.code == Some(0) && none.stderr.ends_with(&note), "{none:?}");
    }
    events(&["--state", "dead"]).fails(
        2,
        "error: EventBridge keeps no record of deliveries, so it knows neither --state nor --function\n\
         hint: `cargo eg dead-letters --stage dev` lists what functions failed to handle\n",
    );
    shop.aws.plan("DescribeReplay", 1, Fault::Answer(200, r#"{"State": "FAILED"}"#.to_owned()));
    let failed = events(&[]);
    assert!(
        failed.code == Some(8) && failed.stderr.contains("error: the replay has ended early: FAILED\n"),
        "{failed:?}"
    );
}
