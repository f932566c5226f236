use std::rc::Rc;

use eg_runtime::http;

#[http(GET, "/")]
async fn handler() {
    let count = Rc::new(1);
    std::future::ready(()).await;
    drop(count);
}

fn main() {}
