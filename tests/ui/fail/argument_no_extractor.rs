use eg_runtime::http;

struct Thing;

#[http(GET, "/")]
async fn handler(thing: Thing) {
    drop(thing);
}

fn main() {}
