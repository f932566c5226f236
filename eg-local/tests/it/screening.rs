//! What a web page can do with the local Lambda, its queues and the Runtime APIs of functions: nothing, in 1,024
//! combinations of headers.

use eg_local::emulator::{BindError, Emulator, EmulatorOptions};
use eg_local::{Cloud, FunctionSpec};
use eg_tests::visits::{self, Visit};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{example, http};

#[tokio::test]
async fn no_page_calls_functions_or_uses_queues() {
    let cloud = Cloud::start().await.unwrap();
    cloud.deploy(FunctionSpec::new("f", example("function"))).await.unwrap();
    let orders = cloud.queue("orders").await.unwrap();
    let environment = cloud.invoke("f", json!({ "do": "environment" })).await.unwrap();
    let runtime_api = environment["variables"]["AWS_LAMBDA_RUNTIME_API"].as_str().unwrap().to_owned();
    let client = http();

    let invoke = format!("{}/2015-03-31/functions/f/invocations", cloud.url());
    let served = serve_all(&client, cloud.url(), async |visit: &Visit| {
        visit.request(&client, &invoke).body("{}").send().await.unwrap().status()
    })
    .await;
    assert_eq!(served, [StatusCode::OK; 32], "POST from two hosts, origins and sites");
    let started = cloud.log("f").unwrap().matches("START RequestId").count();
    assert_eq!(started, 1 + served.len());

    let message = json!({ "QueueUrl": format!("{}/0/orders", cloud.url()), "MessageBody": "m" }).to_string();
    let served = serve_all(&client, cloud.url(), async |visit: &Visit| {
        let request = visit.request(&client, cloud.url()).header("x-amz-target", "AmazonSQS.SendMessage");
        request.body(message.clone()).send().await.unwrap().status()
    })
    .await;
    assert_eq!(served, [StatusCode::OK; 32]);
    assert_eq!(orders.counts().await.unwrap().visible, 32);

    let runtime_api = format!("http://{runtime_api}");
    let elsewhere = format!("{runtime_api}/2018-06-01/runtime/elsewhere");
    let served = serve_all(&client, &runtime_api, async |visit: &Visit| {
        visit.request(&client, &elsewhere).body("{}").send().await.unwrap().status()
    })
    .await;
    assert_eq!(served, [StatusCode::NOT_FOUND; 32], "there is no such operation");
    let steal = client.get(format!("{runtime_api}/2018-06-01/runtime/invocation/next"));
    let stolen =
        steal.header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "no-cors").send().await;
    assert_eq!(stolen.unwrap().status(), StatusCode::FORBIDDEN);
    cloud.stop().await;
}

/// Sends all combinations, checks that the foreign ones are refused, and returns the statuses of the others with POST.
async fn serve_all(
    client: &reqwest::Client,
    url: &str,
    send: impl AsyncFn(&Visit) -> StatusCode,
) -> Vec<StatusCode> {
    let mut served = Vec::new();
    for visit in visits::all(visits::port(url)) {
        let status = send(&visit).await;
        assert_eq!(visit.is_foreign, status == StatusCode::FORBIDDEN, "{visit:?}: {status}");
        if !visit.is_foreign && visit.method == Method::POST {
            served.push(status);
        }
    }
    // The refusal says why, as AWS's clients read it.
    let refused = client.post(url).header("host", "evil.example").send().await.unwrap();
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["__type"], "AccessDeniedException", "{body}");
    assert!(body["message"].as_str().unwrap().contains("--allowed-host"), "{body}");
    served
}

#[tokio::test]
async fn the_caller_allows_names() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = EmulatorOptions::new(folder.path());
    options.allowed_hosts = vec!["host.docker.internal".to_owned()];
    let mut emulator = Emulator::bind(options.clone()).await.unwrap();
    emulator.open();
    for (host, expected) in [("host.docker.internal:9001", 404), ("docker.internal", 403)] {
        let response = http().get(emulator.url()).header("host", host).send().await.unwrap();
        assert_eq!(response.status(), expected, "{host}");
    }
    emulator.shut_down().await;
    options.allowed_hosts = vec!["http://localhost".to_owned()];
    assert!(matches!(Emulator::bind(options).await, Err(BindError::Host(_))));
}
