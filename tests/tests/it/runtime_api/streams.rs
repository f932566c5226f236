//! Tests which callers get a streamed answer: those that can read one. All others get the answer whole.

use std::path::Path;

use eg_tests::runtime_api::{Manners, RuntimeApi};
use serde_json::{Value, json};

use super::{Function, header};

/// Returns what a function URL sends for a stream, whose folder is this one.
pub(super) fn function_url(how: &str, folder: &Path) -> Value {
    http_api(how, folder, "abc.lambda-url.eu-central-1.on.aws")
}

fn http_api(how: &str, folder: &Path, domain: &str) -> Value {
    json!({"version": "2.0", "routeKey": "$default", "rawPath": format!("/parts/{how}"),
        "rawQueryString": format!("folder={}", folder.display()), "headers": {"host": domain},
        "requestContext": {"domainName": domain, "stage": "$default", "http": {"method": "GET"}},
        "isBase64Encoded": false})
}

fn rest_api(folder: &Path, version: Option<&str>) -> Value {
    let mut payload = json!({"resource": "/parts/{how}", "path": "/parts/well", "httpMethod": "GET",
        "headers": {}, "pathParameters": {"how": "well"}, "queryStringParameters": {"folder": folder},
        "requestContext": {"stage": "prod", "resourcePath": "/parts/{how}", "httpMethod": "GET"}, "body": null});
    if let Some(version) = version {
        payload["version"] = json!(version);
    }
    payload
}

#[tokio::test]
async fn an_answer_is_streamed_to_those_who_can_read_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("go"), "").unwrap();
    let function = Function::with_api(RuntimeApi::start("", Manners::default()).await, "", "parts", &[]);
    for (sender, payload, streams) in [
        ("a function URL", function_url("well", folder.path()), true),
        ("an HTTP API", http_api("well", folder.path(), "abc.execute-api.eu-central-1.amazonaws.com"), false),
        ("an HTTP API with a domain", http_api("well", folder.path(), "api.example"), false),
        ("a REST API", rest_api(folder.path(), None), true),
        ("an HTTP API in format 1.0", rest_api(folder.path(), Some("1.0")), false),
    ] {
        let posted = function.invoke(&payload).await;
        let mode = posted.headers.get("lambda-runtime-function-response-mode");
        assert_eq!(mode.is_some_and(|mode| mode == "streaming"), streams, "{sender}: {}", posted.body);
        if streams {
            let prelude = r#"{"statusCode":200,"headers":{"x-parts":"2"},"cookies":["a=1"]}"#;
            assert_eq!(posted.body, format!("{prelude}\0\0\0\0\0\0\0\0first second"), "{sender}");
            let media_type = "application/vnd.awslambda.http-integration-response";
            assert_eq!(header(&posted, "content-type"), media_type, "{sender}");
            assert_eq!(header(&posted, "lambda-runtime-invocation-id"), format!("attempt-{}", posted.id));
        } else {
            let reply: Value = serde_json::from_str(&posted.body).unwrap();
            assert_eq!(
                (&reply["statusCode"], &reply["body"]),
                (&json!(200), &json!("first second")),
                "{sender}"
            );
        }
    }
}
