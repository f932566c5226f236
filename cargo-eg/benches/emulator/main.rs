//! What an invocation costs through `cargo eg run` and through `cargo lambda watch`, with the same function and the same
//! caller, in turns, so that both meet the same machine, and through an emulator that only passes on, the least that can
//! be had; and how long `cargo eg run` takes until it serves:
//!
//! ```sh
//! cargo bench -p cargo-eg --bench emulator
//! ```
//!
//! It needs `python3`, from whose package index `cargo lambda` comes. Prints the tables of `README.md`.

mod nothing;
#[allow(clippy::unwrap_used, reason = "shared with the tests, where a panic is the failure message")]
#[path = "../../tests/it/support/mod.rs"]
mod support;
mod watch;

use std::error::Error;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use rustix::process::Signal;
use support::app::{App, Main, Running, record, signal};

/// Turns; in each, every emulator answers [`CALLS`] calls one by one, then ours and the other [`CALLS`] from [`CALLERS`]
/// callers.
const TURNS: usize = 30;
const CALLS: usize = 200;
const CALLERS: usize = 4;

/// Starts that are measured.
const STARTS: usize = 5;

/// With its members in order, because the function reads and writes it.
const EVENT: &str = r#"{"email":"donald.duck@disney.com","firstName":"Donald","id":"10","lastName":"Duck"}"#;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A running emulator.
struct Contestant {
    process: Process,
    /// Where it is invoked.
    invocations: String,
    client: Client,
    /// From the start of the program to the first answer.
    start: Duration,
    one_by_one: Vec<Duration>,
    /// Calls per second of each turn.
    together: Vec<f64>,
}

/// Ends with the value.
enum Process {
    Ours(Running),
    /// Another emulator, or the function of one that is a thread of this process.
    Another(Child),
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = match self {
            Self::Ours(running) => &mut running.child,
            Self::Another(child) => child,
        };
        // As Ctrl-C does, so that it takes its functions along.
        signal(child, Signal::INT);
        let _ = child.wait();
    }
}

/// On one thread, so that the caller does not wait for threads of its own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let (function, cargo_lambda) = (watch::function()?, watch::install()?);
    let (mut our_starts, mut their_starts) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        our_starts.push(ours(&function).await?.start);
        their_starts.push(theirs(&cargo_lambda, &function).await?.start);
    }
    let (mut ours, mut theirs) = (ours(&function).await?, theirs(&cargo_lambda, &function).await?);
    let mut nothing = nothing(&function).await?;
    for _ in 0..TURNS {
        for emulator in [&mut ours, &mut theirs, &mut nothing] {
            emulator.one_by_one().await?;
        }
        for emulator in [&mut ours, &mut theirs] {
            emulator.together().await?;
        }
    }
    println!("| | `cargo eg run` | `cargo lambda watch` | ratio |\n|---|---|---|---|");
    for (title, share) in [("median", 0.5), ("99th percentile", 0.99)] {
        let [a, b] = [&mut ours, &mut theirs].map(|one| micros(at(&mut one.one_by_one, share)));
        println!("| invocation, {title} | {a:.0} µs | {b:.0} µs | {:.2} |", a / b);
    }
    let [a, b] = [&mut ours, &mut theirs].map(|one| at(&mut one.together, 0.5));
    println!("| {CALLERS} callers, invocations a second | {a:.0} | {b:.0} | {:.2} |", a / b);
    let [a, b] = [our_starts, their_starts].map(|mut times| micros(at(&mut times, 0.5)) / 1000.0);
    println!("| start to first answer, median | {a:.0} ms | {b:.0} ms | {:.2} |", a / b);
    let [a, b] = [&mut nothing, &mut theirs].map(|one| micros(at(&mut one.one_by_one, 0.5)));
    println!(
        "\nThrough an emulator that only passes on, median: {a:.0} µs, {:.2} of `cargo lambda watch`",
        a / b
    );
    drop((ours, theirs, nothing));
    let run = micros(whole_app().await?) / 1000.0;
    println!("\n`cargo eg run` of two services, built, start to first served request, median: {run:.0} ms");
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
        support::http().get(url("events") + "/list").send().await?.error_for_status()?;
        if round > 0 {
            times.push(started.elapsed());
        }
        run.signal(Signal::INT);
        run.wait();
    }
    Ok(at(&mut times, 0.5))
}

async fn ours(function: &Path) -> Outcome<Contestant> {
    // Not below the function, where `cargo lambda watch` would look at each line that is written to a log.
    let folder = watch::folder("run");
    std::fs::create_dir_all(&folder)?;
    let program = watch::program(function);
    let declared = format!(
        "service = \"bench\"\n\n[[function]]\nname = \"echo\"\ncommand = [{program:?}]\ntriggers = [{{ event = \"echo\" }}]\n"
    );
    std::fs::write(folder.join("eg.toml"), declared)?;
    let started = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-eg"));
    command
        .args(["eg", "run", "--no-watch", "--port", "0", "--config-port", "0", "--lambda-port", "0"])
        .current_dir(&folder)
        .stdin(Stdio::null());
    let mut running = Running::start(command, folder.join("stderr"));
    let url = running.ready().await("lambda");
    Contestant::meet(Process::Ours(running), &url, "bench-echo", started).await
}

async fn theirs(cargo_lambda: &Path, function: &Path) -> Outcome<Contestant> {
    let started = Instant::now();
    let (process, url) = watch::start(cargo_lambda, function, CALLERS)?;
    Contestant::meet(Process::Another(process), &url, "echo", started).await
}

async fn nothing(function: &Path) -> Outcome<Contestant> {
    let started = Instant::now();
    let (process, url) = nothing::start(&watch::program(function))?;
    Contestant::meet(Process::Another(process), &url, "echo", started).await
}

impl Contestant {
    /// Calls until there is an answer.
    async fn meet(process: Process, url: &str, function: &str, started: Instant) -> Outcome<Self> {
        let mut contestant = Self {
            process,
            invocations: format!("{url}/2015-03-31/functions/{function}/invocations"),
            client: support::http(),
            start: Duration::ZERO,
            one_by_one: Vec::new(),
            together: Vec::new(),
        };
        while contestant.call().await.is_err() {
            if let Process::Another(child) = &mut contestant.process
                && let Some(status) = child.try_wait()?
            {
                return Err(format!("the emulator has ended: {status}").into());
            }
            if started.elapsed() > Duration::from_secs(120) {
                return Err("no answer within two minutes".into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        contestant.start = started.elapsed();
        Ok(contestant)
    }

    async fn one_by_one(&mut self) -> Outcome<()> {
        // The connection is not what is measured.
        self.call().await?;
        for _ in 0..CALLS {
            let started = Instant::now();
            self.call().await?;
            self.one_by_one.push(started.elapsed());
        }
        Ok(())
    }

    async fn together(&mut self) -> Outcome<()> {
        // Once without looking: it may start processes.
        self.callers().await?;
        let started = Instant::now();
        self.callers().await?;
        self.together.push(CALLS as f64 / started.elapsed().as_secs_f64());
        Ok(())
    }

    async fn callers(&self) -> Outcome<()> {
        let caller = async || {
            for _ in 0..CALLS / CALLERS {
                self.call().await?;
            }
            Outcome::Ok(())
        };
        futures_util::future::try_join_all((0..CALLERS).map(|_| caller())).await?;
        Ok(())
    }

    async fn call(&self) -> Outcome<()> {
        let answer = self.client.post(&self.invocations).body(EVENT).send().await?.error_for_status()?;
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
