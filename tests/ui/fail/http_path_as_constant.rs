use eg_runtime::http;

mod paths {
    pub const USERS: &str = "/users";
}

#[http(GET, paths::USERS)]
async fn handler() {}

fn main() {}
