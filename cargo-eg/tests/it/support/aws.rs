//! A proxy in front of moto: records every call, and answers some of them with what moto lacks: failed stacks, events of
//! resources, missing rights, throttling, broken connections.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use eg_tests::moto::{Moto, signature};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The variables of a command that calls moto. Files and the metadata service of the machine have no part in it.
pub(crate) const ENVIRONMENT: [(&str, &str); 5] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("AWS_CONFIG_FILE", "/dev/null"),
    ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
];

/// Removes the settings of AWS that the test itself was started with, such as `AWS_PROFILE` and `AWS_ENDPOINT_URL_SQS`.
pub(crate) fn forget_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"AWS_")) {
        command.env_remove(name);
    }
}

/// Gives a command [`ENVIRONMENT`] and no other settings of AWS.
pub(crate) fn isolate(command: &mut Command) {
    forget_settings(command);
    command.envs(ENVIRONMENT);
}

/// What happens to a call instead of moto's answer.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This status and body.
    Answer(u16, String),
    /// The connection breaks off within the answer.
    BreakOff,
    /// moto's answer, with texts replaced.
    Replace(Vec<(&'static str, String)>),
}

/// A fault for calls of an operation.
#[derive(Debug)]
struct Planned {
    operation: String,
    /// The number of calls before the first one that fails.
    skipped: usize,
    times: usize,
    fault: Fault,
}

/// A call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The access key that has signed it.
    pub(crate) key: String,
    /// Such as `PutEvents`.
    pub(crate) operation: String,
    pub(crate) body: String,
}

#[derive(Debug, Default)]
struct Shared {
    moto: String,
    account: String,
    calls: Mutex<Vec<String>>,
    /// Calls with their bodies, except those that upload objects.
    sent: Mutex<Vec<Call>>,
    /// The calls that must have a token, and had none.
    without_token: Mutex<Vec<String>>,
    planned: Mutex<Vec<Planned>>,
}

/// An account in a moto behind a proxy.
pub(crate) struct Aws {
    pub(crate) url: String,
    pub(crate) account: String,
    shared: Arc<Shared>,
    /// Serves the proxy while commands run.
    runtime: Runtime,
}

impl Aws {
    /// Returns an account of its own. Returns `None` if this machine has no Python.
    ///
    /// All accounts share the names of buckets, as on AWS: use the account's number or the stack's own name in them.
    pub(crate) fn start() -> Option<Self> {
        static ACCOUNTS: AtomicU32 = AtomicU32::new(1);
        let account = format!("{:012}", ACCOUNTS.fetch_add(1, Ordering::Relaxed));
        let runtime = Runtime::new().unwrap();
        let moto = Moto::shared()?.url.clone();
        let shared = Arc::new(Shared { moto, account: account.clone(), ..Shared::default() });
        let router = Router::new().fallback(forward).with_state(Arc::clone(&shared));
        let url = serve(&runtime, router);
        Some(Self { url, account, shared, runtime })
    }

    /// Serves something beside AWS, and returns its URL.
    pub(crate) fn beside(&self, router: Router) -> String {
        serve(&self.runtime, router)
    }

    /// Lets the next calls of an operation fail. The last plan for an operation counts first.
    pub(crate) fn plan(&self, operation: &str, times: usize, fault: Fault) {
        self.plan_after(operation, 0, times, fault);
    }

    /// The same, after some calls that succeed.
    pub(crate) fn plan_after(&self, operation: &str, skipped: usize, times: usize, fault: Fault) {
        let operation = operation.to_owned();
        self.shared.planned.lock().unwrap().push(Planned { operation, skipped, times, fault });
    }

    /// Runs a future to its end.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Forgets all plans.
    pub(crate) fn calm(&self) {
        self.shared.planned.lock().unwrap().clear();
    }

    /// Returns the calls of CloudFormation that AWS would run again if they were repeated: they had no token.
    pub(crate) fn without_token(&self) -> Vec<String> {
        self.shared.without_token.lock().unwrap().clone()
    }

    /// Returns the bodies of the calls of an operation, since the start.
    pub(crate) fn sent(&self, operation: &str) -> Vec<String> {
        let sent = self.shared.sent.lock().unwrap();
        let of_operation = sent.iter().filter(|call| call.operation.starts_with(operation));
        of_operation.map(|call| call.body.clone()).collect()
    }

    /// Returns the calls that an access key has signed, since the start.
    pub(crate) fn signed_by(&self, key: &str) -> Vec<Call> {
        self.shared.sent.lock().unwrap().iter().filter(|call| call.key == key).cloned().collect()
    }

    /// Calls a service in the JSON protocol, and returns its answer.
    pub(crate) fn call(&self, service: &str, target: &str, body: &Value) -> Value {
        let version =
            if service == "dynamodb" { "application/x-amz-json-1.0" } else { "application/x-amz-json-1.1" };
        self.block_on(async {
            let call = eg_tests::http()
                .post(&self.url)
                .header("authorization", signature(service))
                .header("x-amz-target", target)
                .header("content-type", version)
                .body(body.to_string());
            let answer = call.send().await.unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert!(status.is_success(), "{target} {body}: {status} {text}");
            serde_json::from_str(&text).unwrap_or_default()
        })
    }

    /// Returns the calls since the last time, such as `CreateChangeSet` and `PUT /bucket/key`.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.calls.lock().unwrap())
    }
}

/// Serves on a free port, and returns the URL.
fn serve(runtime: &Runtime, router: Router) -> String {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// Returns an answer of moto in which one text is another.
pub(crate) fn replaced(old: &'static str, new: &str) -> Fault {
    Fault::Replace(vec![(old, new.to_owned())])
}

/// Returns an error of CloudFormation.
pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Fault {
    Fault::Answer(
        status,
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        ),
    )
}

async fn forward(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let operation = operation(&parts.method, &parts.uri, &parts.headers, &body);
    let fault = shared.take(&operation);
    let needs_token =
        ["CreateChangeSet", "ExecuteChangeSet", "DeleteStack", "ContinueUpdateRollback", "CancelUpdateStack"];
    let has_token = || {
        let text = String::from_utf8_lossy(&body);
        ["ClientToken=", "ClientRequestToken="].iter().any(|name| text.contains(name))
    };
    if needs_token.contains(&operation.as_str()) && !has_token() {
        shared.without_token.lock().unwrap().push(operation.clone());
    }
    if parts.method != Method::PUT {
        let key = access_key(&parts.headers).unwrap_or_default().to_owned();
        let body = String::from_utf8_lossy(&body).into_owned();
        shared.sent.lock().unwrap().push(Call { key, operation: operation.clone(), body });
    }
    shared.calls.lock().unwrap().push(operation);
    let answer = match &fault {
        Some(Fault::Answer(status, text)) => {
            return (StatusCode::from_u16(*status).unwrap(), text.clone()).into_response();
        }
        Some(Fault::BreakOff) => {
            let half = axum::body::Bytes::from_static(b"<half");
            let broken = futures_util::stream::iter([Ok(half), Err(std::io::Error::other("broken off"))]);
            return Response::new(Body::from_stream(broken));
        }
        Some(Fault::Replace(_)) | None => {
            let client = eg_tests::http();
            let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            let mut call = client.request(parts.method, format!("{}{path}", shared.moto)).body(body);
            call = call.header("x-moto-account-id", &shared.account);
            for (name, value) in
                parts.headers.iter().filter(|(name, _)| *name != "host" && *name != "content-length")
            {
                call = call.header(name, value);
            }
            call.send().await.unwrap()
        }
    };
    let (status, headers, mut body) =
        (answer.status(), answer.headers().clone(), answer.bytes().await.unwrap());
    if let Some(Fault::Replace(texts)) = fault {
        let text = String::from_utf8(body.to_vec()).unwrap();
        body = texts.iter().fold(text, |text, (old, new)| text.replace(old, new)).into();
    }
    let mut response = (status, body).into_response();
    let framing = ["connection", "content-length", "transfer-encoding"];
    for (name, value) in headers.iter().filter(|(name, _)| !framing.contains(&name.as_str())) {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

impl Shared {
    fn take(&self, operation: &str) -> Option<Fault> {
        let mut planned = self.planned.lock().unwrap();
        let plan =
            planned.iter_mut().rev().find(|plan| plan.times > 0 && operation.starts_with(&plan.operation))?;
        if plan.skipped > 0 {
            plan.skipped -= 1;
            return None;
        }
        plan.times -= 1;
        Some(plan.fault.clone())
    }
}

/// Returns the access key that has signed a call.
fn access_key(headers: &HeaderMap) -> Option<&str> {
    let (_, scope) = headers.get("authorization")?.to_str().ok()?.split_once("Credential=")?;
    scope.split('/').next()
}

/// Returns the name of a call: the operation of the Query and JSON protocols, or method and path of the others.
fn operation(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> String {
    if let Some(target) = headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        return target.rsplit('.').next().unwrap_or(target).to_owned();
    }
    let form = String::from_utf8_lossy(body);
    match form.strip_prefix("Action=").and_then(|rest| rest.split('&').next()) {
        Some(action) => action.to_owned(),
        None => format!("{method} {uri}"),
    }
}
