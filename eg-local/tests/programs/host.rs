//! An emulator with one function, for the test that kills it: `host FUNCTION_BINARY LOG_FOLDER [freeze]`.
//! Prints the Invoke API's URL once the function's process is ready, then waits to be killed.

use eg_local::emulator::{Emulator, EmulatorOptions, FunctionSpec};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, log_dir, rest @ ..] = arguments.as_slice() else {
        return Err("usage: host FUNCTION_BINARY LOG_FOLDER [freeze]".into());
    };
    let mut spec = FunctionSpec::new("fixture", program).handler("echo").root(log_dir);
    spec.freeze = rest.contains(&"freeze".to_owned());
    let mut emulator = Emulator::bind(EmulatorOptions::new(log_dir)).await?;
    emulator.deploy(spec)?;
    emulator.open();
    emulator.warm("fixture").await?;
    println!("{}", emulator.url());
    std::future::pending().await
}
