use eg_runtime::{Decision, Json, authorizer};

#[authorizer]
async fn check_token(Json(_): Json<u32>) -> Decision {
    Decision::deny()
}

fn main() {}
