use eg_runtime::http;

#[http(GET, "/")]
async fn handler() -> Result<(), std::io::Error> {
    Ok(())
}

fn main() {}
