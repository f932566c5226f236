//! Spaces: how requests reach them, and who may.

use eg_gateway::Options;
use eg_sdk::config::Secret;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Answer, CLOUDEVENTS, Functions, TestGateway, error};

/// A function in each space that answers its own path, on `path`.
async fn with_functions(functions: &Functions, change: impl FnOnce(&mut Options), key: &str) -> TestGateway {
    let gateway = TestGateway::with(change).await;
    for (space, path) in [("default", "/x"), ("acme", "/x"), ("acme", "/acme/hosted")] {
        let id = path.replace('/', "");
        let url = functions.url(&format!("/{space}"));
        for (kind, resource) in [
            ("eventtypes", json!({ "name": "http.request" })),
            ("functions", json!({ "functionId": id, "type": "http", "provider": { "url": url } })),
            (
                "subscriptions",
                json!({ "type": "sync", "eventType": "http.request", "functionId": id, "path": path, "method": "GET" }),
            ),
        ] {
            let url = format!("{}/v1/spaces/{space}/{kind}", gateway.api.config);
            let request = gateway.api.client.post(url).bearer_auth(key).body(resource.to_string());
            let status = request.send().await.unwrap().status();
            assert!(status == 201 || kind == "eventtypes" && status == 409, "{space} {resource}: {status}");
        }
    }
    gateway
}

async fn functions() -> Functions {
    Functions::start(|call| Answer::Http(200, json!({ "body": call.path }).to_string())).await
}

#[tokio::test]
async fn a_host_under_the_domain_is_a_space() {
    let mut functions = functions().await;
    let domain = |options: &mut Options| options.domain = Some("events.example".to_owned());
    let gateway = with_functions(&functions, domain, "").await;
    for (host, path, status, answer) in [
        ("acme.events.example", "/x", 200, "/acme"),
        ("ACME.events.example:4000", "/x", 200, "/acme"),
        ("acme.events.example", "/hosted", 200, "/acme"),
        ("acme.events.example", "/spaces/default/x", 404, ""),
        ("none.events.example", "/x", 404, ""),
        ("events.example", "/x", 200, "/default"),
        ("events.example", "/spaces/acme/x", 200, "/acme"),
        ("acme.events.example.evil", "/x", 403, ""),
        ("localhost", "/hosted", 404, ""),
    ] {
        let request = gateway.api.client.get(format!("{}{path}", gateway.api.events)).header("host", host);
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{host}{path}");
        let text = response.text().await.unwrap();
        if status == 200 {
            assert_eq!(text, answer, "{host}{path}");
            let data = &functions.next_call().await.json()["data"];
            assert_eq!(
                (&data["host"], &data["path"]),
                (&json!(host), &json!(path.trim_start_matches("/spaces/acme")))
            );
        }
    }
}

fn keys(options: &mut Options) {
    options.access_keys.all = Some(Secret::from("root"));
    options.access_keys.reading = Some(Secret::from("look"));
    options.access_keys.spaces.insert("acme".to_owned(), Secret::from("acme-key"));
}

/// The status of a request, and the message of the error if it is one.
async fn status(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
    let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default();
    (status, answer["errors"][0]["message"].as_str().unwrap_or_default().to_owned())
}

const MISSING: &str = "API key not set.";
const ONLY_READS: &str = "this access key only reads: changes need the key of --access-key";
const WRONG: &str = "You're not authorized to access this resource.";

#[tokio::test]
async fn keys_open_the_config_api() {
    let gateway = TestGateway::with(keys).await;
    for (method, path, key, expected) in [
        (Method::GET, "/v1/status", None, (200, "")),
        (Method::POST, "/v1/status", None, (405, "Method Not Allowed")),
        (Method::GET, "/nothing", None, (404, "404 page not found")),
        (Method::GET, "/v1/spaces/acme/functions", None, (401, MISSING)),
        (Method::GET, "/v1/spaces/acme/functions", Some("x"), (403, WRONG)),
        (Method::GET, "/v1/spaces/acme/functions", Some("acme-key"), (200, "")),
        (Method::GET, "/v1/spaces/acme/functions", Some("root"), (200, "")),
        (Method::GET, "/v1/spaces/default/functions", Some("acme-key"), (403, WRONG)),
        (Method::GET, "/v1/spaces/default/dead-letters", Some("acme-key"), (403, WRONG)),
        (Method::GET, "/v1/spaces/acme/events", Some("acme-key"), (200, "")),
        (Method::GET, "/v1/spaces/default/events", Some("acme-key"), (403, WRONG)),
        (Method::GET, "/v1/spaces/default/events/1", Some("acme-key"), (403, WRONG)),
        (Method::GET, "/v1/spaces/default/dead-letters/1", Some("acme-key"), (403, WRONG)),
        (Method::POST, "/v1/spaces/default/dead-letters/redrive", Some("acme-key"), (403, WRONG)),
        (Method::POST, "/v1/spaces/default/replays", Some("acme-key"), (403, WRONG)),
        (Method::GET, "/v1/accounting", Some("acme-key"), (403, WRONG)),
        (Method::GET, "/v1/accounting", Some("root"), (200, "")),
        (Method::GET, "/v1/statistics", Some("acme-key"), (403, WRONG)),
        (Method::GET, "/v1/spaces/acme/statistics", Some("acme-key"), (200, "")),
        (Method::GET, "/v1/spaces/default/statistics", Some("acme-key"), (403, WRONG)),
        (Method::GET, "/v1/feed", Some("acme-key"), (403, WRONG)),
        (Method::GET, "/v1/feed", None, (401, MISSING)),
        (Method::GET, "/v1/spaces/acme/events", Some("look"), (200, "")),
        (Method::GET, "/v1/metrics", Some("look"), (200, "")),
        (Method::POST, "/v1/spaces/acme/replays", Some("look"), (403, ONLY_READS)),
        (Method::POST, "/v1/backup", Some("look"), (403, ONLY_READS)),
        (Method::DELETE, "/v1/spaces/default/functions/f", Some("look"), (403, ONLY_READS)),
        (Method::DELETE, "/v1/spaces/default/functions/f", Some("acme-key"), (403, WRONG)),
        (Method::DELETE, "/v1/spaces/default/functions/f", Some("root"), (404, "Function \"f\" not found.")),
    ] {
        let mut request = gateway.api.client.request(method.clone(), format!("{}{path}", gateway.api.config));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let (code, message) = expected;
        assert_eq!(status(request).await, (code, message.to_owned()), "{method} {path} {key:?}");
    }
    for (key, expected) in [("root", true), ("acme-key", true), ("look", false)] {
        let request = gateway.api.client.get(format!("{}/v1/spaces/acme/access", gateway.api.config));
        let access: Value = request.bearer_auth(key).send().await.unwrap().json().await.unwrap();
        assert_eq!(access, json!({ "mayChange": expected }), "{key}");
    }
    assert_eq!(
        gateway.api.try_emit("e", "1").await.unwrap().status(),
        202,
        "emitting needs no key by default"
    );
}

/// A proxy on this machine speaks for clients that are elsewhere.
#[tokio::test]
async fn without_a_key_only_this_machine_configures() {
    let gateway = TestGateway::start().await;
    let url = format!("{}/v1/spaces/default/functions", gateway.api.config);
    assert_eq!(status(gateway.api.client.get(&url)).await.0, 200);
    for header in ["X-Forwarded-For", "Forwarded", "X-Real-IP"] {
        let (code, message) = status(gateway.api.client.get(&url).header(header, "127.0.0.1")).await;
        assert_eq!(code, 403);
        assert!(message.contains("--access-key"), "{message}");
    }
}

#[tokio::test]
async fn keys_protect_emission_where_asked() {
    let mut functions = functions().await;
    let closed = |options: &mut Options| {
        keys(options);
        options.access_keys.events = true;
    };
    let gateway = with_functions(&functions, closed, "root").await;
    let cors = gateway.api.client.post(format!("{}/v1/spaces/default/cors", gateway.api.config));
    let cors = cors.bearer_auth("root").body(r#"{"method":"GET","path":"/x"}"#);
    assert_eq!(cors.send().await.unwrap().status(), 201);
    for (path, authorization, expected) in [
        ("/x", None, (401, MISSING)),
        ("/x", Some("Bearer wrong"), (403, WRONG)),
        ("/x", Some("Bearer acme-key"), (403, WRONG)),
        ("/nobody", Some("Bearer acme-key"), (403, WRONG)),
        ("/x", Some("bearer root"), (200, "")),
        ("/spaces/acme/x", Some("Bearer acme-key"), (200, "")),
    ] {
        let mut request =
            gateway.api.client.get(format!("{}{path}", gateway.api.events)).header("origin", "https://page");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let (code, message) = expected;
        assert_eq!(status(request).await, (code, message.to_owned()), "{path} {authorization:?}");
        if code == 200 {
            let headers = functions.next_call().await.json()["data"]["headers"].clone();
            assert_eq!(headers["Origin"], "https://page");
            assert_eq!(headers.get("Authorization"), None, "the key is nobody else's business");
        }
    }
    let preflight = gateway.api.client.request(Method::OPTIONS, format!("{}/x", gateway.api.events));
    let preflight = preflight.header("access-control-request-method", "GET");
    assert_eq!(status(preflight).await.0, 200, "browsers ask without a key");
    assert!(functions.try_call().is_none());
}

/// Clients of the original register in a space of their own, and emit to paths that name none or begin with its name.
#[tokio::test]
async fn clients_of_the_original_may_have_a_space() {
    let mut functions = functions().await;
    let functions_url = functions.url("");
    let register = async |gateway: &TestGateway, space: &str, id: &str, resource: Value| {
        for (kind, resource) in [
            ("eventtypes", json!({ "name": resource["eventType"] })),
            (
                "functions",
                json!({ "functionId": id, "type": "http", "provider": { "url": format!("{functions_url}/{space}-{id}") } }),
            ),
            ("subscriptions", resource),
        ] {
            let path = format!("{space}/{kind}");
            let (status, body) = gateway.api.config(Method::POST, &path, resource.to_string()).await;
            assert!(status == 201 || kind == "eventtypes" && status == 409, "{path} {resource}: {body}");
        }
    };
    let on = |path: &str| json!({ "type": "async", "eventType": "user.created", "functionId": "on", "path": path });
    let get = |path: &str| json!({ "type": "sync", "eventType": "http.request", "functionId": "get", "path": path, "method": "GET" });
    let gateway = TestGateway::start().await;
    // The SDK emits to `/`, and the plugin puts the name of the space before every path.
    register(&gateway, "myteam", "on", on("/")).await;
    register(&gateway, "myteam", "get", get("/myteam/hello")).await;
    register(&gateway, "default", "get", get("/*page")).await;

    gateway.api.emit("user.created", "1").await;
    assert_eq!(functions.next_call().await.path, "/myteam-on");
    let (_, event) = gateway.api.config(Method::GET, "myteam/events/1", "").await;
    assert_eq!(serde_json::from_str::<Value>(&event).unwrap()["deliveries"].as_array().unwrap().len(), 1);
    for (path, status, answer) in
        [("/myteam/hello", 200, "/myteam-get"), ("/myteam/hallo", 404, ""), ("/other", 200, "/default-get")]
    {
        let response = gateway.api.client.get(format!("{}{path}", gateway.api.events)).send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let text = response.text().await.unwrap();
        if status == 200 {
            assert_eq!(text, answer);
            assert_eq!(functions.next_call().await.json()["data"]["path"], path);
        } else {
            let near = "no function answers `GET /myteam/hallo`; did you mean `GET /myteam/hello`?";
            assert_eq!(error(status, &text).message, near);
        }
    }

    // Two owners of the same paths would hide each other.
    let (status, body) =
        gateway.api.config(Method::POST, "default/subscriptions", get("/myteam/:id").to_string()).await;
    let owned = r#"Subscription path conflict: paths under /myteam/ already belong to space "myteam": choose another path"#;
    assert_eq!(error(status, &body).message, owned);

    // Where the default space has a subscription itself, its events stay there.
    register(&gateway, "default", "on", on("/")).await;
    gateway.api.emit("user.created", "2").await;
    assert_eq!(functions.next_call().await.path, "/default-on");

    let strict = gateway.restart_with(|options| options.strict_compat = true).await;
    strict.api.emit("user.created", "3").await;
    let mut called = [functions.next_call().await.path, functions.next_call().await.path];
    called.sort();
    assert_eq!(called, ["/default-on", "/myteam-on"], "in the original, all spaces share all paths");
    strict.gateway.shutdown().await;
    assert!(functions.try_call().is_none());
}

/// A space with a key of its own gets no events that do not name it, and cannot have the paths of others.
#[tokio::test]
async fn spaces_with_keys_are_closed() {
    let mut functions = functions().await;
    let gateway = with_functions(&functions, keys, "root").await;
    for (path, status, answer) in
        [("/acme/hosted", 200, "/acme"), ("/spaces/acme/x", 200, "/acme"), ("/hosted", 404, "")]
    {
        let response = gateway.api.client.get(format!("{}{path}", gateway.api.events)).send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let text = response.text().await.unwrap();
        if status == 200 {
            assert_eq!(text, answer);
            functions.next_call().await;
        }
    }
    assert!(functions.try_call().is_none());
}

/// With a domain, `/x` and `/<space>/x` are the same route, and events reach the subscriptions at both.
#[tokio::test]
async fn a_path_does_not_hide_the_one_with_the_space_before_it() {
    let mut functions = functions().await;
    let domain = |options: &mut Options| options.domain = Some("events.example".to_owned());
    let gateway = with_functions(&functions, domain, "").await;
    let create = async |resource: Value| {
        gateway.api.config(Method::POST, "acme/subscriptions", resource.to_string()).await
    };
    let get = |path: &str| json!({ "type": "sync", "eventType": "http.request", "functionId": "x", "path": path, "method": "GET" });
    let (status, body) = create(get("/acme/x")).await;
    assert_eq!(
        error(status, &body).message,
        "Subscription path conflict: route /x conflicts with existing route"
    );
    assert_eq!(create(get("/:id")).await.0, 201);
    let (status, _) = gateway.api.config(Method::POST, "acme/eventtypes", r#"{"name":"e"}"#).await;
    assert_eq!(status, 201);
    for path in ["/", "/acme/"] {
        let on = json!({ "type": "async", "eventType": "e", "functionId": "x", "path": path });
        assert_eq!(create(on).await.0, 201);
    }
    let request = gateway
        .api
        .client
        .get(format!("{}/hosted", gateway.api.events))
        .header("host", "acme.events.example");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let call = functions.next_call().await.json();
    assert_eq!(call["data"]["params"], json!({}), "`/acme/hosted` is more specific than `/:id`");
    let event = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "e" }).to_string();
    let request = gateway.api.client.post(&gateway.api.events).header("host", "acme.events.example");
    let request = request.header("content-type", CLOUDEVENTS).body(event);
    assert_eq!(request.send().await.unwrap().status(), 202);
    functions.next_call().await;
    functions.next_call().await;
}
