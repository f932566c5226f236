//! Measures what an invocation costs through this crate's emulator and through `cargo lambda watch`, with the same function
//! and the same caller, in turns, so that both meet the same machine:
//!
//! ```sh
//! cargo bench -p eg-local --bench emulator
//! ```
//!
//! It needs `python3`, from whose package index `cargo lambda` comes. Prints the table of `README.md`.

mod watch;

use std::error::Error;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use eg_local::{Cloud, FunctionSpec};
use reqwest::Client;
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::{Builder, Runtime};

/// Turns; in each, every emulator answers [`CALLS`] calls one by one, then [`CALLS`] from [`CALLERS`] callers.
const TURNS: usize = 30;
const CALLS: usize = 200;
const CALLERS: usize = 4;

/// With its members in order, because the function reads and writes it.
const EVENT: &str = r#"{"email":"donald.duck@disney.com","firstName":"Donald","id":"10","lastName":"Duck"}"#;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A running emulator, as callers see it.
struct Contestant {
    /// Where it is invoked.
    invocations: String,
    client: Client,
    one_by_one: Vec<Duration>,
    /// Calls per second of each turn.
    together: Vec<f64>,
}

/// `cargo lambda watch`. Ends with the value.
struct Watch(Child);

impl Drop for Watch {
    fn drop(&mut self) {
        // As Ctrl-C does, so that it takes its functions along. Fails only for one that has ended.
        let _ = kill_process(Pid::from_child(&self.0), Signal::INT);
        let _ = self.0.wait();
    }
}

/// The caller runs on a thread of its own, so that it does not wait for the emulator's.
fn main() -> Outcome<()> {
    let emulator = Builder::new_multi_thread().enable_all().build()?;
    Builder::new_current_thread().enable_all().build()?.block_on(measure(&emulator))
}

async fn measure(emulator: &Runtime) -> Outcome<()> {
    let (function, cargo_lambda) = (watch::function()?, watch::install()?);
    let program = watch::program(&function);
    let cloud = emulator.spawn(async move {
        let cloud = Cloud::start().await?;
        cloud.deploy(FunctionSpec::new("echo", program)).await?;
        Ok::<_, eg_local::Error>(cloud)
    });
    let cloud = cloud.await??;
    let mut ours = Contestant::meet(cloud.url(), None).await?;
    let (_watch, mut theirs) = theirs(&cargo_lambda, &function).await?;
    for _ in 0..TURNS {
        for contestant in [&mut ours, &mut theirs] {
            contestant.one_by_one().await?;
        }
        for contestant in [&mut ours, &mut theirs] {
            contestant.together().await?;
        }
    }
    println!("| | `eg-local` | `cargo lambda watch` | ratio |\n|---|---|---|---|");
    for (title, share) in [("median", 0.5), ("99th percentile", 0.99)] {
        let [a, b] = [&mut ours, &mut theirs].map(|one| micros(at(&mut one.one_by_one, share)));
        println!("| invocation, {title} | {a:.0} µs | {b:.0} µs | {:.2} |", a / b);
    }
    let [a, b] = [&mut ours, &mut theirs].map(|one| at(&mut one.together, 0.5));
    println!("| {CALLERS} callers, invocations a second | {a:.0} | {b:.0} | {:.2} |", a / b);
    cloud.stop().await;
    Ok(())
}

async fn theirs(cargo_lambda: &Path, function: &Path) -> Outcome<(Watch, Contestant)> {
    let (child, url) = watch::start(cargo_lambda, function, CALLERS)?;
    let mut watch = Watch(child);
    let contestant = Contestant::meet(&url, Some(&mut watch)).await?;
    Ok((watch, contestant))
}

impl Contestant {
    /// Calls until there is an answer.
    async fn meet(url: &str, mut process: Option<&mut Watch>) -> Outcome<Self> {
        // Fails for the second one. reqwest wants it as soon as any crate turns on its TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let contestant = Self {
            invocations: format!("{url}/2015-03-31/functions/echo/invocations"),
            client: Client::new(),
            one_by_one: Vec::new(),
            together: Vec::new(),
        };
        let started = Instant::now();
        while contestant.call().await.is_err() {
            if let Some(Watch(child)) = &mut process
                && let Some(status) = child.try_wait()?
            {
                return Err(format!("the emulator has ended: {status}").into());
            }
            if started.elapsed() > Duration::from_secs(120) {
                return Err("no answer within two minutes".into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
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
