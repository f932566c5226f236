use eg_runtime::http;

struct Order;

#[http(POST, "/")]
async fn handler(order: eg_runtime::Json<Order>) {
    drop(order);
}

fn main() {}
