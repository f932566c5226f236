//! The programs that are measured or measure: the gateway, nginx, wrk. Each is ended with the value that holds it.

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A process, killed on drop.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The gateway as it is shipped. Its path.
pub fn build_gateway() -> Result<PathBuf> {
    if let Some(built) = std::env::var_os("EVENT_GATEWAY") {
        return Ok(built.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let build = ["build", "--release", "--package", "eg-gateway", "--bin", "event-gateway"];
    let status = Command::new("cargo").args(build).current_dir(&root).status()?;
    let built = root.join("target/release/event-gateway");
    if status.success() { Ok(built) } else { Err("the gateway does not build".into()) }
}

/// A running gateway.
pub struct Gateway {
    process: Running,
    pub events: String,
    config: String,
    /// How long it took until it was ready.
    pub started: Duration,
    client: reqwest::Client,
}

impl Gateway {
    pub fn start(program: &Path, data: &Path) -> Result<Self> {
        let began = Instant::now();
        let child = Command::new(program)
            .args(["--dev", "--log-format=json", "--events-port=0", "--config-port=0", "--embed-data-dir"])
            .arg(data)
            .stderr(Stdio::piped())
            .spawn()?;
        let mut process = Running(child);
        let mut log = BufReader::new(process.0.stderr.take().ok_or("no log")?);
        let mut line = String::new();
        let (events, config) = loop {
            line.clear();
            if log.read_line(&mut line)? == 0 {
                return Err("the gateway does not start".into());
            }
            let entry: Value = serde_json::from_str(&line)?;
            if let (Some(events), Some(config)) = (entry["events"].as_str(), entry["config"].as_str()) {
                break (events.to_owned(), config.to_owned());
            }
        };
        let started = began.elapsed();
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(Self { process, events, config, started, client: reqwest::Client::new() })
    }

    /// Creates a resource.
    pub async fn create(&self, kind: &str, resource: Value) -> Result<()> {
        let url = format!("{}/v1/spaces/default/{kind}", self.config);
        let response = self.client.post(url).json(&resource).send().await?;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(format!("{resource}: {status}").into()) }
    }

    /// A function at this URL, subscribed to events of a type that are posted to a path.
    pub async fn subscribe(&self, function: &str, url: &str, event_type: &str, path: &str) -> Result<()> {
        let provider = json!({ "functionId": function, "type": "http", "provider": { "url": url } });
        self.create("functions", provider).await?;
        let sync = event_type == "http.request";
        let (kind, method) = if sync { ("sync", "GET") } else { ("async", "POST") };
        let subscription = json!({ "type": kind, "eventType": event_type, "functionId": function, "path": path,
                                   "method": method });
        self.create("subscriptions", subscription).await
    }

    pub async fn emit(&self, path: &str, event: &Value) -> Result<()> {
        let request = self.client.post(format!("{}{path}", self.events));
        let request = request.header("content-type", "application/cloudevents+json").body(event.to_string());
        let status = request.send().await?.status();
        if status == 202 { Ok(()) } else { Err(format!("not accepted: {status}").into()) }
    }

    /// How many deliveries wait or are under way. Quick, however many there were.
    pub async fn backlog(&self) -> Result<u64> {
        let text = self.client.get(format!("{}/v1/metrics", self.config)).send().await?.text().await?;
        let value = text.lines().find_map(|line| line.strip_prefix("eventgateway_events_backlog "));
        Ok(value.ok_or("no backlog")?.trim().parse()?)
    }

    /// A number of the books.
    pub async fn books(&self, name: &str) -> Result<u64> {
        let books: Value =
            self.client.get(format!("{}/v1/accounting", self.config)).send().await?.json().await?;
        if books["balanced"] != true {
            return Err(format!("the books do not balance: {books}").into());
        }
        books[name].as_u64().ok_or_else(|| format!("no {name} in {books}").into())
    }

    /// Memory in use, in MiB.
    pub fn memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kib / 1024.0)
    }
}

/// nginx as a reverse proxy that keeps its connections, as a gateway does.
pub struct Nginx {
    _process: Running,
    _dir: TempDir,
    pub url: String,
}

impl Nginx {
    pub async fn start(upstream: &str) -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let dir = tempfile::tempdir()?;
        let path = |name: &str| dir.path().join(name).display().to_string();
        let upstream = upstream.trim_start_matches("http://");
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {};", path(name)))
            .collect();
        let configuration = format!(
            "worker_processes auto; daemon off; pid {}; error_log {} error; events {{ worker_connections 4096; }}
             http {{ access_log off; keepalive_requests 100000000; {temporary}
                 upstream functions {{ server {upstream}; keepalive 64; keepalive_requests 100000000; }}
                 server {{ listen 127.0.0.1:{port}; location / {{
                     proxy_pass http://functions; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }} }}",
            path("pid"),
            path("log")
        );
        std::fs::write(path("conf"), configuration)?;
        let nginx = Command::new("nginx").args(["-e", &path("log"), "-c", &path("conf")]).spawn();
        let process = Running(nginx.map_err(|e| format!("nginx: {e}; apt-get install nginx-light"))?);
        let url = format!("http://127.0.0.1:{port}");
        let deadline = Instant::now() + Duration::from_secs(10);
        while reqwest::get(format!("{url}/answer")).await.is_err() {
            if Instant::now() > deadline {
                return Err("nginx does not answer".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { _process: process, _dir: dir, url })
    }
}

/// What wrk says of one run.
#[derive(Debug, Clone, Default)]
pub struct Load {
    pub requests: u64,
    pub per_second: f64,
    /// In milliseconds.
    pub p50: f64,
    pub p99: f64,
    pub refused: u64,
}

/// What a run of wrk sends.
pub enum Requests<'a> {
    Get,
    /// So many events per request, with ids that begin like this.
    Events(&'a str, u32),
}

/// Sends requests as fast as they are answered, on 64 connections.
pub async fn wrk(url: &str, requests: Requests<'_>, seconds: u64) -> Result<Load> {
    let dir = tempfile::tempdir()?;
    let script = dir.path().join("post.lua");
    std::fs::write(&script, include_str!("post.lua"))?;
    let mut command = tokio::process::Command::new("wrk");
    command.args(["-t1", "-c64", "--latency", &format!("-d{seconds}s")]);
    if let Requests::Events(..) = requests {
        command.arg("-s").arg(&script);
    }
    command.arg(url);
    if let Requests::Events(prefix, batch) = requests {
        command.args(["--", prefix, &batch.to_string()]);
    }
    let output = command.output().await.map_err(|e| format!("wrk: {e}; apt-get install wrk"))?;
    read(&String::from_utf8_lossy(&output.stdout))
}

fn read(text: &str) -> Result<Load> {
    let mut load = Load::default();
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["50%", latency] => load.p50 = milliseconds(latency)?,
            ["99%", latency] => load.p99 = milliseconds(latency)?,
            [requests, "requests", "in", ..] => load.requests = requests.parse()?,
            ["Requests/sec:", rate] => load.per_second = rate.parse()?,
            ["Non-2xx", .., refused] => load.refused = refused.parse()?,
            _ => {}
        }
    }
    if load.requests == 0 { Err(format!("wrk did nothing: {text}").into()) } else { Ok(load) }
}

fn milliseconds(text: &str) -> Result<f64> {
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).ok_or("no unit")?;
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "us" => 0.001,
        "ms" => 1.0,
        _ => 1000.0,
    };
    Ok(number.parse::<f64>()? * factor)
}
