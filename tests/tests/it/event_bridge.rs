//! Tests `PutEvents` of the gateway with AWS's own client for Python: what it accepts, and how it reports what it refuses.

use eg_sdk::OffsetDateTime;
use eg_sdk::config::{EventType, Function, Provider, Subscription};
use eg_tests::app::App;
use eg_tests::eventually;
use eg_tests::python::python;
use eg_tests::subscriber::Subscriber;
use serde_json::{Value, json};

/// Prints what the client gets for each call, as JSON: the answer, or code and status of the error that it raises.
const CALLS: &str = r#"
import boto3, datetime, json, sys
from botocore.config import Config
from botocore.exceptions import ClientError

client = boto3.client("events", endpoint_url=sys.argv[1], region_name="eu-central-1", aws_access_key_id="key",
                      aws_secret_access_key="secret", config=Config(retries={"total_max_attempts": 1}))

def entry(**members):
    return {"Source": "my.app", "DetailType": "order.placed", "Detail": "{}", **members}

def put(*entries):
    return client.put_events(Entries=list(entries))

def outcome(call):
    try:
        answer = call()
        return {"failed": answer["FailedEntryCount"], "codes": [e.get("ErrorCode") for e in answer["Entries"]],
                "ids": [e.get("EventId") for e in answer["Entries"]]}
    except ClientError as error:
        return {"code": error.response["Error"]["Code"], "message": error.response["Error"]["Message"],
                "status": error.response["ResponseMetadata"]["HTTPStatusCode"]}

at = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.timezone.utc)
large = json.dumps({"text": "x" * 600_000})
print(json.dumps([outcome(call) for call in [
    lambda: put(entry(Detail='{"n": 1}', Time=at, Resources=["arn:x"], EventBusName="default"),
                entry(Detail="oops"), entry(Source="aws.s3"), entry(DetailType="t" * 129), entry(Detail='{"n": 2}')),
    lambda: put(*[entry() for _ in range(11)]),
    lambda: put(entry(Detail=large), entry(Detail=large)),
    lambda: client.list_rules(),
    lambda: client.put_rule(Name="rule", ScheduleExpression="rate(1 day)"),
]]))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn boto3_emits_events_and_raises_what_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let app = App::start(state.path(), &["examples/hello-http"]).await;
    let subscriber = Subscriber::start().await;
    let gateway = app.gateway();
    let function = Function::new("inbox", Provider::Http { url: subscriber.url().to_owned() });
    gateway.functions().create(&function).await.unwrap();
    gateway.event_types().create(&EventType::new("order.placed")).await.unwrap();
    gateway.subscriptions().create(&Subscription::asynchronous("order.placed", "inbox")).await.unwrap();

    let Some(output) = python(CALLS, &[&app.events]) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let outcomes: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let [entries, many, large, list, put] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert_eq!(entries["failed"], 3, "{entries}");
    let codes = json!([null, "MalformedDetail", "NotAuthorizedForSourceException", "InvalidArgument", null]);
    assert_eq!(entries["codes"], codes);
    for refused in [many, large] {
        assert_eq!((&refused["code"], &refused["status"]), (&json!("ValidationException"), &json!(400)));
    }
    for unknown in [list, put] {
        assert_eq!(
            (&unknown["code"], &unknown["status"]),
            (&json!("UnknownOperationException"), &json!(400))
        );
    }
    assert!(list["message"].as_str().unwrap().contains("AWSEvents.ListRules"), "{list}");

    let mut taken =
        eventually("the events", async || Some(subscriber.taken()).filter(|taken| taken.len() == 2)).await;
    taken.sort_by_key(|event| event.data.as_bytes().to_vec());
    for (event, (id, data)) in taken.iter().zip([(0, r#"{"n": 1}"#), (4, r#"{"n": 2}"#)]) {
        assert_eq!((event.source(), event.id()), ("my.app", entries["ids"][id].as_str().unwrap()));
        assert_eq!(event.data.as_bytes(), data.as_bytes());
    }
    assert_eq!(taken[0].extension("awsresources"), Some(&json!("arn:x")));
    assert_eq!(taken[0].time().map(OffsetDateTime::unix_timestamp), Some(1_769_860_800));
    assert_eq!(app.program.interrupt().await, 0);
}
