//! Measures what the framework costs compared with functions written by hand: the twins in `tests/twins`, in one run.
//!
//! ```text
//! cargo bench --manifest-path tests/twins/Cargo.toml --package twin-cost
//! ```
//!
//! Needs `valgrind` to count instructions and allocations: per invocation, as the difference between a short and a long
//! run. Times are medians of interleaved rounds, so that a slow minute of the machine hits both twins.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot be made is no measurement")]

mod runtime_api;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use runtime_api::{RuntimeApi, Work};
use serde_json::{Value, json};

const STARTS: usize = 40;
const ROUNDS: usize = 10;
const INVOKES_PER_ROUND: usize = 500;
const SHORT: usize = 100;
const LONG: usize = 600;

/// A function, and the payload for its measurement.
struct Twin {
    name: &'static str,
    handler: &'static str,
    payload: Value,
    binary: PathBuf,
}

/// The measurements of one twin.
struct Cost {
    megabytes: f64,
    crates: usize,
    init_ms: f64,
    invoke_us: f64,
    instructions: u64,
    allocations: f64,
}

fn main() {
    let event = json!({"specversion": "1.0", "id": "01a1fa96-836a-751f-a715-d4572d345182", "source": "/services/users",
        "type": "user.created", "time": "2026-01-02T03:04:05Z", "datacontenttype": "application/json",
        "data": {"id": "10", "firstName": "Donald", "lastName": "Duck", "email": "donald.duck@disney.com"}});
    let request = json!({"version": "2.0", "routeKey": "$default", "rawPath": "/users/10", "rawQueryString": "",
        "headers": {"accept": "*/*", "host": "id.execute-api.eu-central-1.amazonaws.com", "user-agent": "curl/8"},
        "requestContext": {"accountId": "1", "apiId": "id", "domainName": "id.execute-api.eu-central-1.amazonaws.com",
            "domainPrefix": "id", "requestId": "r", "routeKey": "$default", "stage": "$default",
            "time": "02/Jan/2026:03:04:05 +0000", "timeEpoch": 1_767_323_045_000_u64,
            "http": {"method": "GET", "path": "/users/10", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                "userAgent": "curl/8"}},
        "isBase64Encoded": false});
    let twins = [
        ("subscribe-by-hand", "welcome", &event),
        ("subscribe", "welcome", &event),
        ("http-by-hand", "get_user", &request),
        ("http", "get_user", &request),
        ("emit", "welcome", &event),
    ];
    let twins = twins.map(|(name, handler, payload)| Twin {
        name,
        handler,
        payload: payload.clone(),
        binary: build(name),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let costs = runtime.block_on(measure(&twins));

    println!("| function | MB | crates | init ms | invoke µs | instructions | allocations |");
    println!("|---|---|---|---|---|---|---|");
    for (twin, cost) in twins.iter().zip(&costs) {
        let Cost { megabytes, crates, init_ms, invoke_us, instructions, allocations } = cost;
        println!(
            "| {} | {megabytes:.2} | {crates} | {init_ms:.2} | {invoke_us:.0} | {instructions} | {allocations:.1} |",
            twin.name
        );
    }
    println!();
    ratio("subscribe", &costs[1], &costs[0]);
    ratio("http", &costs[3], &costs[2]);
    ratio("emit over subscribe", &costs[4], &costs[1]);
}

fn ratio(name: &str, with: &Cost, without: &Cost) {
    println!(
        "{name}: {:+.2} MB, init ×{:.2}, invoke {:+.0} µs, {:+} instructions, {:+.1} allocations",
        with.megabytes - without.megabytes,
        with.init_ms / without.init_ms,
        with.invoke_us - without.invoke_us,
        i128::from(with.instructions) - i128::from(without.instructions),
        with.allocations - without.allocations,
    );
}

async fn measure(twins: &[Twin]) -> Vec<Cost> {
    let mut inits = vec![Vec::new(); twins.len()];
    for _ in 0..STARTS {
        for (twin, inits) in twins.iter().zip(&mut inits) {
            inits.push(start(twin).await);
        }
    }
    let mut invokes = vec![Vec::new(); twins.len()];
    for _ in 0..ROUNDS {
        for (twin, invokes) in twins.iter().zip(&mut invokes) {
            invokes.push(invoke(twin).await);
        }
    }
    let mut costs = Vec::new();
    for ((twin, inits), invokes) in twins.iter().zip(&mut inits).zip(&mut invokes) {
        let per_invoke = |short: u64, long: u64| (long - short) as f64 / (LONG - SHORT) as f64;
        let instructions = per_invoke(instructions(twin, SHORT).await, instructions(twin, LONG).await);
        let allocations = per_invoke(allocations(twin, SHORT).await, allocations(twin, LONG).await);
        costs.push(Cost {
            megabytes: std::fs::metadata(&twin.binary).unwrap().len() as f64 / 1e6,
            crates: crates(twin.name),
            init_ms: median(inits) * 1e3,
            invoke_us: median(invokes) * 1e6,
            instructions: instructions.round() as u64,
            allocations,
        });
    }
    costs
}

/// Returns the seconds from the start of the process to its first request for work.
async fn start(twin: &Twin) -> f64 {
    let api = RuntimeApi::start(twin.payload.clone(), 0).await;
    let started = Instant::now();
    let child = spawn(twin, &api, None);
    let Work { first_next, .. } = api.finished().await;
    end(child);
    (first_next - started).as_secs_f64()
}

/// Returns the median duration of the invocations of a round, in seconds, from handing out the payload to the answer.
async fn invoke(twin: &Twin) -> f64 {
    let api = RuntimeApi::start(twin.payload.clone(), INVOKES_PER_ROUND).await;
    let child = spawn(twin, &api, None);
    let Work { mut invokes, failures, .. } = api.finished().await;
    end(child);
    assert_eq!(failures, 0, "{} fails", twin.name);
    median(&mut invokes)
}

async fn instructions(twin: &Twin, invokes: usize) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("callgrind.out");
    let out_option = format!("--callgrind-out-file={}", out.display());
    under_valgrind(twin, invokes, &["--tool=callgrind", &out_option]).await;
    let text = std::fs::read_to_string(out).unwrap();
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap();
    total.trim().parse().unwrap()
}

async fn allocations(twin: &Twin, invokes: usize) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("memcheck.log");
    let log_option = format!("--log-file={}", log.display());
    under_valgrind(twin, invokes, &["--tool=memcheck", "--leak-check=no", &log_option]).await;
    let text = std::fs::read_to_string(log).unwrap();
    let usage = text.lines().find_map(|line| line.split_once("total heap usage: ")).unwrap().1;
    usage.split_once(" allocs").unwrap().0.replace(',', "").parse().unwrap()
}

async fn under_valgrind(twin: &Twin, invokes: usize, options: &[&str]) {
    let api = RuntimeApi::start(twin.payload.clone(), invokes).await;
    let mut child = spawn(twin, &api, Some(options));
    assert_eq!(api.finished().await.failures, 0, "{} fails under valgrind", twin.name);
    // Valgrind writes its results when the program is terminated.
    let terminated = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(terminated.success());
    child.wait().unwrap();
}

fn spawn(twin: &Twin, api: &RuntimeApi, valgrind: Option<&[&str]>) -> Child {
    let mut command = match valgrind {
        None => Command::new(&twin.binary),
        Some(options) => {
            let mut command = Command::new("valgrind");
            command.args(options).arg(&twin.binary);
            command
        }
    };
    command
        .env("AWS_LAMBDA_RUNTIME_API", api.address())
        .env("AWS_LAMBDA_FUNCTION_NAME", twin.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "g")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "s")
        .env("_HANDLER", twin.handler)
        .env("EVENT_GATEWAY_URL", format!("http://{}", api.address()))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap_or_else(|e| panic!("{:?}: {e} (is valgrind installed?)", command.get_program()))
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn twins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml")
}

/// Builds a twin as it would be shipped. Each twin is built alone, because twins built together would share features.
fn build(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let status = Command::new("cargo")
        .args(["build", "--release", "--package", &format!("twin-{name}"), "--manifest-path"])
        .arg(twins())
        .env("CARGO_TARGET_DIR", &target)
        .status();
    assert!(status.unwrap().success(), "twin-{name} does not build");
    target.join(format!("release/twin-{name}"))
}

fn crates(name: &str) -> usize {
    let output = Command::new("cargo")
        .args([
            "tree",
            "--package",
            &format!("twin-{name}"),
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--manifest-path",
        ])
        .arg(twins())
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    let crates: BTreeSet<&str> = tree.lines().map(|line| line.split(" (").next().unwrap()).collect();
    crates.len()
}

/// The time limit for all the work of a twin.
const PATIENCE: Duration = Duration::from_secs(120);
