use eg_runtime::subscribe;

#[subscribe(Missing)]
async fn handler() {}

fn main() {}
