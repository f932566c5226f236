//! Runs `wrk` and reads its report.

use tokio::process::Command;

use crate::Result;

/// The result of one run of wrk.
#[derive(Debug, Default)]
pub struct Load {
    pub requests: u64,
    pub per_second: f64,
    /// Milliseconds.
    pub p50: f64,
    pub p99: f64,
    /// The processor time of the program under load for each request, in microseconds.
    pub cpu: f64,
    /// The number of error answers and of requests without an answer.
    pub failed: u64,
}

/// The requests of a run of wrk.
#[derive(Clone, Copy)]
pub enum Requests<'a> {
    Get,
    /// This many events per request, with ids that begin with this text.
    Events(&'a str, u32),
}

impl Requests<'_> {
    /// Returns the number of events in a request.
    pub fn per_request(self) -> u64 {
        match self {
            Self::Get => 0,
            Self::Events(_, batch) => batch.into(),
        }
    }
}

/// Sends requests as fast as they are answered, on 64 connections.
pub async fn wrk(url: &str, requests: Requests<'_>, seconds: u64) -> Result<Load> {
    wrk_on(64, url, requests, seconds).await
}

/// The same, on this many connections.
pub async fn wrk_on(connections: u32, url: &str, requests: Requests<'_>, seconds: u64) -> Result<Load> {
    let dir = tempfile::tempdir()?;
    let script = dir.path().join("post.lua");
    std::fs::write(&script, include_str!("post.lua"))?;
    let mut command = command(connections, seconds);
    match requests {
        Requests::Get => command.arg(url),
        Requests::Events(prefix, batch) => {
            command.arg("-s").arg(&script).args([url, "--", prefix, &batch.to_string()])
        }
    };
    run(command).await
}

/// Sends `GET` requests on this many connections. An answer may take as long as the measurement.
pub async fn wrk_at(url: &str, connections: u32, seconds: u64) -> Result<Load> {
    let mut command = command(connections, seconds);
    // wrk allocates eight bytes for each microsecond of this.
    command.arg(format!("--timeout={seconds}s")).arg(url);
    run(command).await
}

fn command(connections: u32, seconds: u64) -> Command {
    let mut command = Command::new("wrk");
    command.kill_on_drop(true).args(["-t1", "--latency"]);
    command.args([format!("-c{connections}"), format!("-d{seconds}s")]);
    command
}

async fn run(mut command: Command) -> Result<Load> {
    let output = command.output().await.map_err(|e| format!("wrk: {e}; apt-get install wrk"))?;
    read(&String::from_utf8_lossy(&output.stdout))
        .map_err(|error| format!("{error}{}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Does the same, and measures the processor time of the program under load, which `cpu` returns.
pub async fn costly(
    cpu: impl Fn() -> Result<f64>,
    url: &str,
    requests: Requests<'_>,
    seconds: u64,
) -> Result<Load> {
    let before = cpu()?;
    let mut load = wrk(url, requests, seconds).await?;
    load.cpu = (cpu()? - before) / load.requests as f64;
    Ok(load)
}

fn read(text: &str) -> Result<Load> {
    let mut load = Load::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["50%", latency] => load.p50 = milliseconds(latency)?,
            ["99%", latency] => load.p99 = milliseconds(latency)?,
            [requests, "requests", "in", ..] => load.requests = requests.parse()?,
            ["Requests/sec:", rate] => load.per_second = rate.parse()?,
            ["Non-2xx", .., refused] => load.failed += refused.parse::<u64>()?,
            ["Socket", "errors:", errors @ ..] => {
                let counts = errors.iter().filter_map(|word| word.trim_end_matches(',').parse::<u64>().ok());
                load.failed += counts.sum::<u64>();
            }
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
        "s" => 1000.0,
        _ => return Err(format!("{text} is no latency known here").into()),
    };
    Ok(number.parse::<f64>()? * factor)
}
