use eg_runtime::{Error, subscribe};

#[subscribe("a")]
async fn handler() -> Option<Result<(), Error>> {
    None
}

fn main() {}
