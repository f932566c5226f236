use eg_runtime::subscribe;

#[subscribe("user.created")]
async fn handler(id: eg_runtime::Path<String>) {
    drop(id);
}

fn main() {}
