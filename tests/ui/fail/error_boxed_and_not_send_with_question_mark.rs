use eg_runtime::{Error, subscribe};

fn ship() -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}

#[subscribe("order.created")]
async fn handler() -> Result<(), Error> {
    ship()?;
    Ok(())
}

fn main() {}
