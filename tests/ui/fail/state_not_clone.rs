use eg_runtime::http;

struct Connection;

#[http(GET, "/")]
async fn handler(state: eg_runtime::State<Connection>) {
    drop(state);
}

fn main() {}
