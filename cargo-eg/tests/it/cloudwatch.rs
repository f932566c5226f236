//! Tests `logs --stack` with moto, a server that implements the APIs of AWS.

use crate::support::app::Transcript;
use crate::support::shell::Shell;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use eg_tests::moto::Moto;

const GROUP: &str = "/aws/lambda/shop-users-create_user";
const STREAM: &str = "2026/01/31/[$LATEST]0123456789";

async fn group(client: &Client, name: &str) {
    client.create_log_group().log_group_name(name).send().await.unwrap();
    client.create_log_stream().log_group_name(name).log_stream_name(STREAM).send().await.unwrap();
}

async fn put(client: &Client, name: &str, ago_ms: i64, lines: &[&str]) {
    let now = i64::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap();
    let events = lines
        .iter()
        .enumerate()
        .map(|(at, line)| {
            let time = now - ago_ms + i64::try_from(at).unwrap();
            InputLogEvent::builder().timestamp(time).message(format!("{line}\n")).build().unwrap()
        })
        .collect();
    let put =
        client.put_log_events().log_group_name(name).log_stream_name(STREAM).set_log_events(Some(events));
    put.send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_a_deployed_stack_come_from_cloudwatch() {
    let Some(moto) = Moto::start() else { return };
    let config = aws_sdk_cloudwatchlogs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(crate::support::http_of_aws())
        .endpoint_url(&moto.url)
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .build();
    let client = Client::from_conf(config);
    group(&client, GROUP).await;
    group(&client, "/aws/lambda/shop-orders-list").await;
    group(&client, "/aws/lambda/shop-users-list").await;
    put(&client, GROUP, 2 * 3_600_000, &["START RequestId: 1", "long ago"]).await;
    put(&client, GROUP, 60_000, &["START RequestId: 2", "hello", "REPORT RequestId: 2"]).await;

    let mut shell = Shell::new();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ] {
        shell.export(name, value);
    }
    let logs = |arguments: &[&str]| -> Transcript {
        let aws = ["--region", "eu-central-1", "--endpoint-url", &moto.url];
        shell.eg("", &[&["logs"], arguments, &aws].concat())
    };
    let shown = logs(&["--function", "create_user", "--stack", "shop"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert_eq!(shown.stdout, "START RequestId: 2\nhello\nREPORT RequestId: 2\n");
    let all = logs(&["--function", "users-create_user", "--stack", "shop", "--since", "3h"]);
    assert_eq!(
        all.stdout, "START RequestId: 1\nlong ago\nSTART RequestId: 2\nhello\nREPORT RequestId: 2\n",
        "{all:?}"
    );

    logs(&["--function", "list", "--stack", "shop"]).fails(
        2,
        "error: several functions are named `list`\nhint: choose one by its id: shop-orders-list, shop-users-list\n",
    );
    logs(&["--function", "creat_user", "--stack", "shop"]).fails(
        6,
        "error: no function `creat_user` of the stack `shop` has a log\nhint: did you mean `create_user`? Known functions: \
         shop-orders-list, shop-users-create_user, shop-users-list\n",
    );
    logs(&["--function", "create_user", "--stack", "gone"]).fails(
        6,
        "error: no function of the stack `gone` has a log in CloudWatch\n\
         hint: check the stack's name and region; a function has a log after its first invocation\n",
    );
    let arguments = [
        "logs",
        "--function",
        "x",
        "--stack",
        "shop",
        "--region",
        "eu-central-1",
        "--endpoint-url",
        "http://127.0.0.1:1",
    ];
    let nowhere = shell.eg("", &arguments);
    assert_eq!(nowhere.code, Some(5), "{nowhere:?}");
    assert!(nowhere.stderr.starts_with("error: cannot list the log groups in CloudWatch: "), "{nowhere:?}");
}
