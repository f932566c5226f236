//! The function that the tests let the emulator run: does what its event says.
//!
//! It is built by `cargo test -p cargo-eg` and also carries a manifest, as `eg-runtime` would write it.
//! On its own it does nothing; Lambda's environment variables must be set.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};

const MANIFEST: &[u8; 411] = b"\0\0\n{\"package\":\"fixture\",\"version\":\"0.3.0\",\"name\":\"second\",\"source\":\
\"src/main.rs:20\",\"triggers\":[{\"eventType\":\"a.b\",\"mode\":\"async\",\"method\":\"POST\",\"path\":\"/\"}],\
\"emits\":[]}\n\0\0{\"package\":\"fixture\",\"version\":\"0.3.0\",\"name\":\"first\",\"doc\":\"The first.\",\
\"source\":\"src/main.rs:9\",\"triggers\":[{\"eventType\":\"http.request\",\"mode\":\"sync\",\"method\":\"GET\",\
\"path\":\"/first/:id\",\"cors\":true}],\"emits\":[\"a.b\"],\"later\":{\"key\":1}}\n\n\0";

// Raw, because the macro that does this for users is in `eg-runtime`, which this crate must not know.
#[expect(unsafe_code, reason = "naming a link section is unsafe; nothing reads this one as code")]
#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__eg_manifest"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".eg_manifest"))]
static SECTION: [u8; MANIFEST.len()] = *MANIFEST;

type Failure = Box<dyn Error + Send + Sync>;

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
        _ => lambda_runtime::run(service_fn(handle)).await,
    }
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
        })),
    }
}

/// Says by `FILE.begun` that it waits, and answers when there is `FILE`.
async fn wait_for(file: &Path) -> Result<Value, Failure> {
    std::fs::write(file.with_extension("begun"), "")?;
    while !file.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(json!({"pid": std::process::id(), "version": std::env::var("VERSION").ok()}))
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
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API")?;
    let body = r#"{"errorType":"Config","errorMessage":"SMTP_URL is not set"}"#;
    let mut stream = TcpStream::connect(&address)?;
    write!(
        stream,
        "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 202") { Ok(()) } else { Err(answer.into()) }
}
