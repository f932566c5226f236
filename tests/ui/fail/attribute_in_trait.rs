use eg_runtime::http;

trait Users {
    #[http(GET, "/users")]
    async fn list();
}

fn main() {}
