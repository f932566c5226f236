use eg_runtime::http;

struct Refused;

#[http(GET, "/")]
async fn handler() -> Result<(), Refused> {
    Ok(())
}

fn main() {}
