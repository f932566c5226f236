use eg_runtime::{Error, authorizer};

#[authorizer]
async fn check_token() -> Result<bool, Error> {
    Ok(true)
}

fn main() {}
