use eg_runtime::{Error, StatusCode, subscribe};

#[subscribe("a")]
async fn nested() -> Result<Result<(), String>, Error> {
    Ok(Ok(()))
}

type Inner = Result<String, Error>;

#[subscribe("b")]
async fn in_a_tuple() -> (StatusCode, Inner) {
    (StatusCode::OK, Ok(String::new()))
}

#[subscribe("c")]
async fn in_both() -> Result<(StatusCode, Inner), Error> {
    Ok((StatusCode::OK, Ok(String::new())))
}

fn main() {}
