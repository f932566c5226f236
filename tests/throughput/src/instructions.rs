//! Counts the instructions that the gateway executes per event, under callgrind. A count hardly depends on the load of
//! the machine, so it can compare two versions of the gateway. It does not include the kernel.

use std::path::Path;
use std::process::Command;

use tokio::task::JoinSet;

use crate::Result;
use crate::function::Functions;
use crate::programs::Gateway;

/// The number of events. Each load is measured with this number and with twice as many: start, configuration and end
/// cost the same in both.
const EVENTS: u64 = 2_000;

/// The number of concurrent requests. All are answered before the next ones are sent, so that every run has the same
/// groups.
const TOGETHER: u64 = 16;

/// The loads, and the path of each.
const LOADS: [(&str, &str); 3] =
    [("sync `http.request`", "/answer"), ("durable accept", "/"), ("accept and deliver", "/collect")];

/// Prints the table.
pub async fn print(program: &Path) -> Result<()> {
    println!("| | instructions per event |\n|---|--:|");
    for (name, path) in LOADS {
        let once = count(program, path, EVENTS).await?;
        let twice = count(program, path, 2 * EVENTS).await?;
        println!("| {name} | {} |", (twice - once) / EVENTS);
    }
    Ok(())
}

/// Returns the instructions of a gateway from start to end, in which it gets this many events.
async fn count(program: &Path, path: &str, events: u64) -> Result<u64> {
    let dir = tempfile::tempdir()?;
    let counts = dir.path().join("counts");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--log-file=/dev/null"]);
    command.arg(format!("--callgrind-out-file={}", counts.display())).arg(program);
    let functions = Functions::start().await?;
    let gateway = Gateway::start(command, &dir.path().join("data"))?;
    gateway.serve(&functions).await?;
    let client = reqwest::Client::new();
    for first in (0..events).step_by(usize::try_from(TOGETHER)?) {
        let mut requests = JoinSet::new();
        for number in first..first + TOGETHER {
            let url = format!("{}{path}", gateway.events);
            requests
                .spawn(if path == "/answer" { client.get(url) } else { event(&client, url, number) }.send());
        }
        while let Some(response) = requests.join_next().await {
            response??.error_for_status()?.bytes().await?;
        }
    }
    gateway.idle().await?;
    gateway.end()?;
    let counts = std::fs::read_to_string(counts)?;
    let total =
        counts.lines().find_map(|line| line.strip_prefix("totals:")).ok_or("callgrind counted nothing")?;
    Ok(total.trim().parse()?)
}

/// The event that `post.lua` sends.
fn event(client: &reqwest::Client, url: String, number: u64) -> reqwest::RequestBuilder {
    let event = format!(
        r#"{{"specversion":"1.0","id":"counted-{number}","source":"/throughput","type":"e","datacontenttype":"application/json","data":{{"name":"Donald Duck","email":"donald@example.com","n":{number}}}}}"#
    );
    client.post(url).header("content-type", "application/cloudevents+json").body(event)
}
