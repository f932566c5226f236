use std::error::Error;

use eg_runtime::subscribe;

#[subscribe("order.created")]
async fn handler() -> Result<(), Box<dyn Error>> {
    Ok(())
}

fn main() {}
