//! The OpenAPI document: it is valid, its operations exist, and the answers of a running gateway have the documented
//! form.

use std::collections::BTreeSet;
use std::time::Duration;

use eg_tests::eventually;
use eg_tests::python::python;
use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Api, Functions, TestGateway};

async fn document(api: &Api) -> Value {
    let response = api.client.get(format!("{}/v1/openapi.json", api.config)).send().await.unwrap();
    response.json().await.unwrap()
}

/// The document of a gateway, and the operations whose requests and answers have been compared with it.
struct Documented<'a> {
    api: &'a Api,
    document: Value,
    called: BTreeSet<String>,
}

impl Documented<'_> {
    /// Sends a request to `template` below `/v1`, with `id` as the path's id, and checks its body and the answer.
    async fn call(&mut self, method: Method, template: &str, id: &str, body: Value) -> Value {
        let operation = self.operation(&method, template);
        if !body.is_null() {
            self.check(&operation["requestBody"], &body, &format!("the body of {method} {template}"));
        }
        let status = operation["responses"].as_object().unwrap().keys().next().unwrap().clone();
        let answer = self.send(method, template, id, body, &status).await;
        let name = operation["operationId"].as_str().unwrap();
        self.check(&operation["responses"][&status], &answer, name);
        self.called.insert(name.to_owned());
        answer
    }

    /// Sends a request that is refused.
    async fn refused(&mut self, method: Method, template: &str, id: &str, body: Value, status: &str) {
        let operation = self.operation(&method, template);
        let answer = self.send(method, template, id, body, status).await;
        self.check(&operation["responses"]["default"], &answer, template);
    }

    fn operation(&self, method: &Method, template: &str) -> Value {
        let operation = &self.document["paths"][format!("/v1{template}")][method.as_str().to_lowercase()];
        assert!(operation.is_object(), "{method} {template} is not documented");
        operation.clone()
    }

    async fn send(&self, method: Method, template: &str, id: &str, body: Value, status: &str) -> Value {
        let path = template.replace("{space}", "default").replace("{id}", id);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request =
            self.api.client.request(method.clone(), format!("{}/v1{path}", self.api.config)).body(body);
        let response = request.send().await.unwrap();
        let (found, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(found.as_str(), status, "{method} {path}: {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// Checks a value against the JSON schema of a request or response object. Without one, there is no body.
    fn check(&self, object: &Value, value: &Value, what: &str) {
        let schema = &object["content"]["application/json"]["schema"];
        if schema.is_null() {
            assert_eq!(*value, Value::Null, "{what} has no documented body");
            return;
        }
        let errors: Vec<_> = self
            .validator(schema)
            .iter_errors(value)
            .map(|e| format!("{e} at {}", e.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{what} differs from its schema: {errors:#?}\n{value:#}");
    }

    /// The schema with its references. Every member of an answer must be documented, although clients must accept more.
    fn validator(&self, schema: &Value) -> Validator {
        let mut schema = json!({ "allOf": [schema], "components": self.document["components"] });
        close(&mut schema, true);
        jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
    }
}

/// Forbids members that a schema does not name. `whole` is false for a part of a composed schema.
fn close(schema: &mut Value, whole: bool) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members.iter_mut() {
                close(value, !["allOf", "anyOf"].contains(&key.as_str()));
            }
            if whole && ["properties", "allOf", "anyOf"].iter().any(|key| members.contains_key(*key)) {
                members.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| close(item, whole)),
        _ => {}
    }
}

const NONE: Value = Value::Null;

#[tokio::test]
async fn answers_have_the_documented_form() {
    let functions = Functions::start(|call| match call.path.as_str() {
        "/failing" => Answer::Http(422, "no".to_owned()),
        "/slow" => Answer::Http(500, "later".to_owned()),
        _ => Answer::Http(200, String::new()),
    })
    .await;
    let gateway = TestGateway::with(|options| {
        options.recent_calls = 10;
        options.retry.min_backoff = Duration::from_secs(3600);
        options.retry.max_backoff = Duration::from_secs(3600);
    })
    .await;
    let document = document(&gateway.api).await;
    let mut documented = Documented { api: &gateway.api, document, called: BTreeSet::new() };

    // The configuration.
    documented
        .call(
            Method::POST,
            "/spaces/{space}/eventtypes",
            "",
            json!({ "name": "e", "metadata": { "a": "b" } }),
        )
        .await;
    for function in ["accepting", "failing", "slow"] {
        let provider = json!({ "url": functions.url(&format!("/{function}")) });
        let function = json!({ "functionId": function, "type": "http", "provider": provider });
        documented.call(Method::POST, "/spaces/{space}/functions", "", function).await;
    }
    let lambda = json!({ "functionId": "f", "type": "awslambda", "provider": { "arn": "arn:aws:lambda:us-east-1:1:function:f", "region": "us-east-1" } });
    documented.call(Method::POST, "/spaces/{space}/functions", "", lambda.clone()).await;
    let subscription = |function: &str| json!({ "type": "async", "eventType": "e", "functionId": function });
    let replacement = json!({ "delete": [], "create": [subscription("accepting")] });
    documented.call(Method::POST, "/spaces/{space}/subscriptions/replace", "", replacement).await;
    let mut filtered = subscription("failing");
    filtered["filter"] = json!({ "data": { "n": [{ "numeric": ["<", 2] }] } });
    let failing = documented.call(Method::POST, "/spaces/{space}/subscriptions", "", filtered.clone()).await;
    let failing = failing["subscriptionId"].as_str().unwrap();
    let mut retried = subscription("slow");
    retried["retry"] = json!({ "attempts": 5, "minBackoffMs": 3_600_000 });
    documented.call(Method::POST, "/spaces/{space}/subscriptions", "", retried).await;
    let cors = json!({ "method": "GET", "path": "/a", "allowedOrigins": ["https://a.example"] });
    let created = documented.call(Method::POST, "/spaces/{space}/cors", "", cors.clone()).await;
    let cors_id = created["corsId"].as_str().unwrap();
    for (kind, id, body) in [
        ("eventtypes", "e", json!({ "name": "e" })),
        ("functions", "f", lambda),
        ("subscriptions", failing, filtered),
        ("cors", cors_id, cors),
    ] {
        documented.call(Method::GET, &format!("/spaces/{{space}}/{kind}"), "", NONE).await;
        documented.call(Method::GET, &format!("/spaces/{{space}}/{kind}/{{id}}"), id, NONE).await;
        documented.call(Method::PUT, &format!("/spaces/{{space}}/{kind}/{{id}}"), id, body).await;
        documented
            .refused(Method::GET, &format!("/spaces/{{space}}/{kind}/{{id}}"), "missing", NONE, "404")
            .await;
        documented.refused(Method::POST, &format!("/spaces/{{space}}/{kind}"), "", json!({}), "400").await;
    }

    // Deliveries that succeed, are filtered out, are given up, and wait.
    for n in 0..4 {
        let event = json!({
            "specversion": "1.0", "type": "e", "source": "/test", "id": n.to_string(), "subject": "s", "data": { "n": n },
        });
        assert_eq!(gateway.api.emit_json(&event).await.status(), 202);
    }
    gateway.api.wait_for_books("delivered", 4).await;
    let letters = gateway.api.wait_for_dead_letters(2).await;
    let [newest, oldest] = [0, 1].map(|at| letters[at]["deadLetterId"].to_string());
    documented.call(Method::GET, "/spaces/{space}/events", "", NONE).await;
    for n in 0..4 {
        documented.call(Method::GET, "/spaces/{space}/events/{id}", &n.to_string(), NONE).await;
    }
    documented.refused(Method::GET, "/spaces/{space}/events/{id}", "missing", NONE, "404").await;
    let waiting = eventually("a delivery to wait", async || {
        let (_, event) = gateway.api.config(Method::GET, "default/events/3", "").await;
        let event: Value = serde_json::from_str(&event).unwrap();
        let mut deliveries = event["deliveries"].as_array().unwrap().iter();
        let waiting = deliveries.find(|one| one["functionId"] == "slow" && one["state"] == "pending")?;
        Some(waiting["deliveryId"].to_string())
    })
    .await;
    documented.call(Method::POST, "/spaces/{space}/deliveries/{id}/retry", &waiting, NONE).await;
    let replay = json!({ "eventId": "0", "subscriptionId": failing });
    documented.call(Method::POST, "/spaces/{space}/replays", "", replay).await;
    documented.refused(Method::POST, "/spaces/{space}/replays", "", json!({}), "400").await;

    documented.call(Method::GET, "/spaces/{space}/dead-letters", "", NONE).await;
    documented.call(Method::GET, "/spaces/{space}/dead-letters/{id}", &newest, NONE).await;
    let edited =
        json!({ "event": { "specversion": "1.0", "type": "e", "source": "/test", "id": "1", "data": {} } });
    documented.call(Method::POST, "/spaces/{space}/dead-letters/{id}/redrive", &newest, edited).await;
    documented.call(Method::DELETE, "/spaces/{space}/dead-letters/{id}", &oldest, NONE).await;
    documented.refused(Method::GET, "/spaces/{space}/dead-letters/{id}", &oldest, NONE, "404").await;
    gateway.api.wait_for_dead_letters(2).await;
    documented.call(Method::GET, "/spaces/{space}/events/{id}", "1", NONE).await;
    documented.call(Method::POST, "/spaces/{space}/dead-letters/redrive", "", NONE).await;
    documented.call(Method::DELETE, "/spaces/{space}/dead-letters", "", NONE).await;
    let jobs = documented.call(Method::GET, "/spaces/{space}/jobs", "", NONE).await;
    for job in jobs["jobs"].as_array().unwrap() {
        let id = job["jobId"].to_string();
        for (method, path) in [(Method::GET, ""), (Method::POST, "/cancel"), (Method::POST, "/resume")] {
            documented.call(method, &format!("/spaces/{{space}}/jobs/{{id}}{path}"), &id, NONE).await;
        }
    }
    documented.refused(Method::GET, "/spaces/{space}/jobs/{id}", "missing", NONE, "404").await;
    documented.call(Method::GET, "/accounting", "", NONE).await;
    documented.refused(Method::POST, "/spaces/{space}/deliveries/{id}/retry", "missing", NONE, "404").await;
    documented.call(Method::GET, "/statistics", "", NONE).await;
    documented.call(Method::GET, "/spaces/{space}/statistics", "", NONE).await;
    documented.call(Method::GET, "/spaces/{space}/access", "", NONE).await;
    let calls = documented.call(Method::GET, "/spaces/{space}/calls", "", NONE).await;
    assert!(!calls["calls"].as_array().unwrap().is_empty(), "{calls}");
    documented.call(Method::GET, "/openapi.json", "", NONE).await;
    documented.call(Method::GET, "/status", "", NONE).await;

    for subscription in
        documented.call(Method::GET, "/spaces/{space}/subscriptions", "", NONE).await["subscriptions"]
            .as_array()
            .unwrap()
    {
        let id = subscription["subscriptionId"].as_str().unwrap();
        documented.call(Method::DELETE, "/spaces/{space}/subscriptions/{id}", id, NONE).await;
    }
    for (kind, id) in [("functions", "f"), ("eventtypes", "e"), ("cors", cors_id)] {
        documented.call(Method::DELETE, &format!("/spaces/{{space}}/{kind}/{{id}}"), id, NONE).await;
    }

    // The answers of the others are not JSON.
    let mut operations = operations(&documented.document);
    for text in ["createBackup", "getMetrics", "watchFeed"] {
        assert!(operations.remove(text), "{text}");
    }
    assert_eq!(documented.called, operations);
}

fn operations(document: &Value) -> BTreeSet<String> {
    let items =
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    items.filter_map(|operation| operation["operationId"].as_str()).map(str::to_owned).collect()
}

/// The rules of OpenAPI 3.1, as its reference validator has them.
#[tokio::test]
async fn the_document_is_valid() {
    let gateway = TestGateway::start().await;
    let file = gateway.dir.path().join("openapi.json");
    std::fs::write(&file, document(&gateway.api).await.to_string()).unwrap();
    let program = "import json, sys, openapi_spec_validator; openapi_spec_validator.validate(json.load(open(sys.argv[1])))";
    let Some(output) = python(program, &[file.to_str().unwrap()]) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The document describes the API that answers: each operation in it exists, and no documented path has another method.
#[tokio::test]
async fn the_openapi_document_describes_the_routes() {
    let gateway = TestGateway::start().await;
    let document = document(&gateway.api).await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = BTreeSet::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        let path = template.replace("{space}", "default").replace("{id}", "1");
        assert!(!path.contains('{'), "{template} has a parameter without a description");
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS]
        {
            let url = format!("{}{path}", gateway.api.config);
            let response = gateway.api.client.request(method.clone(), url).send().await.unwrap();
            let operation = &item[method.as_str().to_lowercase()];
            let exists = response.status() != 405 && !is_unknown_path(response).await;
            assert_eq!(operation.is_object(), exists, "{method} {template}");
            if exists {
                let id = operation["operationId"].as_str().unwrap();
                assert!(operations.insert(id.to_owned()), "two operations are called {id}");
            }
        }
    }
    for operation in
        ["createFunction", "listSubscriptions", "getEvent", "redriveDeadLetters", "createReplay", "watchFeed"]
    {
        assert!(operations.contains(operation), "{operation} is missing in {operations:?}");
    }
    for reference in references(&document) {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some_and(Value::is_object), "{reference} refers to nothing");
    }
}

/// Whether the router, and not a handler, answered.
async fn is_unknown_path(response: reqwest::Response) -> bool {
    // The feed does not end, so the body must not be awaited.
    response.status() == 404 && response.text().await.unwrap().contains("unknown_path")
}

/// All values of `$ref` in `value`.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(members.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}
