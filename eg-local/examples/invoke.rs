//! Deploys a function, calls it and reads its log:
//!
//! ```text
//! $ cargo build -p eg-local --examples
//! $ cargo run -p eg-local --example invoke
//! Ahoy, Ada!
//! function greet failed: there is nobody to greet
//! lines of its own in the log: 1
//! ```

use std::time::Duration;

use eg_local::{Cloud, FunctionSpec};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let greeter = std::env::current_exe()?.with_file_name("greeter");
    let cloud = Cloud::start().await?;
    let greet =
        FunctionSpec::new("greet", greeter).variable("GREETING", "Ahoy").timeout(Duration::from_secs(3));
    cloud.deploy(greet).await?;

    let answer = cloud.invoke("greet", json!({"name": "Ada"})).await?;
    println!("{}", answer.as_str().unwrap_or_default());

    if let Err(failure) = cloud.invoke("greet", json!({"name": "nobody"})).await {
        println!("{failure}");
    }

    let log = cloud.log("greet")?;
    let own = log.lines().filter(|line| line.starts_with("greeting ")).count();
    println!("lines of its own in the log: {own}");
    cloud.stop().await;
    Ok(())
}
