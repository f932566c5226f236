//! What an invocation costs through the emulator and through `cargo lambda watch`, with the same function,
//! in turns, so that both meet the same machine; and how long `cargo eg run` takes to serve:
//!
//! ```sh
//! cargo bench -p cargo-eg --bench emulator
//! ```
//!
//! It needs `python3`, from whose package index `cargo lambda` comes. Prints the table of `README.md`.

#[allow(clippy::unwrap_used, reason = "shared with the tests, where a panic is the failure message")]
#[path = "../../tests/support/mod.rs"]
mod support;
mod watch;

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cargo_eg::emulator::{Emulator, FunctionSpec, Options};
use reqwest::Client;
use rustix::process::Signal;
use support::app::{App, Main, record};

/// Turns; in each, both emulators answer [`CALLS`] calls one by one, then [`CALLS`] from [`CALLERS`] callers.
const TURNS: usize = 10;
const CALLS: usize = 200;
const CALLERS: usize = 4;

/// Starts that are measured.
const STARTS: usize = 5;

const FUNCTION: &str = "watched";
const EVENT: &str = r#"{"id":"10","firstName":"Donald","lastName":"Duck","email":"donald.duck@disney.com"}"#;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A running emulator, ours or the other. Killed when dropped.
struct Contestant {
    process: Child,
    url: String,
    /// From the start of the program to the first answer.
    start: Duration,
    one_by_one: Vec<Duration>,
    /// Calls per second of each turn.
    together: Vec<f64>,
}

impl Drop for Contestant {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, program, folder] = arguments.as_slice()
        && command == "serve"
    {
        return serve(program, folder).await;
    }
    let function = watch::function()?;
    let mut starts = [Vec::new(), Vec::new()];
    for _ in 0..STARTS {
        starts[0].push(ours(&function).await?.start);
        starts[1].push(theirs(&function).await?.start);
    }
    let mut contestants = [ours(&function).await?, theirs(&function).await?];
    for _ in 0..TURNS {
        for contestant in &mut contestants {
            contestant.turn().await?;
        }
    }
    let [ours, theirs] = &mut contestants;
    let [our_starts, their_starts] = &mut starts;
    println!("| | this emulator | `cargo lambda watch` | ratio |\n|---|---|---|---|");
    for (title, share) in [("median", 0.5), ("99th percentile", 0.99)] {
        let [a, b] = [&mut ours.one_by_one, &mut theirs.one_by_one].map(|times| micros(at(times, share)));
        println!("| invocation, {title} | {a:.0} µs | {b:.0} µs | {:.2} |", a / b);
    }
    let [a, b] = [&mut ours.together, &mut theirs.together].map(|rates| at(rates, 0.5));
    println!("| {CALLERS} callers, invocations a second | {a:.0} | {b:.0} | {:.1} |", a / b);
    let [a, b] = [our_starts, their_starts].map(|times| micros(at(times, 0.5)) / 1000.0);
    println!("| built program to first answer, median | {a:.0} ms | {b:.0} ms | {:.2} |", a / b);
    let run = micros(whole_app().await?) / 1000.0;
    println!("\n`cargo eg run`, everything built, to the first answer, median: {run:.0} ms");
    Ok(())
}

/// From `cargo eg run` of two services that are built already to the first answer of a function; the median.
async fn whole_app() -> Outcome<Duration> {
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves).service(
        "mail",
        &[record("mail", "send", "order.paid")],
        &Main::Serves,
    );
    let mut times = Vec::new();
    // The first one builds.
    for round in 0..=STARTS {
        let started = Instant::now();
        let mut run = app.run();
        let url = run.ready().await;
        let url = url("events") + "/list";
        support::http().get(url).send().await?.error_for_status()?;
        if round > 0 {
            times.push(started.elapsed());
        }
        run.signal(Signal::INT);
        run.wait();
    }
    Ok(at(&mut times, 0.5))
}

/// Our emulator in a process of its own: this program again.
async fn ours(function: &Path) -> Outcome<Contestant> {
    let started = Instant::now();
    let logs = function.join("logs");
    let mut process = Command::new(std::env::current_exe()?)
        .arg("serve")
        .args([watch::program(function), logs])
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = process.stdout.take().ok_or("its output is piped")?;
    let mut url = String::new();
    BufReader::new(stdout).read_line(&mut url)?;
    Contestant::meet(process, url.trim().to_owned(), started).await
}

async fn theirs(function: &Path) -> Outcome<Contestant> {
    let started = Instant::now();
    let (process, url) = watch::start(function, CALLERS)?;
    Contestant::meet(process, url, started).await
}

async fn serve(program: &str, logs: &str) -> Outcome<()> {
    let mut emulator = Emulator::bind(Options::new(logs)).await?;
    let mut spec = FunctionSpec::new(FUNCTION, FUNCTION, program, logs);
    spec.concurrency = CALLERS;
    emulator.deploy(spec)?;
    emulator.open();
    println!("{}", emulator.url());
    std::future::pending().await
}

impl Contestant {
    /// Calls until there is an answer.
    async fn meet(process: Child, url: String, started: Instant) -> Outcome<Self> {
        let (one_by_one, together) = (Vec::new(), Vec::new());
        let mut contestant = Self { process, url, start: Duration::ZERO, one_by_one, together };
        let client = support::http();
        loop {
            if contestant.call(&client).await.is_ok() {
                contestant.start = started.elapsed();
                return Ok(contestant);
            }
            if let Some(status) = contestant.process.try_wait()? {
                return Err(format!("the emulator has ended: {status}").into());
            }
            if started.elapsed() > Duration::from_secs(120) {
                return Err("no answer within two minutes".into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn turn(&mut self) -> Outcome<()> {
        let client = support::http();
        // The connection is not what is measured.
        self.call(&client).await?;
        for _ in 0..CALLS {
            let started = Instant::now();
            self.call(&client).await?;
            self.one_by_one.push(started.elapsed());
        }
        let caller = async || {
            for _ in 0..CALLS / CALLERS {
                self.call(&client).await?;
            }
            Outcome::Ok(())
        };
        // Once without looking: it may start processes.
        tokio::try_join!(caller(), caller(), caller(), caller())?;
        let started = Instant::now();
        tokio::try_join!(caller(), caller(), caller(), caller())?;
        self.together.push(CALLS as f64 / started.elapsed().as_secs_f64());
        Ok(())
    }

    async fn call(&self, client: &Client) -> Outcome<()> {
        let url = format!("{}/2015-03-31/functions/{FUNCTION}/invocations", self.url);
        let answer = client.post(url).body(EVENT).send().await?.error_for_status()?;
        let answer = answer.text().await?;
        if answer == EVENT { Ok(()) } else { Err(format!("an odd answer: {answer}").into()) }
    }
}

/// The value below which that share of the values lies.
fn at<T: Copy + PartialOrd>(values: &mut [T], share: f64) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values[((values.len() - 1) as f64 * share).round() as usize]
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000_000.0
}
