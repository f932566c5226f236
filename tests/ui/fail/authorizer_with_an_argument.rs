use eg_runtime::{Decision, authorizer};

#[authorizer("/orders", iam = true)]
async fn check_token() -> Decision {
    Decision::deny()
}

fn main() {}
