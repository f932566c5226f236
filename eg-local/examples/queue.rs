//! Sends messages to a queue, lets a function handle them, and looks at what it could not handle:
//!
//! ```text
//! $ cargo build -p eg-local --examples
//! $ cargo run -p eg-local --example queue
//! greeted: Ada, Grace
//! dead letters: nobody
//! ```

use std::time::Duration;

use eg_local::{Cloud, FunctionSpec, Mapping};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let greeter = std::env::current_exe()?.with_file_name("greeter");
    // A message that fails comes again at once, and is a dead letter after the second time.
    let cloud = Cloud::builder().visibility(Duration::ZERO).max_receives(2).start().await?;
    cloud.deploy(FunctionSpec::new("greet", greeter)).await?;

    let guests = cloud.queue("guests").await?;
    for guest in ["Ada", "nobody", "Grace"] {
        guests.send(guest).await?;
    }
    cloud.map(Mapping::new("guests", "greet")).await?;
    tokio::time::timeout(Duration::from_secs(30), guests.drained()).await??;

    let log = cloud.log("greet")?;
    let greeted: Vec<&str> = log.lines().filter_map(|line| line.strip_prefix("greeting ")).collect();
    println!("greeted: {}", greeted.join(", "));
    println!("dead letters: {}", guests.dead_letters().await?.join(", "));
    cloud.stop().await;
    Ok(())
}
