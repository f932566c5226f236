//! The program of a service that the tests read and start. It has a manifest in the format of `eg-runtime`, and a
//! function whose behaviour is set by its event. `cargo test -p cargo-eg` builds it.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

const MANIFEST: &[u8; 424] = b"\0\0\n{\"package\":\"fixture\",\"version\":\"0.3.0\",\"name\":\"second\",\"source\":\
\"src/main.rs:20\",\"triggers\":[{\"eventType\":\"a.b\",\"mode\":\"async\",\"method\":\"POST\",\"path\":\"/\"}],\
\"emits\":[]}\n\0\0{\"package\":\"fixture\",\"version\":\"0.3.0\",\"name\":\"first\",\"doc\":\"The first.\",\
\"source\":\"src/main.rs:9\",\"triggers\":[{\"eventType\":\"http.request\",\"mode\":\"sync\",\"method\":\"GET\",\
\"path\":\"/first/:id\",\"cors\":{\"origins\":[\"*\"]}}],\"emits\":[\"a.b\"],\"later\":{\"key\":1}}\n\n\0";

// Raw, because the macro that does this for users is in `eg-runtime`, which this crate must not know.
#[expect(unsafe_code, reason = "naming a link section is unsafe; nothing reads this one as code")]
#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__eg_manifest"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".eg_manifest"))]
static SECTION: [u8; MANIFEST.len()] = *MANIFEST;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let payload = event.payload;
    let text = |key: &str| payload[key].as_str().unwrap_or_default();
    match text("do") {
        "print" => {
            println!("{}", text("out"));
            eprintln!("{}", text("err"));
            Ok(Value::Null)
        }
        "fail" => Err(text("why").into()),
        _ => Ok(json!({"echo": payload})),
    }
}
