use eg_runtime::http;

#[http(GET, "/")]
async fn handler(body: &str) {
    let _ = body;
}

fn main() {}
