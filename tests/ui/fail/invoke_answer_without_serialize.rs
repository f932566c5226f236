use eg_runtime::{Error, Response, invoke};

struct Decision;

#[invoke]
async fn decide() -> Result<Decision, Error> {
    Ok(Decision)
}

#[invoke]
async fn respond() -> Response {
    Response::default()
}

fn main() {}
