//! Serves the registration page: HTML, script and style from this folder. Only the gateway's address is filled in.

mod page;

use std::env;

use eg_runtime::{App, Error, IntoResponse, State, Uri, http};
use page::Page;

const SCRIPT: &str = include_str!("app.js");
const STYLE: &str = include_str!("app.css");

/// Serves the page.
#[http(GET, "/")]
async fn page(State(page): State<Page>) -> Page {
    page
}

/// Serves the page's script and style.
#[http(GET, "/app.js")]
#[http(GET, "/app.css")]
async fn asset(uri: Uri) -> impl IntoResponse {
    let (media_type, text) = match uri.path() {
        "/app.css" => ("text/css; charset=utf-8", STYLE),
        _ => ("text/javascript; charset=utf-8", SCRIPT),
    };
    ([("content-type", media_type), ("cache-control", "no-cache")], text)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let gateway = env::var("WEB_GATEWAY_URL").unwrap_or_default();
    App::new().state(Page::new(&gateway)?).run().await
}

#[cfg(test)]
mod tests {
    use eg_runtime::testing::{Answer, TestApp};

    use super::*;

    async fn get(gateway: &str, path: &str) -> Answer {
        TestApp::new(App::new().state(Page::new(gateway).unwrap())).unwrap().get(path).await
    }

    #[tokio::test]
    async fn the_page_and_what_it_needs() {
        for (path, media_type, piece) in [
            ("/", "text/html; charset=utf-8", "<form"),
            ("/app.js", "text/javascript; charset=utf-8", "user.clicked"),
            ("/app.css", "text/css; charset=utf-8", "body"),
        ] {
            let answer = get("", path).await;
            assert_eq!(
                (answer.status().as_u16(), answer.headers()["content-type"] == media_type),
                (200, true)
            );
            assert!(answer.text().contains(piece), "{path}");
        }
        assert_eq!(get("", "/app.map").await.status(), 404);
    }

    #[tokio::test]
    async fn the_page_knows_the_gateway_and_talks_to_nobody_else() {
        let policy =
            |answer: &Answer| answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        let answer = get("", "/").await;
        assert!(answer.text().contains(r#"<meta name="event-gateway" content="">"#));
        assert!(policy(&answer).contains("connect-src 'self';"));
        let answer = get("https://gateway.example:4000/", "/").await;
        assert!(
            answer.text().contains(r#"<meta name="event-gateway" content="https://gateway.example:4000">"#)
        );
        assert!(policy(&answer).contains("connect-src 'self' https://gateway.example:4000;"));
    }

    #[test]
    fn what_is_no_address_of_a_gateway_is_refused() {
        for setting in
            ["localhost:4000", "ftp://x", "https://x/\"><script>", "http://x/path", "http://a;b", "//x"]
        {
            let error = Page::new(setting).unwrap_err().to_string();
            assert!(error.starts_with(&format!("WEB_GATEWAY_URL is `{setting}`: ")), "{error}");
        }
    }
}
