use eg_runtime::queue;

#[queue("orders")]
async fn handler(id: eg_runtime::Path<String>) {
    drop(id);
}

fn main() {}
