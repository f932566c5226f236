//! The Config API on the wire: statuses, bodies to the byte, order of checks, lists, filters.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::{Functions, TestGateway, error};

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const DELETE: Method = Method::DELETE;

pub(crate) const NO_PATH: &str =
    "{\"errors\":[{\"code\":\"unknown_path\",\"message\":\"404 page not found\"}]}\n";
const NO_METHOD: &str =
    "{\"errors\":[{\"code\":\"method_not_allowed\",\"message\":\"Method Not Allowed\"}]}\n";

/// Sends the requests one after the other and compares status and body. An expected body that starts with `~` only
/// has to be the text of the error.
pub(crate) async fn check(steps: &[(Method, &str, &str, u16, &str)]) {
    let gateway = TestGateway::start().await;
    for (method, path, body, status, expected) in steps {
        let (found, answer) = gateway.api.config(method.clone(), path, *body).await;
        let expected = match expected.strip_prefix('~') {
            Some(text) => {
                assert_eq!(error(found, &answer).message, text, "{method} {path} {body}");
                answer.clone()
            }
            None if expected.is_empty() => String::new(),
            None => format!("{expected}\n"),
        };
        assert_eq!((found, answer), (*status, expected), "{method} {path} {body}");
    }
}

#[tokio::test]
async fn event_types() {
    check(&[
        (GET, "default/eventtypes", "", 200, r#"{"eventTypes":[]}"#),
        (POST, "default/eventtypes", r#"{"name":"a.b","space":"x","other":1}"#, 201, r#"{"space":"default","name":"a.b"}"#),
        (POST, "default/eventtypes", r#"{"NAME":"a.c"} rest"#, 201, r#"{"space":"default","name":"a.c"}"#),
        (POST, "default/eventtypes", r#"{"name":"a.b"}"#, 409, r#"~Event Type "a.b" already exists."#),
        (
            POST,
            "default/eventtypes",
            r#"{"name":"<&>","metadata":{"k":"v"}}"#,
            201,
            r#"{"space":"default","name":"<&>","metadata":{"k":"v"}}"#,
        ),
        (GET, "default/eventtypes/%3C%26%3E", "", 200, r#"{"space":"default","name":"<&>","metadata":{"k":"v"}}"#),
        (PUT, "default/eventtypes/%3C%26%3E", r#"{"name":"x"}"#, 200, r#"{"space":"default","name":"<&>"}"#),
        (PUT, "default/eventtypes/none", "{}", 404, r#"~Event Type "none" not found."#),
        (GET, "default/eventtypes/none", "", 404, r#"~Event Type "none" not found."#),
        (
            GET,
            "default/eventtypes",
            "",
            200,
            r#"{"eventTypes":[{"space":"default","name":"a.c"},{"space":"default","name":"a.b"},{"space":"default","name":"<&>"}]}"#,
        ),
        (POST, "default/eventtypes", "", 400, "~Event Type doesn't validate. Validation error: the body is empty"),
        (POST, "default/eventtypes", "{", 400, "~Event Type doesn't validate. Validation error: the body is not valid JSON: EOF while parsing an object at line 1 column 1"),
        (
            POST,
            "default/eventtypes",
            "null",
            400,
            "~Event Type doesn't validate. Validation error: Key: 'Type.Name' Error:Field validation for 'Name' failed on the 'required' tag",
        ),
        (
            POST,
            "x/eventtypes",
            r#"{"name":"a"}"#,
            400,
            "~Event Type doesn't validate. Validation error: Key: 'Type.Space' Error:Field validation for 'Space' failed on the 'min' tag",
        ),
        (
            POST,
            "a%20b%20c/eventtypes",
            "{}",
            400,
            "~Event Type doesn't validate. Validation error: Key: 'Type.Space' Error:Field validation for 'Space' failed on the 'space' tag\nKey: 'Type.Name' Error:Field validation for 'Name' failed on the 'required' tag",
        ),
        (POST, "default/eventtypes", r#"{"name":"z","authorizerId":"none"}"#, 400, "~Authorizer function doesn't exists."),
        (POST, "default/eventtypes", r#"{"name":"z","authorizerId":""}"#, 400, "~Authorizer function doesn't exists."),
        (DELETE, "default/eventtypes/a.c", "", 204, ""),
        (DELETE, "default/eventtypes/a.c", "", 404, r#"~Event Type "a.c" not found."#),
        (GET, "other/eventtypes", "", 200, r#"{"eventTypes":[]}"#),
    ])
    .await;
}

#[tokio::test]
async fn functions() {
    let invalid = "~Function doesn't validate. Validation error: ";
    let text = |detail: &str| format!("{invalid}{detail}");
    check(&[
        (
            POST,
            "default/functions",
            r#"{"functionId":"f","type":"http","provider":{"url":"http://localhost:1/a?b=1&c=2","unknown":1},"metadata":{}}"#,
            201,
            r#"{"space":"default","functionId":"f","type":"http","provider":{"url":"http://localhost:1/a?b=1&c=2"}}"#,
        ),
        (
            POST,
            "default/functions",
            r#"{"functionId":"l","type":"awslambda","provider":{"arn":"arn:x","region":"eu"}}"#,
            201,
            r#"{"space":"default","functionId":"l","type":"awslambda","provider":{"arn":"arn:x","region":"eu"}}"#,
        ),
        (POST, "default/functions", r#"{"functionId":"f","type":"http","provider":{"url":"http://a"}}"#, 409, r#"~Function "f" already registered."#),
        (POST, "default/functions", r#"{"functionId":"a"}"#, 400, &text("provider configuration not set")),
        (POST, "default/functions", r#"{"functionId":"a","type":"http"}"#, 400, &text("provider configuration not set")),
        (POST, "default/functions", r#"{"functionId":"a","type":"http","provider":null}"#, 400, &text("provider configuration not set")),
        (POST, "default/functions", r#"{"functionId":"a","type":"weighted","provider":{}}"#, 400, &text("provider weighted not supported")),
        (POST, "default/functions", r#"{"functionId":"a","type":"http","provider":{}}"#, 400, &text("missing required fields for HTTP endpoint")),
        (POST, "default/functions", r#"{"functionId":"a","type":"awslambda","provider":{"arn":"x"}}"#, 400, &text("missing required fields for AWS Lambda function")),
        (POST, "default/functions", r#"{"functionId":"a","type":"awskinesis","provider":{}}"#, 400, &text("missing required fields for AWS Kinesis function")),
        (POST, "default/functions", r#"{"functionId":"a","type":"awsfirehose","provider":{}}"#, 400, &text("missing required fields for AWS Firehose function")),
        (POST, "default/functions", r#"{"functionId":"a","type":"awssqs","provider":{}}"#, 400, &text("missing required fields for AWS SQS function")),
        (
            POST,
            "default/functions",
            r#"{"functionId":"q","type":"awssqs","provider":{"queueUrl":"http://q","region":"eu"}}"#,
            201,
            r#"{"space":"default","functionId":"q","type":"awssqs","provider":{"queueUrl":"http://q","region":"eu"}}"#,
        ),
        (
            POST,
            "default/functions",
            r#"{"functionId":"a","type":"http","provider":{"url":"ftp://x"}}"#,
            400,
            &text("unable to load function provider config: url `ftp://x` is not an absolute http:// or https:// URL"),
        ),
        (
            POST,
            "default/functions",
            r#"{"functionId":"a/b","type":"http","provider":{"url":"http://a"}}"#,
            400,
            &text("Key: 'Function.ID' Error:Field validation for 'ID' failed on the 'functionid' tag"),
        ),
        (
            POST,
            "default/functions",
            r#"{"type":"http","provider":{"url":"http://a"}}"#,
            400,
            &text("Key: 'Function.ID' Error:Field validation for 'ID' failed on the 'required' tag"),
        ),
        (
            PUT,
            "default/functions/f",
            r#"{"functionId":"ignored","type":"http","provider":{"url":"http://b"},"metadata":{"a":"b"}}"#,
            200,
            r#"{"space":"default","functionId":"f","type":"http","provider":{"url":"http://b"},"metadata":{"a":"b"}}"#,
        ),
        (PUT, "default/functions/f", r#"{"metadata":{}}"#, 400, &text("provider configuration not set")),
        (PUT, "default/functions/none", r#"{"type":"http","provider":{"url":"http://b"}}"#, 404, r#"~Function "none" not found."#),
(POST, "default/eventtypes", r#"{"name":"eventgateway.event.received","authorizerId":"f"}"#, 400, r#"~Event Type "eventgateway.event.received" is emitted by the gateway itself, which needs no authorization: leave out authorizerId."#),
        (POST, "default/eventtypes", r#"{"name":"closed","authorizerId":"l"}"#, 201, r#"{"space":"default","name":"closed","authorizerId":"l"}"#),
        (DELETE, "default/functions/l", "", 400, "~Function l cannot be deleted because is used as an authorizer for closed event type."),
        (PUT, "default/eventtypes/closed", r#"{"authorizerId":"none"}"#, 400, "~Authorizer function doesn't exists."),
        (PUT, "default/eventtypes/closed", "{}", 200, r#"{"space":"default","name":"closed"}"#),
        (POST, "default/eventtypes", r#"{"name":"t"}"#, 201, r#"{"space":"default","name":"t"}"#),
        (POST, "default/subscriptions", r#"{"type":"async","eventType":"t","functionId":"f","path":"/","method":"POST"}"#, 201, r#"{"space":"default","subscriptionId":"YXN5bmMsdCxmLCUyRixQT1NU","type":"async","eventType":"t","functionId":"f","path":"/","method":"POST"}"#),
        (DELETE, "default/functions/f", "", 400, "~Function cannot be deleted because it's subscribed to a least one event."),
        (DELETE, "default/eventtypes/t", "", 400, "~Event type cannot be deleted because there are subscriptions using it."),
        (DELETE, "default/functions/l", "", 204, ""),
        (DELETE, "default/functions/l", "", 404, r#"~Function "l" not found."#),
    ])
    .await;
}

#[tokio::test]
async fn subscriptions() {
    let get_users = r#"{"space":"default","subscriptionId":"c3luYyxodHRwLnJlcXVlc3QsJTJGdXNlcnMlMkY6aWQsR0VU","type":"sync","eventType":"http.request","functionId":"f","path":"/users/:id","method":"GET"}"#;
    let labelled = get_users.replace("\"GET\"}", "\"GET\",\"metadata\":{\"a\":\"b\"}}");
    let id = "default/subscriptions/c3luYyxodHRwLnJlcXVlc3QsJTJGdXNlcnMlMkY6aWQsR0VU";
    check(&[
        (POST, "default/eventtypes", r#"{"name":"http.request"}"#, 201, r#"{"space":"default","name":"http.request"}"#),
        (POST, "default/functions", r#"{"functionId":"f","type":"http","provider":{"url":"http://a"}}"#, 201, r#"{"space":"default","functionId":"f","type":"http","provider":{"url":"http://a"}}"#),
        (POST, "default/subscriptions", r#"{"type":"sync","eventType":"http.request","functionId":"f","path":"users/:id","method":"get"}"#, 201, get_users),
        (POST, "default/subscriptions", r#"{"type":"sync","eventType":"http.request","functionId":"other","path":"/users/:id","method":"GET"}"#, 409, r#"~Subscription "c3luYyxodHRwLnJlcXVlc3QsJTJGdXNlcnMlMkY6aWQsR0VU" already exists."#),
        (POST, "default/subscriptions", r#"{"type":"sync","eventType":"http.request","functionId":"f","path":"/users/:name","method":"GET"}"#, 400, r#"~Subscription path conflict: parameter with different name ("id") already defined: for route: /users/:name"#),
        (POST, "default/subscriptions", r#"{"type":"sync","eventType":"http.request","functionId":"f","path":"/*a/b","method":"PUT"}"#, 400, "~Subscription path conflict: wildcard must be the last parameter"),
        (POST, "default/subscriptions", r#"{"type":"async","eventType":"none","functionId":"f"}"#, 400, r#"~Event Type "none" not found."#),
        (POST, "default/subscriptions", r#"{"type":"async","eventType":"http.request","functionId":"none"}"#, 400, r#"~Function "none" not found."#),
        (
            POST,
            "default/subscriptions",
            r#"{"type":"x","eventType":"a b","method":"any"}"#,
            400,
            "~Subscription doesn't validate. Validation error: Key: 'Subscription.Type' Error:Field validation for 'Type' failed on the 'eq=async|eq=sync' tag\nKey: 'Subscription.EventType' Error:Field validation for 'EventType' failed on the 'eventType' tag\nKey: 'Subscription.FunctionID' Error:Field validation for 'FunctionID' failed on the 'required' tag\nKey: 'Subscription.Method' Error:Field validation for 'Method' failed on the 'eq=GET|eq=POST|eq=DELETE|eq=PUT|eq=PATCH|eq=HEAD|eq=OPTIONS' tag",
        ),
        (
            POST,
            "default/subscriptions",
            "{}",
            400,
            "~Subscription doesn't validate. Validation error: Key: 'Subscription.Type' Error:Field validation for 'Type' failed on the 'required' tag\nKey: 'Subscription.EventType' Error:Field validation for 'EventType' failed on the 'required' tag\nKey: 'Subscription.FunctionID' Error:Field validation for 'FunctionID' failed on the 'required' tag",
        ),
        (GET, id, "", 200, get_users),
        (PUT, id, r#"{"type":"sync","eventType":"http.request","functionId":"f","path":"/users/:id","method":"GET","metadata":{"a":"b"}}"#, 200, &labelled),
        (PUT, id, r#"{"type":"async","eventType":"x","functionId":"g"}"#, 400, "~Invalid update. 'Type' of existing subscription cannot be updated."),
        (PUT, id, r#"{"type":"sync","eventType":"x","functionId":"f"}"#, 400, "~Invalid update. 'EventType' of existing subscription cannot be updated."),
        (PUT, id, r#"{"type":"sync","eventType":"http.request","functionId":"g"}"#, 400, "~Invalid update. 'FunctionID' of existing subscription cannot be updated."),
        (PUT, id, r#"{"type":"sync","eventType":"http.request","functionId":"f"}"#, 400, "~Invalid update. 'Path' of existing subscription cannot be updated."),
        (PUT, id, r#"{"type":"sync","eventType":"http.request","functionId":"f","path":"/users/:id"}"#, 400, "~Invalid update. 'Method' of existing subscription cannot be updated."),
        (PUT, "default/subscriptions/none", r#"{"type":"async","eventType":"http.request","functionId":"f"}"#, 404, r#"~Subscription "none" not found."#),
        (DELETE, id, "", 204, ""),
        (DELETE, id, "", 404, r#"~Subscription "c3luYyxodHRwLnJlcXVlc3QsJTJGdXNlcnMlMkY6aWQsR0VU" not found."#),
        (GET, "default/subscriptions", "", 200, r#"{"subscriptions":[]}"#),
    ])
    .await;
}

#[tokio::test]
async fn lists_are_filtered_by_metadata() {
    let gateway = TestGateway::start().await;
    for (name, metadata) in [("a", json!({"s": "1", "t": "x"})), ("b", json!({"s": "1"})), ("c", json!({}))] {
        gateway.api.create("eventtypes", json!({ "name": name, "metadata": metadata })).await;
    }
    for (query, expected) in [
        ("", vec!["c", "b", "a"]),
        ("?", vec!["c", "b", "a"]),
        ("?metadata.s=1", vec!["b", "a"]),
        ("?metadata.s=1&metadata.t=x", vec!["a"]),
        ("?metadata.s=1&metadata.s=2", vec!["b", "a"]),
        ("?metadata.s=2", vec![]),
        ("?metadata.none=", vec![]),
        ("?s=2", vec!["c", "b", "a"]),
    ] {
        let (_, body) = gateway.api.config(GET, &format!("default/eventtypes{query}"), "").await;
        let list: Value = serde_json::from_str(&body).unwrap();
        let names: Vec<_> =
            list["eventTypes"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{query}");
    }
}

#[tokio::test]
async fn routes_and_methods() {
    let gateway = TestGateway::start().await;
    for (method, path, status, content_type, location, body) in [
        (GET, "/v1/status", 200, None, None, ""),
        (GET, "/v1/spaces/default/functions", 200, Some("application/json"), None, "{\"functions\":[]}\n"),
        (GET, "/nothing", 404, Some("application/json"), None, NO_PATH),
        (POST, "/v1/status", 405, Some("application/json"), None, NO_METHOD),
        (Method::HEAD, "/v1/spaces/default/functions", 405, Some("application/json"), None, ""),
        (
            GET,
            "/v1/spaces/a%FF/functions",
            400,
            Some("application/json"),
            None,
            "{\"errors\":[{\"code\":\"invalid_request\",\"message\":\"the path is not valid UTF-8 after percent-decoding\"}]}\n",
        ),
        (Method::OPTIONS, "/v1/spaces/default/functions", 405, Some("application/json"), None, NO_METHOD),
        (Method::PATCH, "/v1/spaces/default/functions/a", 405, Some("application/json"), None, NO_METHOD),
        (GET, "/v1/status/?a=b", 301, None, Some("/v1/status?a=b"), ""),
        (POST, "/V1/spaces/Acme/FUNCTIONS", 307, None, Some("/v1/spaces/Acme/functions"), ""),
    ] {
        let request = gateway.api.client.request(method.clone(), format!("{}{path}", gateway.api.config));
        let response = request.send().await.unwrap();
        let text = |name| {
            response.headers().get(name).map(|value: &header::HeaderValue| value.to_str().unwrap().to_owned())
        };
        let found = (response.status().as_u16(), text("content-type"), text("location"), text("allow"));
        let expected = (status, content_type.map(str::to_owned), location.map(str::to_owned), None);
        assert_eq!(found, expected, "{method} {path}");
        assert_eq!(response.text().await.unwrap(), body, "{method} {path}");
    }
}

#[tokio::test]
async fn deletions_answer_with_a_content_type() {
    let gateway = TestGateway::start().await;
    gateway.api.event_type("a").await;
    let url = format!("{}/v1/spaces/default/eventtypes/a", gateway.api.config);
    let response = gateway.api.client.delete(url).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (204, &"application/json".parse().unwrap())
    );
}

/// Secrets are written, never read. Clients read a function, change a field, and write it back: the mask must then
/// stand for the stored secret.
#[cfg(feature = "aws")]
#[tokio::test]
async fn secrets_are_masked_and_kept() {
    let mut lambda = Functions::accepting().await;
    let endpoint = lambda.url("");
    let gateway = TestGateway::with(|options| options.lambda_endpoint = Some(endpoint)).await;
    let function = |secret: &str| {
        json!({ "functionId": "f", "type": "awslambda", "provider": { "arn": "fn", "region": "eu-central-1",
                "awsAccessKeyId": "AKID-REAL", "awsSecretAccessKey": secret } })
    };
    let created = gateway.api.create("functions", function("real secret")).await;
    let masked = json!({ "arn": "fn", "region": "eu-central-1", "awsAccessKeyId": "*****", "awsSecretAccessKey": "*****" });
    assert_eq!(created["provider"], masked);
    for path in ["default/functions/f", "default/functions"] {
        let (_, body) = gateway.api.config(GET, path, "").await;
        assert!(
            !body.contains("real secret") && !body.contains("AKID-REAL") && body.contains("*****"),
            "{body}"
        );
    }
    let (status, body) = gateway.api.config(PUT, "default/functions/f", created.to_string()).await;
    assert_eq!(status, 200, "{body}");

    gateway.api.event_type("e").await;
    gateway.api.subscribe("e", "f").await;
    gateway.api.emit("e", "1").await;
    let call = lambda.next_call().await;
    assert!(call.headers["authorization"].to_str().unwrap().contains("Credential=AKID-REAL/"), "{call:?}");

    let (status, body) = gateway
        .api
        .config(POST, "default/functions", function("*****").to_string().replace("\"f\"", "\"g\""))
        .await;
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("none is stored"), "{body}");
}

#[tokio::test]
async fn large_bodies_are_refused() {
    let gateway = TestGateway::with(|options| options.body_limit = 1000).await;
    let (status, body) = gateway.api.config(POST, "default/eventtypes", "x".repeat(1001)).await;
    assert_eq!(status, 413);
    assert!(body.contains("larger than 1000 bytes"), "{body}");
}

#[tokio::test]
async fn configuration_outlives_the_process() {
    let gateway = TestGateway::start().await;
    gateway.api.event_type("a").await;
    gateway.api.http_function("f", "http://localhost:1/").await;
    let id = gateway.api.subscribe("a", "f").await;
    let before = gateway.api.config(GET, &format!("default/subscriptions/{id}"), "").await;
    let gateway = gateway.restart().await;
    assert_eq!(gateway.api.config(GET, &format!("default/subscriptions/{id}"), "").await, before);
    assert_eq!(before.0, 200);
    assert_eq!(gateway.api.config(GET, "default/functions/f", "").await.0, 200);
    gateway.gateway.shutdown().await;
}

/// Programs of the original's time compare these texts.
#[tokio::test]
async fn strict_compat_answers_unknown_paths_and_methods_in_plain_text() {
    let gateway = TestGateway::with(|options| options.strict_compat = true).await;
    for (method, path, status, text) in
        [(GET, "/nothing", 404, "404 page not found\n"), (POST, "/v1/status", 405, "Method Not Allowed\n")]
    {
        let request = gateway.api.client.request(method, format!("{}{path}", gateway.api.config));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(response.text().await.unwrap(), text);
    }
}

/// Editors and shells on Windows write a byte order mark before JSON; clients may compress bodies.
#[tokio::test]
async fn bodies_that_are_more_than_json() {
    let gateway = TestGateway::start().await;
    let (status, body) =
        gateway.api.config(Method::POST, "default/eventtypes", "\u{feff}{\"name\":\"a\"}").await;
    assert_eq!(status, 201, "{body}");
    let replace = "\u{feff}{\"delete\":[],\"create\":[]}";
    let (status, body) = gateway.api.config(Method::POST, "default/subscriptions/replace", replace).await;
    assert_eq!(status, 200, "{body}");
    let post = gateway.api.client.post(format!("{}/v1/spaces/default/eventtypes", gateway.api.config));
    let response = post.header("content-encoding", "gzip").body("x").send().await.unwrap();
    assert_eq!(response.status(), 415);
    let message = error(415, &response.text().await.unwrap()).message;
    assert_eq!(message, "the body has the content encoding \"gzip\": send it without one");
}
