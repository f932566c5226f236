use eg_runtime::http;

struct Service;

impl Service {
    #[http(GET, "/")]
    async fn handler(&self) {}
}

fn main() {}
