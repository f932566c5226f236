//! Starts the programs that are measured: the gateway and nginx. Dropping a value ends its program.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Result;
use crate::function::Functions;

/// Builds the gateway as it is shipped and returns its path.
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

/// A running gateway. Dropping it kills the process with SIGKILL.
pub struct Gateway {
    process: Child,
    pub events: String,
    config: String,
    /// The time from its start until it was ready.
    pub started: Duration,
    client: reqwest::Client,
}

impl Gateway {
    /// Starts a gateway. `command` is the program, or another program that runs it.
    pub fn start(mut command: Command, data: &Path) -> Result<Self> {
        command.arg("--embed-data-dir").arg(data);
        Self::spawn(command)
    }

    /// Starts a gateway with a store in the database at `url`.
    pub fn with_database(program: &Path, url: &str) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["--store", url]);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Result<Self> {
        let began = Instant::now();
        let mut process = command
            .args(["--dev", "--log-format=json", "--events-port=0", "--config-port=0"])
            .stderr(Stdio::piped())
            .spawn()?;
        let log = process.stderr.take().ok_or("no log")?;
        let mut gateway = Self {
            process,
            events: String::new(),
            config: String::new(),
            started: Duration::ZERO,
            client: reqwest::Client::new(),
        };
        let mut log = BufReader::new(log);
        while gateway.events.is_empty() {
            let mut line = String::new();
            if log.read_line(&mut line)? == 0 {
                return Err("the gateway does not start".into());
            }
            let entry: Value = serde_json::from_str(&line)?;
            if let (Some(events), Some(config)) = (entry["events"].as_str(), entry["config"].as_str()) {
                (gateway.events, gateway.config) = (events.to_owned(), config.to_owned());
            }
        }
        gateway.started = began.elapsed();
        // The rest is read so that the program never waits for room in the pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(gateway)
    }

    /// Creates a resource.
    pub async fn create(&self, kind: &str, resource: &Value) -> Result<()> {
        let url = format!("{}/v1/spaces/default/{kind}", self.config);
        let response = self.client.post(url).json(resource).send().await?;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(format!("{resource}: {status}").into()) }
    }

    /// Sends a request to the Config API, `path` being relative to the default space. Returns the JSON of the answer.
    pub async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let request = self.client.request(method, format!("{}/v1/spaces/default/{path}", self.config));
        let request = if let Some(body) = body { request.json(body) } else { request };
        let text = request.send().await?.error_for_status()?.text().await?;
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }

    /// Registers the functions that answer requests and collect events.
    pub async fn serve(&self, functions: &Functions) -> Result<()> {
        for name in ["http.request", "e"] {
            self.create("eventtypes", &json!({ "name": name })).await?;
        }
        self.subscribe("answer", &format!("{}/answer", functions.url), "http.request", "/answer").await?;
        self.subscribe("collect", &format!("{}/collect", functions.url), "e", "/collect").await
    }

    /// Ends the gateway with SIGTERM, and waits until it has ended.
    pub fn end(mut self) -> Result<()> {
        Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status()?;
        self.process.wait()?;
        Ok(())
    }

    /// Registers a function at this URL, and subscribes it to events of a type that are sent to a path.
    pub async fn subscribe(&self, function: &str, url: &str, event_type: &str, path: &str) -> Result<()> {
        let provider = json!({ "functionId": function, "type": "http", "provider": { "url": url } });
        self.create("functions", &provider).await?;
        let sync = event_type == "http.request";
        let (kind, method) = if sync { ("sync", "GET") } else { ("async", "POST") };
        let subscription = json!({ "type": kind, "eventType": event_type, "functionId": function, "path": path,
                                   "method": method });
        self.create("subscriptions", &subscription).await
    }

    pub async fn emit(&self, path: &str, event: &Value) -> Result<()> {
        let request = self.client.post(format!("{}{path}", self.events));
        let request = request.header("content-type", "application/cloudevents+json").body(event.to_string());
        let status = request.send().await?.status();
        if status == 202 { Ok(()) } else { Err(format!("not accepted: {status}").into()) }
    }

    /// Returns the number of deliveries that are waiting or in flight.
    pub async fn backlog(&self) -> Result<u64> {
        let text = self.client.get(format!("{}/v1/metrics", self.config)).send().await?.text().await?;
        let value = text.lines().find_map(|line| line.strip_prefix("eventgateway_events_backlog "));
        Ok(value.ok_or("no backlog")?.trim().parse()?)
    }

    /// Waits until no delivery is waiting or in flight.
    pub async fn idle(&self) -> Result<()> {
        while self.backlog().await? > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Returns the number of successful deliveries.
    pub async fn delivered(&self) -> Result<u64> {
        let url = format!("{}/v1/accounting", self.config);
        let books: Value = self.client.get(url).send().await?.json().await?;
        if books["balanced"] != true {
            return Err(format!("the books do not balance: {books}").into());
        }
        books["delivered"].as_u64().ok_or_else(|| format!("nothing delivered in {books}").into())
    }

    /// Returns the processor time used so far, in microseconds.
    pub fn cpu(&self) -> Result<f64> {
        cpu(self.process.id())
    }

    /// Returns the memory in use, in MiB.
    pub fn memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
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

/// nginx as a reverse proxy that keeps its connections, as a gateway does.
pub struct Nginx {
    process: Child,
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
        let process = Command::new("nginx").args(["-e", &path("log"), "-c", &path("conf")]).spawn();
        let process = process.map_err(|e| format!("nginx: {e}; apt-get install nginx-light"))?;
        let nginx = Self { process, _dir: dir, url: format!("http://127.0.0.1:{port}") };
        let deadline = Instant::now() + Duration::from_secs(10);
        while reqwest::get(format!("{}/answer", nginx.url)).await.is_err() {
            if Instant::now() > deadline {
                return Err("nginx does not answer".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(nginx)
    }
}

impl Nginx {
    /// Returns the processor time that its processes have used so far, in microseconds.
    pub fn cpu(&self) -> Result<f64> {
        cpu_of_all(self.process.id())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Asked to, it ends its workers; killed, it would leave them behind.
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

/// Returns the processor time that a process and its children have used so far, those that have ended included, in
/// microseconds.
pub fn cpu_of_all(parent: u32) -> Result<f64> {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    // One that has just ended counts with its parent.
    let running: f64 = children.filter_map(|child| times(child, 2).ok()).sum();
    Ok(times(parent, 4)? + running)
}

/// Returns the processor time that a process has used so far, in microseconds.
fn cpu(process: u32) -> Result<f64> {
    times(process, 2)
}

/// Returns the sum of the first times of a process, in microseconds: its own in user and in kernel mode, and those of its children
/// that have ended (proc_pid_stat(5)).
fn times(process: u32, number: usize) -> Result<f64> {
    /// Linux reports hundredths of a second, independent of the kernel's clock rate.
    const TICK: f64 = 10_000.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold anything; utime is the 12th field behind it.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/…/stat has no name")?;
    let ticks = fields.split_whitespace().skip(11).take(number).map(str::parse::<u64>);
    let ticks = ticks.collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(ticks.iter().sum::<u64>() as f64 * TICK)
}
