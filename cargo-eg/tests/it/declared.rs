//! Tests functions that an `eg.toml` declares: an unmodified Python handler on AWS's own runtime from PyPI, and a
//! program that is already running at a URL.

use crate::support::app::{App, Main, RUN, record};
use crate::support::{eventually, http};
use axum::routing::post;
use eg_tests::python::environment;
use serde_json::json;

const HANDLER: &str = r#"
import os

def handler(event, context):
    if event.get("eventType") == "http.request":
        return {"statusCode": 200, "body": "small " + os.environ["SIZE"] + os.environ["KEY"] + os.environ["UNIT"]}
    if "Records" in event:
        print("packed", [record["body"] for record in event["Records"]])
        return {"batchItemFailures": []}
    print("resized", event.get("id", event.get("eventID")), "by", context.function_name)
"#;

#[tokio::test]
async fn a_python_handler_is_a_function_like_any_other() {
    let Some(python) = environment().map(|folder| folder.join("bin/python")) else { return };
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves);
    app.write("functions/pictures/app.py", HANDLER);
    let declaration = |size: u32, path: &str| {
        format!(
            r#"
            [deploy]
            secrets = {{ KEY = "ssm:/pictures/key" }}
            environment = {{ UNIT = "km" }}
            [deploy.stages.local.service.pictures]
            environment = {{ UNIT = "px", SIZE = "overridden" }}

            [[function]]
            name = "resize"
            command = [{:?}, "-m", "awslambdaric", "app.handler"]
            environment = {{ SIZE = "{size}" }}
            timeout = 20
            triggers = [
              {{ event = "picture.uploaded", retry = {{ attempts = 3 }} }},
              {{ http = "GET {path}" }},
              {{ queue = "pictures" }},
            ]
            "#,
            python.to_str().unwrap()
        )
    };
    app.write("functions/pictures/.env", "# not for git\nKEY='.5'\n");
    app.write("functions/pictures/eg.toml", &declaration(100, "/pictures/{id}"));
    let mut run = app.run_with(&["services", "functions"]);
    let url = run.ready().await;
    let shown = run.stderr();
    assert!(shown.contains("  pictures-resize  on picture.uploaded\n"), "{shown}");
    let get = async |path: &str| http().get(url("events") + path).send().await.unwrap().text().await.unwrap();
    assert_eq!(get("/pictures/7").await, "small 100.5px");
    assert_eq!(get("/list").await, "from list");
    let emit =
        ["emit", "--url", &url("events"), "--event", "picture.uploaded", "--id", "p-1", "--data", "{}"];
    assert_eq!(app.eg(&emit).code, Some(0));
    eventually("the event is handled", || {
        app.log("pictures-resize").contains("resized p-1 by pictures-resize")
    })
    .await;
    let sent = http()
        .post(url("sqs"))
        .header("x-amz-target", "AmazonSQS.SendMessage")
        .body(json!({"QueueUrl": "pictures", "MessageBody": "hello"}).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 200);
    eventually("the message is handled", || app.log("pictures-resize").contains("packed ['hello']")).await;

    app.write("functions/pictures/eg.toml", &declaration(200, "/smaller/{id}"));
    run.says(": pictures-resize\n", 1).await;
    assert_eq!(get("/smaller/7").await, "small 200.5px");
    app.write("functions/pictures/app.py", &HANDLER.replace("small ", "tiny "));
    run.says(": pictures-resize\n", 2).await;
    assert_eq!(get("/smaller/7").await, "tiny 200.5px");

    app.write("functions/pictures/eg.toml", "[[function]]\nname = \"resize\"\n");
    run.says("not reloaded", 1).await;
    let shown = run.stderr();
    assert!(shown.contains("eg.toml:1:1: function `resize`: it needs a `command`, or the `url`"), "{shown}");
    assert_eq!(get("/smaller/7").await, "tiny 200.5px");
}

#[tokio::test]
async fn a_program_at_a_url_gets_events() {
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handle = move |body: String| async move { sender.send(body).unwrap() };
    tokio::spawn(async { axum::serve(listener, axum::Router::new().route("/archive", post(handle))).await });

    // A folder with this file is enough; there is no workspace and no cargo.
    let folder = tempfile::tempdir().unwrap();
    let declaration = format!(
        "service = \"archive\"\n[[function]]\nname = \"keep\"\nurl = \"http://{address}/archive\"\ntriggers = [{{ event = \"picture.resized\" }}]\n"
    );
    std::fs::write(folder.path().join("eg.toml"), declaration).unwrap();
    let app = App::new();
    let mut run = app.run_with(&[folder.path().to_str().unwrap()]);
    let url = run.ready().await;
    let emit =
        ["emit", "--url", &url("events"), "--event", "picture.resized", "--id", "p-2", "--data", "{\"n\":1}"];
    assert_eq!(app.eg(&emit).code, Some(0));
    let event = events.recv().await.unwrap();
    assert!(event.contains("p-2"), "{event}");
    run.says("archive-keep delivered", 1).await;
}

#[test]
fn a_broken_file_is_named() {
    let app = App::new();
    app.write(
        "functions/pictures/eg.toml",
        "[[function]]\nname = \"resize\"\ntriggers = [{ evnt = \"x\" }]\n",
    );
    let path = app.path().canonicalize().unwrap().join("functions/pictures/eg.toml");
    let transcript = app.eg(&[&RUN[..], &["functions"]].concat());
    assert_eq!(transcript.code, Some(2), "{transcript:?}");
    let begin =
        format!("error: {}:3:15: unknown key `evnt`; did you mean `event`?; the keys", path.display());
    assert!(transcript.stderr.starts_with(&begin), "{}", transcript.stderr);
}

#[test]
fn a_secret_without_a_value_is_named() {
    let app = App::new();
    let declaration = "[deploy]\nsecrets = { API_KEY = \"ssm:/pictures/api-key\" }\n\
        [[function]]\nname = \"resize\"\ncommand = [\"./resize\"]\ntriggers = [{ event = \"x\" }]\n";
    app.write("functions/pictures/eg.toml", declaration);
    let file = app.path().canonicalize().unwrap().join("functions/pictures/.env");
    let hint = format!(
        "error: the secret `API_KEY` has no value on this machine\n\
         hint: write `API_KEY=…` into {}, which git must ignore, or set the variable API_KEY\n",
        file.display()
    );
    let run = app.eg(&[&RUN[..], &["functions"]].concat());
    assert!(run.code == Some(2) && run.stderr.ends_with(&hint), "{run:?}");
    app.write("functions/pictures/.env", "API_KEY: hunter2\n");
    let run = app.eg(&[&RUN[..], &["functions"]].concat());
    assert!(run.code == Some(2) && run.stderr.contains(".env:1: the line is not `NAME=value`"), "{run:?}");
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
}
