//! Content that tries to become markup, script, or something that it is not, in every place where a page shows text from
//! outside.

use eg_sdk::CloudEvent;
use eg_sdk::config::{EventType, Function, FunctionNotes, Provider, Subscription};
use serde_json::{Value, json};

use crate::site::Site;

/// Each is in an event's id, source, subject, payload and extension, and in the queries of pages.
const TEXTS: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'><svg/onload=alert(1)>",
    "javascript:alert(1)",
    "</textarea></pre></title><script>alert(1)</script>",
    "a\u{202e}txt.exe\u{2066}",
    "nul\0bell\u{7}\u{1b}[2J\r\nline",
    "{{7*7}}${7*7}<%= 7*7 %>&lt;b&gt;",
    "../../../etc/passwd?x=1#y",
];

/// Checks that none of the texts has become more than text in a page.
#[track_caller]
fn check(page: &str, path: &str) {
    // A field shows its own text only, and must give it back as it is.
    let mut pieces = page.split(" value=\"");
    let first = pieces.next().unwrap_or_default().to_owned();
    let outside =
        pieces.map(|piece| piece.split_once('"').unwrap().1).fold(first, |text, piece| text + piece);
    let lower = outside.to_lowercase();
    for markup in [
        "<script>",
        "<img src=x",
        "<svg/",
        "<svg onload",
        "href=\"javascript:",
        "\u{202e}",
        "\u{2066}",
        "\0",
        "\u{1b}",
    ] {
        assert!(!lower.contains(markup), "{path} contains {markup:?}: {page}");
    }
    // The page's own elements are the only ones: one script, and images and drawings of its own.
    assert_eq!(lower.matches("<script").count(), 1, "{path}");
    assert_eq!(lower.matches("<img").count(), 1, "{path}");
    let head = lower.split("</head>").next().unwrap_or_default();
    assert_eq!(head.matches("<title>").count(), 1, "{path}");
    assert!(lower.ends_with("</html>"), "{path}");
}

/// Escapes every byte.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_from_an_event_becomes_more_than_text() {
    let site = Site::start().await;
    site.register().await;
    // Extensions of events may be any text; ids and types, too. Sources must be URI references.
    for (at, text) in TEXTS.iter().enumerate() {
        let clean: String = text.chars().filter(|c| !c.is_control()).collect();
        let data = json!({ *text: [text, {"nested": text}], "amount": text });
        let event = CloudEvent::of_type("user.created", format!("/s/{at}"), data)
            .with_id(format!("{at}{clean}"))
            .with_subject(clean.clone())
            .with_extension("odd", Value::from(clean));
        site.api.emit(event).await.unwrap();
    }
    site.api
        .emit(CloudEvent::of_type("user.created", "/s", json!("<b>".repeat(350_000))).with_id("long"))
        .await
        .unwrap();
    let mut odd = Function::new("odd", Provider::Http { url: "http://localhost:9/%3Cscript%3E".to_owned() });
    for text in TEXTS {
        // What the metadata of a function says is shown by the map and the catalogue.
        let mut notes = FunctionNotes::default();
        let texts = || vec![text.to_owned()];
        (notes.service, notes.source, notes.doc) =
            (Some(text.to_owned()), Some(text.to_owned()), Some(text.to_owned()));
        (notes.emits, notes.schedules, notes.queues, notes.streams) =
            (TEXTS.map(str::to_owned).into(), texts(), texts(), texts());
        notes.write(&mut odd.metadata);
    }
    let mut ty = EventType::new("odd");
    ty.set_schema(&json!(TEXTS));
    site.api.event_types().create(&ty).await.unwrap();
    site.api.functions().create(&odd).await.unwrap();
    let mut filtered = Subscription::asynchronous("user.created", "odd");
    filtered.filter = Some(json!({"subject": ["<script>alert(1)</script>", "\u{202e}"]}));
    site.api.subscriptions().create(&filtered).await.unwrap();
    site.ended("long").await;

    let space = "/dashboard/spaces/default";
    let mut paths: Vec<String> =
        ["/events", "/dead-letters", "/functions", "/logs", "/map", "/catalogue", "/health", "/send"]
            .iter()
            .map(|part| format!("{space}{part}"))
            .collect();
    for event in site.api.history().events(&Default::default(), 100).await.unwrap() {
        let id = encoded(&event.event_id);
        let ended = site.api.history().event(&event.event_id, None, None).await.unwrap().unwrap();
        paths.push(format!("{space}/events/{id}"));
        paths.push(format!("{space}/events/{id}/trace"));
        let letters = ended.deliveries.iter().filter(|delivery| delivery.state.loss().is_some());
        paths.extend(letters.map(|letter| format!("{space}/dead-letters/{}", letter.delivery_id)));
    }
    assert!(paths.len() > 30, "{paths:?}");
    for path in &paths {
        let page = site.text(path).await;
        check(&page, path);
        assert!(page.len() < 1_000_000, "{path} is {} bytes long", page.len());
    }
    // Texts of the visitor's own, which a link from elsewhere may contain.
    for text in TEXTS {
        let text = encoded(text);
        for path in [
            format!("{space}/events?text={text}&type={text}&source={text}&function={text}"),
            format!("{space}/events?done={text}&n={text}"),
            format!("{space}/dead-letters/group?function={text}&cause={text}"),
            format!("{space}/send?type={text}"),
            format!("{space}/map?service={text}"),
            format!("/dashboard/spaces/{text}/events"),
            format!("{space}/events/{text}"),
            format!("{space}/events?state={text}"),
            format!("/dashboard/login?ticket={text}"),
        ] {
            let answer = site.get(&path).await;
            assert!(answer.status().as_u16() < 500, "{path}: {}", answer.status());
            check(&answer.text().await.unwrap(), &path);
        }
    }
    site.stop().await;
}
