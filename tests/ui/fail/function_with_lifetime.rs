use eg_runtime::http;

#[http(GET, "/")]
async fn handler<'a>(id: eg_runtime::Path<&'a str>) {
    drop(id);
}

fn main() {}
