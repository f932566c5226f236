use eg_runtime::{Decision, http};

async fn check_token() -> Decision {
    Decision::deny()
}

#[http(GET, "/orders", authorizer = check_token)]
async fn orders() {}

fn main() {}
