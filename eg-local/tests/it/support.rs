//! What the tests share: the programs that they start, an emulator with one function, polling.

use std::path::Path;

use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::{BehaviorVersion, Credentials, Region};
use eg_local::emulator::{Emulator, EmulatorOptions, FunctionSpec};
pub(crate) use eg_tests::{example, http, until as eventually};
use reqwest::Response;
use serde_json::{Value, json};
use tempfile::TempDir;

/// AWS's client for the emulator. It tries nothing again.
pub(crate) fn lambda(local: &Local) -> aws_sdk_lambda::Client {
    let config = aws_sdk_lambda::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(local.emulator.url())
        .build();
    aws_sdk_lambda::Client::from_conf(config)
}

/// An open emulator and the folder of its logs.
pub(crate) struct Local {
    pub(crate) emulator: Emulator,
    pub(crate) folder: TempDir,
}

/// A spec of the fixture function; `handler` chooses how it starts.
pub(crate) fn spec(handler: &str) -> FunctionSpec {
    FunctionSpec::new(format!("fixture-{handler}"), example("function"))
        .handler(handler)
        .root(std::env::temp_dir())
}

impl Local {
    pub(crate) async fn start(spec: FunctionSpec) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut emulator = Emulator::bind(EmulatorOptions::new(folder.path())).await.unwrap();
        emulator.deploy(spec).unwrap();
        emulator.open();
        Self { emulator, folder }
    }

    pub(crate) fn invocations(&self, name: &str) -> String {
        format!("{}/2015-03-31/functions/{name}/invocations", self.emulator.url())
    }

    pub(crate) async fn invoke(&self, name: &str, payload: Value) -> Response {
        http().post(self.invocations(name)).body(payload.to_string()).send().await.unwrap()
    }

    /// Invokes the fixture and gives `(function error, payload)`.
    pub(crate) async fn outcome(&self, name: &str, payload: Value) -> (Option<String>, Value) {
        let response = self.invoke(name, payload).await;
        assert_eq!(response.status(), 200);
        let error = header(&response, "x-amz-function-error");
        (error, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    /// Invokes the fixture, which must answer with its process id among other things.
    pub(crate) async fn echo(&self, name: &str) -> Value {
        let (error, answer) = self.outcome(name, json!({})).await;
        assert_eq!(error, None, "{answer}");
        answer
    }

    pub(crate) fn log(&self, id: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("{id}.log"))).unwrap()
    }
}

pub(crate) fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
}

/// The process that gave this answer.
pub(crate) fn pid(answer: &Value) -> u32 {
    u32::try_from(answer["pid"].as_u64().unwrap()).unwrap()
}

/// Whether a process exists and has not ended.
pub(crate) fn is_running(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

/// Whether a process has been stopped and may go on some day.
pub(crate) fn is_frozen(pid: u32) -> bool {
    state(pid) == Some('T')
}

fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}
