//! Tests `logs --stack` with moto, a server that implements the APIs of AWS.

use crate::support::app::Transcript;
use crate::support::aws::Aws;
use crate::support::shell::Shell;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use eg_tests::moto::Moto;
use serde_json::{Value, json};

const GROUP: &str = "logs-of-create_user";
const STREAM: &str = "2026/01/31/[$LATEST]0123456789";

/// Creates a stack of three functions. The log of the first one has a name that does not follow from the function's.
async fn stack(moto: &Moto) {
    let config = aws_sdk_cloudformation::Config::builder()
        .behavior_version(aws_sdk_cloudformation::config::BehaviorVersion::latest())
        .http_client(crate::support::http_of_aws())
        .endpoint_url(&moto.url)
        .region(aws_sdk_cloudformation::config::Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .build();
    let function = |name: &str, log: Value| {
        json!({"Type": "AWS::Lambda::Function", "Properties": {
            "FunctionName": {"Fn::Sub": format!("${{AWS::StackName}}-{name}")}, "Runtime": "python3.13", "Handler": "f.f",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Code": {"ZipFile": "f = print"}, "LoggingConfig": {"LogGroup": log},
        }})
    };
    let assumed = json!({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"});
    let template = json!({"Resources": {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [assumed]}}},
        "Create": function("users-create_user", json!({"Ref": "CreateLog"})),
        "CreateLog": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": GROUP}},
        "List": function("users-list", Value::Null),
        "Orders": function("orders-list", Value::Null),
    }});
    let client = aws_sdk_cloudformation::Client::from_conf(config);
    client.create_stack().stack_name("shop").template_body(template.to_string()).send().await.unwrap();
}

async fn group(client: &Client, name: &str) {
    // The first one is in the stack.
    let _ = client.create_log_group().log_group_name(name).send().await;
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
    // In the account that calls without `x-moto-account-id` have. No other test uses it.
    let Some(moto) = Moto::shared() else { return };
    let config = aws_sdk_cloudwatchlogs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(crate::support::http_of_aws())
        .endpoint_url(&moto.url)
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .build();
    let client = Client::from_conf(config);
    stack(moto).await;
    group(&client, GROUP).await;
    // The third function has not run yet.
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

    // All functions of the stack, in the order of their lines.
    put(&client, "/aws/lambda/shop-users-list", 30_000, &["listed"]).await;
    let merged = logs(&["--stack", "shop"]);
    assert_eq!(
        merged.stdout,
        "users-create_user | START RequestId: 2\nusers-create_user | hello\nusers-create_user | REPORT RequestId: 2\n\
         users-list        | listed\n",
        "{merged:?}"
    );

    logs(&["--function", "list", "--stack", "shop"]).fails(
        2,
        "error: several functions are named `list`\nhint: choose one by its id: orders-list, users-list\n",
    );
    logs(&["--function", "creat_user", "--stack", "shop"]).fails(
        6,
        "error: no function `creat_user` in stack `shop`\nhint: did you mean `create_user`? Known functions: \
         orders-list, users-create_user, users-list\n",
    );
    logs(&["--function", "create_user", "--stack", "gone"])
        .fails(6, "error: there is no stack `gone`\nhint: check the region and the account\n");
    let local = shell.eg("", &["logs", "--region", "eu-central-1"]);
    local.fails(
        2,
        "error: --region, --profile and --endpoint-url are for what is deployed\nhint: name a stage with --stage NAME\n",
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
    assert!(
        nowhere.stderr.starts_with("error: cannot list the resources of stack `shop`: AWS does not answer: "),
        "{nowhere:?}"
    );
    assert!(
        nowhere.stderr.ends_with("\nhint: check the connection and the region, then run the command again\n"),
        "{nowhere:?}"
    );
}

/// A shell whose AWS configuration is `config`, without keys in the environment.
fn configured(config: &str) -> Shell {
    let mut shell = Shell::new();
    shell.write("config", config);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"] {
        shell.export(name, "");
    }
    let config = shell.path().join("config").display().to_string();
    for (name, value) in [
        ("AWS_CONFIG_FILE", config.as_str()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("HOME", &shell.path().display().to_string()),
    ] {
        shell.export(name, value);
    }
    shell
}

/// The logs of a stack that does not exist, at this endpoint.
fn logs_at(shell: &Shell, url: &str, more: &[&str]) -> Transcript {
    let arguments = ["logs", "--function", "x", "--stack", "shop", "--region", "eu-central-1"];
    shell.eg("", &[&arguments, more, &["--endpoint-url", url]].concat())
}

#[test]
fn missing_credentials_are_one_sentence() {
    let shell = configured("");
    logs_at(&shell, "http://127.0.0.1:1", &[]).fails(
        11,
        "error: no AWS credentials were found\nhint: run `aws sso login`, or set AWS_PROFILE or AWS_ACCESS_KEY_ID\n",
    );
}

#[test]
fn credentials_come_from_a_program() {
    let Some(aws) = Aws::start() else { return };
    let key = r#"{"Version": 1, "AccessKeyId": "test", "SecretAccessKey": "test"}"#;
    let shell = configured(&format!("[profile work]\ncredential_process = echo '{key}'\n"));
    logs_at(&shell, &aws.url, &["--profile", "work"])
        .fails(6, "error: there is no stack `shop`\nhint: check the region and the account\n");
}

#[test]
fn a_profile_without_a_login_says_what_to_do() {
    let shell = configured(
        "[profile work]\nsso_session = office\nsso_account_id = 123456789012\nsso_role_name = dev\n\
         [sso-session office]\nsso_region = eu-central-1\nsso_start_url = https://office.example/start\n",
    );
    let refused = logs_at(&shell, "http://127.0.0.1:1", &["--profile", "work"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(11), ""), "{refused:?}");
    let [error, hint] = refused.stderr.lines().collect::<Vec<_>>()[..] else { panic!("{refused:?}") };
    assert!(error.starts_with("error: cannot get the AWS credentials: "), "{error}");
    assert!(error.contains("token") && !error.contains("feature"), "{error}");
    assert_eq!(hint, "hint: run `aws sso login`, or set AWS_PROFILE or AWS_ACCESS_KEY_ID");
}
