//! Tests `invoke` with the local Lambda, and the other forms of `emit`: sync, samples, queues.

use crate::support::app::{App, Main, record};
use crate::support::example;
use crate::support::gateway::Running;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use eg_local::emulator::{Emulator, EmulatorOptions, FunctionSpec};
use eg_sdk::config::{Function, Provider, Subscription};
use rustix::process::Signal;
use serde_json::{Value, json};

/// A URL where nothing listens: port 1 needs privileges.
const NOWHERE: &str = "http://127.0.0.1:1";

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_invoked_with_its_log() {
    let app = App::new();
    let mut emulator = Emulator::bind(EmulatorOptions::new(app.path().join("logs"))).await.unwrap();
    emulator.deploy(FunctionSpec::new("fixture-echo", example("fixture")).root(app.path())).unwrap();
    emulator.open();
    app.write("event.json", "{\"do\": \"fail\", \"why\": \"no database\"}");
    let lambda = emulator.url().to_owned();
    let invoke = |arguments: &[&str]| {
        app.eg(&[&["invoke"], arguments, &["--lambda-url", &lambda, "--config-url", NOWHERE]].concat())
    };
    let echo = invoke(&["fixture-echo", "--data", "{\"hello\": 1}"]);
    assert_eq!(echo.code, Some(0), "{echo:?}");
    let result: Value = serde_json::from_str(&echo.stdout).unwrap();
    assert_eq!(result["echo"], json!({"hello": 1}));
    assert!(
        echo.stderr.starts_with("START RequestId: ") && echo.stderr.contains("\nREPORT RequestId: "),
        "{echo:?}"
    );
    let printed =
        invoke(&["fixture-echo", "--data", "{\"do\":\"print\",\"out\":\"hello\",\"err\":\"there\"}"]);
    assert!(printed.stderr.contains("\nhello\n") && printed.stderr.contains("\nthere\n"), "{printed:?}");
    let quiet = invoke(&["fixture-echo", "--data", "{}", "--quiet"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""), "{quiet:?}");

    let failed = invoke(&["fixture-echo", "--data", "@event.json", "--quiet"]);
    assert_eq!(failed.code, Some(9), "{failed:?}");
    assert!(failed.stderr.starts_with("error: function fixture-echo failed: "), "{failed:?}");
    assert!(failed.stderr.ends_with(": no database\n"), "{failed:?}");
    let object: Value = serde_json::from_str(&failed.stdout).unwrap();
    assert_eq!(object["errorMessage"], "no database");

    let unknown = invoke(&["gone", "--data", "{}"]);
    unknown.fails(
        6,
        &format!("error: the local Lambda at {lambda} has no function gone\nhint: `cargo eg run` shows the functions that it starts\n"),
    );
    let nowhere = app.eg(&["invoke", "f", "--data", "{}", "--lambda-url", NOWHERE, "--config-url", NOWHERE]);
    assert_eq!(nowhere.code, Some(5), "{nowhere:?}");
    assert!(
        nowhere.stderr.starts_with(&format!("error: no local Lambda answers at {NOWHERE}")),
        "{nowhere:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_those_that_the_gateway_knows() {
    let running = Running::start().await;
    running.function("users-create_user").await;
    let app = App::new();
    let config = running.gateway.config_url();
    let invoke = |function: &str| {
        app.eg(&["invoke", function, "--data", "{}", "--lambda-url", NOWHERE, "--config-url", config])
    };
    // The call reaches the Lambda with the id.
    assert_eq!(invoke("create_user").code, Some(5));
    invoke("craete_user").fails(
        6,
        "error: no function `craete_user` is registered\nhint: did you mean `create_user`? Known functions: users-create_user\n",
    );
}

/// Functions with `#[invoke]` get the samples of AWS's services as they are, with the members of `--data`.
#[test]
fn samples_are_those_of_lambda() {
    let app = App::new();
    let triggers = json!([{"invoke": true}]);
    let confirm = json!({"package": "shop", "version": "0.1.0", "name": "confirm", "source": "s.rs:1", "triggers": triggers, "emits": []});
    app.service("shop", &[format!("{confirm}\n"), record("shop", "get", "GET /orders/:id")], &Main::Serves);
    let sample = |arguments: &[&str]| -> Value {
        let printed = app.eg(&[&["invoke"], arguments, &["--dry-run"]].concat());
        assert_eq!(printed.code, Some(0), "{printed:?}");
        serde_json::from_str(&printed.stdout).unwrap()
    };
    let data = r#"{"userName":"daisy","request":{"userAttributes":{"email":"daisy@example.com"}}}"#;
    let event =
        sample(&["confirm", "--sample", "cognito-pre-sign-up", "--data", data, "--config-url", NOWHERE]);
    assert_eq!(
        (&event["userName"], &event["request"]["userAttributes"], &event["triggerSource"]),
        (&json!("daisy"), &json!({"email": "daisy@example.com"}), &json!("PreSignUp_SignUp"))
    );
    // Kinds of triggers are samples, too, for a function that takes everything.
    assert_eq!(sample(&["confirm", "--sample", "sqs"])["Records"][0]["eventSource"], "aws:sqs");
    // Every function can be called with every sample, to see what it says.
    assert!(sample(&["get", "--sample", "s3-put", "--config-url", NOWHERE])["Records"][0]["s3"].is_object());

    app.eg(&["invoke", "confirm"]).fails(
        2,
        "error: function shop-confirm takes any payload, so there is no sample for it\n\
         hint: write one with --data, or choose one with --sample: `cargo eg invoke --sample list` lists them\n",
    );
    let listed = app.eg(&["invoke", "--sample", "list"]);
    assert_eq!(app.eg(&["invoke", "raw-echo", "--sample"]).stdout, listed.stdout);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.stdout.contains("\ncognito-pre-sign-up "), "{listed:?}");
    let misspelt = app.eg(&["invoke", "confirm", "--sample", "cognito-presignup"]);
    assert_eq!(misspelt.code, Some(2), "{misspelt:?}");
    assert!(misspelt.stderr.contains("'cognito-pre-sign-up'"), "{misspelt:?}");
    app.eg(&["invoke", "--sample", "sns"]).fails(
        2,
        "error: a sample needs a function: `cargo eg invoke FUNCTION --sample http`\n\
         hint: `cargo eg invoke --sample list` lists the samples\n",
    );
}

#[test]
fn samples_follow_the_triggers() {
    let app = App::new();
    let triggers = json!([{"queue": "orders"}, {"schedule": "rate(5 minutes)"}]);
    let work = json!({"package": "shop", "version": "0.1.0", "name": "work", "source": "s.rs:1", "triggers": triggers, "emits": []});
    app.service(
        "shop",
        &[
            record("shop", "get", "GET /orders/:id"),
            record("shop", "on_paid", "order.paid"),
            format!("{work}\n"),
        ],
        &Main::Serves,
    );
    let sample = |arguments: &[&str]| -> Value {
        let printed = app.eg(&[&["invoke"], arguments, &["--dry-run"]].concat());
        assert_eq!(printed.code, Some(0), "{printed:?}");
        serde_json::from_str(&printed.stdout).unwrap()
    };
    let request = sample(&["get"]);
    assert_eq!(
        (&request["rawPath"], &request["requestContext"]["http"]["method"]),
        (&json!("/orders/1"), &json!("GET"))
    );
    let event = sample(&["shop-on_paid", "--sample", "event", "--data", "{\"n\":1}"]);
    assert_eq!(
        (&event["type"], &event["specversion"], &event["data"]),
        (&json!("order.paid"), &json!("1.0"), &json!({"n": 1}))
    );
    assert_eq!(
        sample(&["work"])["Records"][0]["eventSourceARN"],
        "arn:aws:sqs:us-east-1:000000000000:orders"
    );
    assert_eq!(sample(&["work", "--sample", "schedule"])["detail-type"], "Scheduled Event");
    app.eg(&["invoke", "get", "--sample", "sqs"]).fails(
        2,
        "error: function shop-get has no queue trigger\n\
         hint: leave --sample out for its first trigger, or write the payload with --data\n",
    );
    app.eg(&["invoke", "gte"]).fails(
        6,
        "error: no function `gte` is in these services\nhint: did you mean `get`? Known functions: shop-get, shop-on_paid, shop-work\n",
    );
    app.eg(&["emit", "--event", "order.paid", "--sample"]).fails(
        6,
        "error: no service here has a schema for `order.paid`, so there is no sample payload\nhint: write the payload with --data\n",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_services_that_run_are_needed() {
    let app = App::new();
    app.service("shop", &[record("shop", "get", "GET /orders")], &Main::Serves);
    app.service("bank", &[record("bank", "pay", "order.paid")], &Main::Other("fn main() { unfinished() }"));
    let mut run = app.run_with(&["services/shop"]);
    let lambda = run.ready().await("lambda");
    let invoked = app.eg(&["invoke", "get", "--quiet", "--lambda-url", &lambda]);
    assert_eq!(invoked.code, Some(0), "{invoked:?}");
    // What the app here does not have need not be built to know that.
    let other = app.eg(&["invoke", "git"]);
    assert!(other.code == Some(6) && other.stderr.contains("did you mean `get`?"), "{other:?}");
    assert!(!other.stderr.contains("unfinished"), "{other:?}");
    // A sample is available even for a function that is not running, but the services must build.
    let other = app.eg(&["invoke", "pay", "--dry-run"]);
    assert!(other.stderr.contains("unfinished"), "{other:?}");
    app.service("bank", &[record("bank", "pay", "order.paid")], &Main::Serves);
    let other = app.eg(&["invoke", "pay", "--dry-run"]);
    assert!(other.code == Some(0) && other.stdout.contains("order.paid"), "{other:?}");
    run.signal(Signal::INT);
    run.wait();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emitted_event_says_who_gets_it() {
    let running = Running::start().await;
    running.event_type("order.placed").await;
    for function in ["shop-ship", "shop-thank"] {
        running.function(function).await;
    }
    running.subscribe("order.placed", "shop-ship", None).await;
    running.subscribe("order.placed", "shop-thank", Some(json!({"data": {"gift": [true]}}))).await;
    let app = App::new();
    let (url, config) = (running.gateway.events_url(), running.gateway.config_url());
    let emit =
        |arguments: &[&str]| app.eg(&[&["emit", "--url", url, "--config-url", config], arguments].concat());
    let event = ["--event", "order.placed", "--data", "{\"gift\":false}", "--id", "1"];
    let told = emit(&event);
    assert_eq!(
        (told.code, told.stdout.as_str()),
        (Some(0), "Event emitted: order.placed\nid: 1\n"),
        "{told:?}"
    );
    let mut lines: Vec<&str> = told.stderr.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["not to shop-thank: its filter on data.gift does not match", "to shop-ship"]);
    let another = [&event[..5], &["2", "--json"]].concat();
    let answer: Value = serde_json::from_str(&emit(&another).stdout).unwrap();
    assert_eq!(answer["deliveries"].as_array().unwrap().len(), 2);
    let nobody = emit(&["--event", "x.y", "--data", "1"]);
    assert_eq!(nobody.stderr, "no function is subscribed to it\n", "{nobody:?}");
    let mistyped = emit(&["--event", "orders.placed", "--data", "1"]);
    assert_eq!(
        mistyped.stderr, "no function is subscribed to it; did you mean `order.placed`?\n",
        "{mistyped:?}"
    );
    // An earlier mistake is no suggestion.
    for mistyped in ["parcel.shiped", "parcel.shipped"] {
        let mistyped = emit(&["--event", mistyped, "--data", "1"]);
        assert_eq!(mistyped.stderr, "no function is subscribed to it\n", "{mistyped:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_event_prints_its_answer() {
    let running = Running::start().await;
    running.event_type("price.asked").await;
    // A plain HTTP function: the emitter gets its answer.
    let router =
        Router::new().route("/", post(|| async { "{\"statusCode\":200,\"body\":\"{\\\"cents\\\":250}\"}" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    running.client.functions().create(&Function::new("shop-price", Provider::Http { url })).await.unwrap();
    let mut subscription = Subscription::asynchronous("price.asked", "shop-price");
    subscription.kind = eg_sdk::config::SubscriptionType::Sync;
    running.client.subscriptions().create(&subscription).await.unwrap();

    let app = App::new();
    let url = running.gateway.events_url();
    let emit =
        |arguments: &[&str]| app.eg(&[&["emit", "--url", url, "--sync", "--data", "{}"], arguments].concat());
    let asked = emit(&["--event", "price.asked"]);
    assert_eq!((asked.code, asked.stderr.as_str()), (Some(0), "answered with status 200\n"), "{asked:?}");
    assert!(asked.stdout.contains("250"), "{asked:?}");
    let asked = emit(&["--event", "price.asked", "--id", "7", "--json"]);
    let answer: Value = serde_json::from_str(&asked.stdout).unwrap();
    assert_eq!((&answer["id"], &answer["status"]), (&json!("7"), &json!(200)), "{asked:?}");
    let nobody = emit(&["--event", "x.y"]);
    assert_ne!(nobody.code, Some(0), "{nobody:?}");
    assert!(nobody.stderr.contains("no sync subscription matches"), "{nobody:?}");
}

/// Checks the request format of SQS's `SendMessage`, which the test's own server records.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_a_queue_is_a_send_message_call() {
    async fn queues(headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
        assert_eq!(headers["x-amz-target"], "AmazonSQS.SendMessage");
        assert_eq!(headers["content-type"], "application/x-amz-json-1.0");
        let call: Value = serde_json::from_slice(&body).unwrap();
        let url = call["QueueUrl"].as_str().unwrap();
        if url.ends_with("/000000000000/orders") {
            assert_eq!(call["MessageBody"], "{\"order\": 1}");
            (StatusCode::OK, json!({"MessageId": "m-1"}).to_string())
        } else if url.ends_with("/orders.fifo") {
            assert_eq!(call["MessageGroupId"], "g");
            (StatusCode::OK, json!({"MessageId": "m-2"}).to_string())
        } else {
            let error = json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "there is no queue `gone`; there are none"});
            (StatusCode::BAD_REQUEST, error.to_string())
        }
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(queues))).await.unwrap() });
    let app = App::new();
    let emit = |arguments: &[&str]| {
        app.eg(&[&["emit", "--lambda-url", &url, "--data", "{\"order\": 1}"], arguments].concat())
    };
    let sent = emit(&["--queue", "orders"]);
    assert_eq!((sent.code, sent.stdout.as_str()), (Some(0), "Message sent: orders\nid: m-1\n"), "{sent:?}");
    let sent = emit(&["--queue", "orders.fifo", "--group", "g", "--json"]);
    let message: Value = serde_json::from_str(&sent.stdout).unwrap();
    assert_eq!(message, json!({"queue": "orders.fifo", "id": "m-2"}));
    emit(&["--queue", "gone"]).fails(
        6,
        "error: there is no queue `gone`; there are none\n\
         hint: the app creates the queues of its `#[queue(\"NAME\")]` functions when it starts\n",
    );
    let nowhere = app.eg(&["emit", "--queue", "orders", "--data", "{}", "--lambda-url", NOWHERE]);
    assert_eq!(nowhere.code, Some(5), "{nowhere:?}");
    let both = app.eg(&["emit", "--queue", "orders", "--event", "a.b", "--data", "{}"]);
    assert_eq!(both.code, Some(2), "{both:?}");
}

/// A Lambda that answers every invocation with these bytes.
async fn lambda_with(answer: &'static [u8], fails: bool) -> String {
    let invocations = post(async move || {
        let mut headers = HeaderMap::new();
        if fails {
            headers.insert("x-amz-function-error", "Unhandled".parse().unwrap());
        }
        (headers, Bytes::from_static(answer))
    });
    let router = Router::new().route("/2015-03-31/functions/{function}/invocations", invocations);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_written_byte_by_byte() {
    let app = App::new();
    for answer in [&b"\xff\xd8\xff\xe0JFIF\0\x1b[31m\r\n"[..], b"[1]", b"{}\n", b""] {
        let lambda = lambda_with(answer, false).await;
        let arguments =
            ["invoke", "f", "--data", "{}", "--quiet", "--lambda-url", &lambda, "--config-url", NOWHERE];
        let output = app.command(&arguments).output().unwrap();
        assert_eq!((output.status.code(), &*output.stdout), (Some(0), answer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_for_a_route_is_hinted_at_its_sample() {
    let running = Running::start().await;
    for function in ["users-create", "mail-send"] {
        running.function(function).await;
    }
    running.event_type("http.request").await;
    running.event_type("user.created").await;
    let route = Subscription::http("POST", "/users", "users-create");
    running.client.subscriptions().create(&route).await.unwrap();
    running.subscribe("user.created", "mail-send", None).await;
    let lambda = lambda_with(br#"{"errorType":"Unknown","errorMessage":"no such payload"}"#, true).await;
    let app = App::new();
    let config = running.gateway.config_url();
    let invoke = |function: &str| {
        let arguments = ["invoke", function, "--data", "{}", "--lambda-url", &lambda, "--config-url", config];
        app.eg(&arguments).stderr
    };
    let hint = "hint: users-create answers HTTP requests: `--sample http` puts the payload into one, as in \
                `cargo eg invoke users-create --sample http --data '{}'`\n";
    assert_eq!(
        invoke("create"),
        format!("error: function users-create failed: Unknown: no such payload\n{hint}")
    );
    assert_eq!(invoke("send"), "error: function mail-send failed: Unknown: no such payload\n");
    let lambda =
        lambda_with(br#"{"errorType":"Reject","errorMessage":"unknown payload with the keys `a`"}"#, true)
            .await;
    let arguments = ["invoke", "send", "--data", "{}", "--lambda-url", &lambda, "--config-url", config];
    assert_eq!(
        app.eg(&arguments).stderr,
        "error: function mail-send failed: Reject: unknown payload with the keys `a`\n\
         hint: mail-send handles events: `--sample event` puts the payload into one, as in \
         `cargo eg invoke mail-send --sample event --data '{}'`\n"
    );
}
