use eg_runtime::http;

#[http(POST, "/")]
async fn handler(a: eg_runtime::Json<u8>, b: eg_runtime::Json<u8>) {
    drop((a, b));
}

fn main() {}
