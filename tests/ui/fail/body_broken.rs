use eg_runtime::http;

#[http(GET, "/")]
async fn handler() -> String {
    format!("{}", ;)
}

fn main() {}
