use eg_runtime::http;

#[http(GET, "/users")]
async fn handler(id: eg_runtime::Path<String>) {
    drop(id);
}

fn main() {}
