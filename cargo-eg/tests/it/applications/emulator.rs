//! Runs a function in AWS's own emulator of the Runtime API, with the environment that Lambda gives it.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use super::namespace;
use crate::support::app::signal;
use crate::support::stack::Function;

/// The next free port. Nobody else is in the namespace, and the system itself gives out higher ones.
static PORTS: AtomicU16 = AtomicU16::new(20_000);

/// A running function.
pub(super) struct Emulated {
    emulator: Child,
    url: String,
    log: PathBuf,
}

impl Emulated {
    /// Starts the program of a function, which has the access key `key` and calls AWS at `aws`. `changed` replaces variables.
    pub(super) fn start(
        program: &Path,
        (name, function): (&str, &Function),
        key: &str,
        aws: &str,
        changed: &[(&str, &str)],
    ) -> Self {
        assert!(namespace::is_inside(), "the emulator listens on every interface");
        let [at, api] = [(); 2].map(|()| format!("127.0.0.1:{}", PORTS.fetch_add(1, Ordering::Relaxed)));
        let folder = program.parent().unwrap();
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).unwrap();
        let mut command = Command::new(eg_tests::python::lambda_emulator().expect("Python is there"));
        command
            .args(["--runtime-interface-emulator-address", &at, "--runtime-api-address", &api])
            .arg(program)
            .arg(&function.handler)
            .current_dir(folder)
            .env_clear()
            .envs(&function.variables)
            .envs(changed.iter().filter(|(name, _)| function.variables.contains_key(*name)).copied())
            .envs([
                ("AWS_LAMBDA_FUNCTION_NAME", name),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_FUNCTION_TIMEOUT", &function.timeout.to_string()),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &function.memory.to_string()),
                ("AWS_REGION", "eu-central-1"),
                ("AWS_ACCESS_KEY_ID", key),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_SESSION_TOKEN", "test"),
                ("AWS_ENDPOINT_URL", aws),
            ])
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        let url = format!("http://{at}/2015-03-31/functions/function/invocations");
        // From here on, a panic ends the emulator.
        let started = Self { emulator: command.spawn().unwrap(), url, log };
        let deadline = Instant::now() + eg_tests::PATIENCE;
        while TcpStream::connect(&at).is_err() {
            assert!(Instant::now() < deadline, "the emulator of {name} does not listen");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        started
    }

    /// Invokes the function and returns its answer.
    ///
    /// # Panics
    /// If it fails. The message has its log.
    pub(super) async fn invoke(&self, payload: &Value) -> Value {
        let answer = eg_tests::http().post(&self.url).json(payload).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let log = || std::fs::read_to_string(&self.log).unwrap_or_default();
        assert!(
            status.is_success() && value.get("errorType").is_none(),
            "{status} {text}: {payload}\n{}",
            log()
        );
        value
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        // Unlike SIGKILL, this also ends the function.
        signal(&self.emulator, Signal::TERM);
        let _ = self.emulator.wait();
    }
}
