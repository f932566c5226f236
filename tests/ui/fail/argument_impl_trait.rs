use eg_runtime::http;

#[http(GET, "/")]
async fn handler(thing: impl Sized) {
    drop(thing);
}

fn main() {}
