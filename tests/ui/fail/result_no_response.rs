use eg_runtime::http;

struct Thing;

#[http(GET, "/")]
async fn handler() -> Thing {
    Thing
}

fn main() {}
