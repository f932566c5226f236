//! The gateway that is attacked, as a process with its own store.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::functions::Functions;
use crate::{Ground, Result};

/// The goal for its memory in MiB, whatever happens.
pub(crate) const MEMORY: f64 = 256.0;

/// A running gateway. Dropping it kills the process.
pub(crate) struct Gateway {
    process: Child,
    _dir: TempDir,
    pub(crate) events: SocketAddr,
    pub(crate) config: SocketAddr,
    client: reqwest::Client,
}

impl Gateway {
    pub(crate) fn start(ground: &Ground, options: &[&str]) -> Result<Self> {
        Self::run(Command::new(&ground.program), options)
    }

    /// Starts a gateway that may open so many files and no more.
    pub(crate) fn with_descriptors(ground: &Ground, descriptors: u32) -> Result<Self> {
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &descriptors.to_string()])
            .arg(&ground.program);
        Self::run(command, &[])
    }

    fn run(mut command: Command, options: &[&str]) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        command
            .args(["--dev", "--log-format=json", "--events-port=0", "--config-port=0", "--embed-data-dir"])
            .arg(dir.path().join("data"))
            .args(options)
            .stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let mut log = BufReader::new(process.stderr.take().ok_or("no log")?);
        let (events, config) = loop {
            let mut line = String::new();
            if log.read_line(&mut line)? == 0 {
                return Err("the gateway does not start".into());
            }
            let entry: Value = serde_json::from_str(&line)?;
            if let (Some(events), Some(config)) = (entry["events"].as_str(), entry["config"].as_str()) {
                break (address(events)?, address(config)?);
            }
        };
        // The rest is read so that the program never waits for room in the pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(Self { process, _dir: dir, events, config, client: eg_tests::http() })
    }

    /// Creates a resource in the default space.
    pub(crate) async fn create(&self, kind: &str, resource: &Value) -> Result<()> {
        let url = format!("http://{}/v1/spaces/default/{kind}", self.config);
        let response = self.client.post(url).json(resource).send().await?;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(format!("{resource}: {status}").into()) }
    }

    /// Registers the function at this path of `functions`, and subscribes it to an event type.
    pub(crate) async fn subscribe(&self, functions: &Functions, path: &str, event_type: &str) -> Result<()> {
        self.subscribe_with(functions, path, event_type, &json!({})).await
    }

    /// Does the same, with further members of the subscription.
    pub(crate) async fn subscribe_with(
        &self,
        functions: &Functions,
        path: &str,
        event_type: &str,
        members: &Value,
    ) -> Result<()> {
        self.function(functions, path).await?;
        // It may exist already.
        let _ = self.create("eventtypes", &json!({ "name": event_type })).await;
        let mut subscription = json!({ "type": "async", "eventType": event_type, "functionId": id(path) });
        if let (Some(all), Some(members)) = (subscription.as_object_mut(), members.as_object()) {
            all.extend(members.clone());
        }
        self.create("subscriptions", &subscription).await
    }

    /// Registers the function at this path of `functions`, and lets it answer requests to the same path of the gateway.
    pub(crate) async fn route(&self, functions: &Functions, path: &str) -> Result<()> {
        self.function(functions, path).await?;
        let _ = self.create("eventtypes", &json!({ "name": "http.request" })).await;
        let route = json!({ "type": "sync", "eventType": "http.request", "functionId": id(path), "method": "GET",
                            "path": path });
        self.create("subscriptions", &route).await
    }

    async fn function(&self, functions: &Functions, path: &str) -> Result<()> {
        let provider = json!({ "url": format!("http://{}{path}", functions.address) });
        self.create("functions", &json!({ "functionId": id(path), "type": "http", "provider": provider }))
            .await
    }

    /// Returns what the Config API answers at a path below `/v1`.
    pub(crate) async fn get(&self, path: &str) -> Result<String> {
        let response = self.client.get(format!("http://{}/v1/{path}", self.config)).send().await?;
        Ok(response.error_for_status()?.text().await?)
    }

    /// Returns one number of the sums over all deliveries.
    pub(crate) async fn books(&self, name: &str) -> Result<u64> {
        let books: Value = serde_json::from_str(&self.get("accounting").await?)?;
        books[name].as_u64().ok_or_else(|| format!("no {name} in {books}").into())
    }

    /// Waits until there is a moment at which no delivery is pending, and returns 0; or, when this time is over, how many are. A
    /// second look would find those of a healthy emitter, which never stops.
    pub(crate) async fn settled(&self, within: Duration) -> Result<u64> {
        let deadline = Instant::now() + within;
        loop {
            let pending = self.books("pending").await?;
            if pending == 0 || Instant::now() >= deadline {
                return Ok(pending);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns the processor time that it has used so far, in seconds (proc_pid_stat(5)).
    pub(crate) fn cpu(&self) -> Result<f64> {
        /// Linux reports hundredths of a second, independent of the kernel's clock rate.
        const TICKS: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The name in parentheses may hold anything; utime and stime are the 12th and 13th field behind it.
        let (_, fields) = stat.rsplit_once(')').ok_or("/proc/…/stat has no name")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
        let ticks: u32 = ticks.sum::<std::result::Result<_, _>>()?;
        Ok(f64::from(ticks) / TICKS)
    }

    /// Returns the most memory that it has used so far, in MiB.
    pub(crate) fn memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("the gateway has ended")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the loopback address of a URL such as `http://localhost:4000`.
fn address(url: &str) -> Result<SocketAddr> {
    let port = url.rsplit(':').next().ok_or("no port")?.parse()?;
    Ok(SocketAddr::from(([127, 0, 0, 1], port)))
}

/// Returns the id of the function at a path.
fn id(path: &str) -> &str {
    path.trim_start_matches('/')
}
