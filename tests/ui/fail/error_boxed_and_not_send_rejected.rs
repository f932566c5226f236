use eg_runtime::{Error, ResultExt as _, subscribe};

fn ship() -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}

#[subscribe("order.created")]
async fn handler() -> Result<(), Error> {
    ship().reject()
}

fn main() {}
