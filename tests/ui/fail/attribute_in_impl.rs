use eg_runtime::http;

struct Users;

impl Users {
    #[http(GET, "/users")]
    async fn list() {}
}

fn main() {}
