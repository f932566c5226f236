use eg_runtime::http;

#[http(GET, "/orders", where(data.amount > 500))]
async fn orders() {}

fn main() {}
