//! Measures how long `cargo eg run` of two services that are built already takes to its first served request, as a median:
//!
//! ```sh
//! cargo bench -p cargo-eg --bench start
//! ```
//!
//! The goal is less than a second.

#[allow(clippy::unwrap_used, reason = "shared with the tests, where a panic is the failure message")]
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::error::Error;
use std::time::Instant;

use rustix::process::Signal;
use support::app::{App, Main, record};

/// The number of starts to measure.
const STARTS: usize = 9;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
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
    times.sort();
    println!("start to first served request, median: {:.0} ms", times[STARTS / 2].as_secs_f64() * 1000.0);
    Ok(())
}
