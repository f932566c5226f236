use eg_runtime::{Decision, authorizer, http};

#[authorizer]
#[http(GET, "/check")]
async fn check_token() -> Decision {
    Decision::deny()
}

fn main() {}
