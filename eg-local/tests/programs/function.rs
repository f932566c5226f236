//! The function that the tests deploy: does what its event says. `cargo test -p eg-local` builds it.

mod runtime_api;

use std::io::Write as _;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use lambda_runtime::{LambdaEvent, StreamResponse, service_fn};
use runtime_api::{Answer, Failure, call, send};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    println!("initialising");
    match std::env::var("_HANDLER").as_deref() {
        Ok("init_error") => {
            post_init_error()?;
            std::process::exit(1);
        }
        Ok("exit_at_start") => {
            eprintln!("the database\nis not there");
            std::process::exit(3);
        }
        Ok("never_ready") => std::future::pending().await,
        Ok("batch") => lambda_runtime::run(service_fn(batch)).await,
        Ok("print_event") => lambda_runtime::run(service_fn(print_event)).await,
        Ok("socket") => lambda_runtime::run(service_fn(socket)).await,
        Ok("stream") => lambda_runtime::run(service_fn(stream)).await,
        Ok("stream_by_hand") => stream_by_hand(),
        Ok("with_extension") => with_extension().await,
        Ok("refused_calls") => {
            eprintln!("{}", refused_calls()?.join("\n"));
            std::process::exit(1);
        }
        _ => lambda_runtime::run(service_fn(handle)).await,
    }
}

/// Writes what it gets from a WebSocket API into a file, and answers messages. The client says whether it fails.
async fn socket(event: LambdaEvent<Value>) -> Result<Value, Failure> {
    let payload = event.payload;
    let mut seen =
        std::fs::File::options().create(true).append(true).open(std::env::var("SEEN").unwrap_or_default())?;
    seen.write_all(format!("{payload}\n").as_bytes())?;
    let asked = &payload["queryStringParameters"];
    let body = payload["body"].as_str().unwrap_or_default();
    if body == "fail" || asked.get("fail").is_some() {
        return Err("as it was told".to_owned().into());
    }
    let status = asked["status"].as_str().and_then(|status| status.parse().ok()).unwrap_or(200_u16);
    Ok(json!({ "statusCode": status, "body": format!("got {body}") }))
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Failure> {
    let LambdaEvent { payload, context } = event;
    let text = |key: &str| payload.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    match text("do").as_str() {
        "print" => {
            println!("{}", text("out"));
            eprintln!("{}", text("err"));
            print!("half a line");
            std::io::stdout().flush()?;
            Ok(Value::Null)
        }
        "fail" => Err(text("why").into()),
        "panic" => panic!("{}", text("why")),
        "exit" => std::process::exit(1),
        "abort" => std::process::abort(),
        "hang" => std::future::pending().await,
        "large" => Ok(Value::String("x".repeat(7 * 1024 * 1024))),
        "wait" => wait_for(Path::new(&text("file"))).await,
        "flaky" => flaky(Path::new(&text("file"))),
        "meet" => meet(Path::new(&text("folder"))).await,
        "environment" => {
            let variables: serde_json::Map<String, Value> =
                std::env::vars().map(|(name, value)| (name, value.into())).collect();
            Ok(json!({"variables": variables, "folder": std::env::current_dir()?}))
        }
        _ => Ok(json!({
            "echo": payload,
            "pid": std::process::id(),
            "version": std::env::var("VERSION").ok(),
            "arguments": std::env::args().skip(1).collect::<Vec<_>>(),
            "requestId": context.request_id,
            "arn": context.invoked_function_arn,
            "trace": context.xray_trace_id,
            "deadline": context.deadline,
            "client": context.client_context,
        })),
    }
}

/// Handles the messages of a queue, all but those that are `bad`, and those that are `wrong`, which it rejects.
async fn batch(event: LambdaEvent<Value>) -> Result<Value, Failure> {
    let (mut failed, mut errors) = (Vec::new(), serde_json::Map::new());
    let (mut rejected, mut blocked) = (Vec::new(), Vec::new());
    for record in event.payload["Records"].as_array().ok_or("no batch")? {
        let body = record["body"].as_str().unwrap_or_default();
        let group = &record["attributes"]["MessageGroupId"];
        if blocked.contains(group) {
            failed.push(json!({"itemIdentifier": record["messageId"]}));
            continue;
        }
        println!("handling {body}");
        let is_wrong = body.starts_with("wrong");
        if is_wrong || body == "bad" {
            let id = record["messageId"].as_str().unwrap_or_default();
            failed.push(json!({"itemIdentifier": id}));
            blocked.extend((is_wrong && group.is_string()).then(|| group.clone()));
            errors.insert(id.to_owned(), json!(format!("{body} cannot be packed")));
            rejected.extend(is_wrong.then(|| id.to_owned()));
        }
    }
    Ok(json!({ "batchItemFailures": failed, "errors": errors, "rejected": rejected }))
}

async fn print_event(event: LambdaEvent<Value>) -> Result<Value, Failure> {
    println!("{}", event.payload);
    Ok(Value::Null)
}

/// Says by `FILE.begun` that it waits, and answers when there is `FILE`.
async fn wait_for(file: &Path) -> Result<Value, Failure> {
    std::fs::write(file.with_extension("begun"), "")?;
    while !file.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(json!({"pid": std::process::id(), "version": std::env::var("VERSION").ok()}))
}

/// Fails until it has been called three times.
fn flaky(file: &Path) -> Result<Value, Failure> {
    let calls = std::fs::read_to_string(file).unwrap_or_default() + "called\n";
    std::fs::write(file, &calls)?;
    if calls.lines().count() < 3 { Err("not yet".into()) } else { Ok(Value::Null) }
}

/// Answers when two processes are here at the same time.
async fn meet(folder: &Path) -> Result<Value, Failure> {
    std::fs::write(folder.join(std::process::id().to_string()), "")?;
    while std::fs::read_dir(folder)?.count() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(json!(std::process::id()))
}

/// By hand: `lambda_runtime` has no call for it.
fn post_init_error() -> Result<(), Failure> {
    let body = r#"{"errorType":"Config","errorMessage":"SMTP_URL is not set"}"#;
    let answer = call("POST", "/2018-06-01/runtime/init/error", &[], body)?;
    if answer.status() == "202" { Ok(()) } else { Err(answer.body.into()) }
}

/// Answers in two parts: the second one when there is the file that the event names.
async fn stream(event: LambdaEvent<Value>) -> Result<StreamResponse<Parts>, Failure> {
    let file = event.payload["file"].as_str().unwrap_or_default().to_owned();
    let second = async move {
        while !Path::new(&file).exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok("second".into())
    };
    let first = futures_util::stream::iter([Ok("first ".into())]);
    let parts: Parts = Box::pin(first.chain(futures_util::stream::once(second)));
    Ok(StreamResponse::from(parts))
}

type Parts = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// A runtime that answers as the event says, with what stands behind the head of a streamed answer.
fn stream_by_hand() -> Result<(), Failure> {
    loop {
        let event = call("GET", "/2018-06-01/runtime/invocation/next", &[], "")?;
        let id = event.header("lambda-runtime-aws-request-id").ok_or("no request id")?;
        let payload: Value = serde_json::from_str(&event.body)?;
        let chunks = payload["chunks"].as_str().unwrap_or_default();
        let answer = send(&format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\n\
             lambda-runtime-function-response-mode: streaming\r\ntransfer-encoding: chunked\r\n\
             trailer: lambda-runtime-function-error-type, lambda-runtime-function-error-body\r\n\r\n{chunks}"
        ));
        if payload["exit"] == true {
            std::process::exit(1);
        }
        println!("the Runtime API says {}", answer?.status());
    }
}

/// Registers an extension from within this process, and says so when it is asked to end.
async fn with_extension() -> Result<(), Failure> {
    let name = [("lambda-extension-name", "inside")];
    let registered = call("POST", "/2020-01-01/extension/register", &name, r#"{"events":["INVOKE"]}"#)?;
    let id = registered.header("lambda-extension-identifier").ok_or("no identifier")?.to_owned();
    std::thread::spawn(move || -> Result<(), Failure> {
        loop {
            let id = [("lambda-extension-identifier", id.as_str())];
            let event = call("GET", "/2020-01-01/extension/event/next", &id, "")?;
            println!("the extension has been told {}", event.body);
        }
    });
    let mut asked = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        asked.recv().await;
        println!("asked to end");
        std::process::exit(0);
    });
    lambda_runtime::run(service_fn(handle)).await
}

/// Says by the status and the type of the error how calls are refused that are out of order.
fn refused_calls() -> Result<Vec<String>, Failure> {
    const REGISTER: &str = "/2020-01-01/extension/register";
    const NEXT: &str = "/2020-01-01/extension/event/next";
    const EXIT: &str = "/2020-01-01/extension/exit/error";
    let name = [("lambda-extension-name", "one")];
    let id = |id: &'static str| [("lambda-extension-identifier", id)];
    let unknown = "4b1b7b0c-8f0a-4b0e-9b0a-0e4b1b7b0c8f";
    let response = "/2018-06-01/runtime/invocation/another/response";
    let answers = [
        call("POST", REGISTER, &[], r#"{"events":[]}"#),
        call("POST", REGISTER, &name, "events"),
        call("POST", REGISTER, &name, r#"{"events":["SLEEP"]}"#),
        call("POST", REGISTER, &name, r#"{"events":["SHUTDOWN"]}"#),
        call("POST", REGISTER, &name, r#"{"events":[]}"#),
        call("POST", REGISTER, &name, r#"{"events":[]}"#),
        call("GET", NEXT, &[], ""),
        call("GET", NEXT, &id("one"), ""),
        call("GET", NEXT, &id(unknown), ""),
        call("POST", EXIT, &id(unknown), "{}"),
        call("POST", response, &[], "{}"),
        call("GET", "/2018-06-01/runtime/elsewhere", &[], ""),
    ];
    let shown = |answer: Answer| -> Result<String, Failure> {
        let body: Value = serde_json::from_str(&answer.body)?;
        let kind = body["errorType"].as_str().unwrap_or("taken");
        Ok(format!("{} {kind}", answer.status()))
    };
    answers.into_iter().map(|answer| shown(answer?)).collect()
}
