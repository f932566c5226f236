//! Compares expansions with golden files. `UPDATE_GOLDENS=1 cargo test -p eg-macros` rewrites the files.

use std::path::Path;
use std::str::FromStr as _;
use std::{env, fs};

use proc_macro2::TokenStream;

use crate::args::Kind;
use crate::{derive_event, function_tokens, schema};

/// Compares the expansion of `#[kind(args)]` on `item` with the golden of this name.
fn check(golden: &str, kind: Kind, args: &str, item: &str) {
    let tokens = |text| TokenStream::from_str(text).unwrap();
    compare(golden, function_tokens(kind, tokens(args), tokens(item)));
}

fn compare(golden: &str, tokens: TokenStream) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens").join(format!("{golden}.rs"));
    let expansion = prettyplease::unparse(&syn::parse2(tokens).unwrap());
    if env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(&path, &expansion).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(expansion, expected, "{} differs; is that meant?", path.display());
}

#[test]
fn http() {
    check(
        "http",
        Kind::Http,
        r#"POST, "/users/{id}", cors(origins = ["https://a.example"], credentials = true), stream, timeout = "30s""#,
        "/// Registers a user.
        async fn create(state: State<Users>, Path(id): Path<u32>, Json(user): Json<User>) -> Result<Json<User>, Error> {}",
    );
}

#[test]
fn subscribe() {
    check(
        "subscribe",
        Kind::Subscribe,
        r#""user.created", UserDeleted, mode = "sync", path = "/x", method = PUT, name = "tell", memory = 512"#,
        "pub async fn notify(event: CloudEvent<Data>) {}",
    );
}

#[test]
fn conditions() {
    check(
        "conditions",
        Kind::Subscribe,
        r#"OrderPlaced, ordered, where(
            data.amount > 500, data.amount <= 1000, data.country not in ["DE"], data.country != "AT",
            data.address."post-code" like "10*", subject exists,
            any(data.gift == true, all(data.lines.sku in ["a", "b"], data.lines.count == 2)),
        )"#,
        "async fn check(event: CloudEvent<OrderPlaced>) {}",
    );
}

#[test]
fn retry() {
    check(
        "retry",
        Kind::Subscribe,
        r#""user.created", retry(attempts = 5, max_age = "1h", max_backoff = 60)"#,
        "async fn notify() {}",
    );
}

#[test]
fn schedule() {
    check("schedule", Kind::Schedule, r#""rate(1 day)""#, "async fn clean_up() -> Result<(), Error> {}");
}

#[test]
fn queue() {
    check(
        "queue",
        Kind::Queue,
        r#""orders", batch_size = 100, window = "5s""#,
        "async fn order(order: Json<Order>) {}",
    );
}

#[test]
fn eventbridge() {
    check(
        "eventbridge",
        Kind::Subscribe,
        r#"eventbridge(source = "aws.s3", detail_type = ["Object Created", "Object Deleted"],
            detail = {"bucket": {"name": ["pictures"]}, "object": {"size": [{"numeric": [">", -1.5]}], "key": [{"anything-but": [null, "a\\b"]}]}}),
            retry(attempts = 3)"#,
        "async fn resize(event: CloudEvent<Value>) {}",
    );
}

#[test]
fn stream() {
    check(
        "stream",
        Kind::Stream,
        r#"dynamodb("orders"), batch_size = 100, window = "5s", retry(attempts = 5, max_age = "1h")"#,
        "async fn ship(change: Json<Change<Order>>) -> Result<(), Error> {}",
    );
}

#[test]
fn invoke() {
    check(
        "invoke",
        Kind::Invoke,
        "memory = 256",
        "async fn confirm(users: State<Users>, event: SignUp) -> SignUp {}",
    );
}

#[test]
fn stacked() {
    check(
        "stacked",
        Kind::Http,
        r#"GET, "/", crate = eg"#,
        "#[subscribe(\"a\")] #[must_use] async fn both(emit: Emit<A>) {}",
    );
}

#[test]
fn arguments_that_may_not_exist() {
    check(
        "cfg",
        Kind::Http,
        r#"POST, "/""#,
        "#[deprecated] async fn upload(#[cfg(unix)] uri: Uri, body: Bytes, #[cfg(test)] #[cfg(unix)] more: Uri) {}",
    );
}

#[test]
fn mistakes_leave_the_function() {
    check("mistakes", Kind::Http, r#"GTE, "users""#, "fn list() -> u8 { 1 }");
}

fn check_event(golden: &str, item: &str) {
    let krate = syn::parse_quote!(::eg_runtime);
    compare(golden, derive_event::derive(TokenStream::from_str(item).unwrap(), &krate));
}

#[test]
fn event() {
    check_event(
        "event",
        r#"/// Somebody saw a page.
        #[event("page.seen", source = "/web")] struct Seen<T: Default> { what: T }"#,
    );
}

#[test]
fn event_without_schema() {
    check_event(
        "event_without_schema",
        r#"#[event("page.seen", schema = false)] struct Seen<T> { what: T }"#,
    );
}

fn check_schema(golden: &str, item: &str) {
    let krate = syn::parse_quote!(::eg_sdk);
    compare(golden, schema::derive(TokenStream::from_str(item).unwrap(), &krate));
}

#[test]
fn schema_of_a_struct() {
    check_schema(
        "schema_struct",
        r#"#[serde(rename_all = "camelCase")]
        struct User {
            /// Who.
            user_id: u32,
            #[serde(default)]
            nick_names: Vec<String>,
            #[serde(flatten)]
            address: Address,
            #[serde(with = "time::serde::rfc3339")]
            #[schema(format = "date-time")]
            since: OffsetDateTime,
        }"#,
    );
}

#[test]
fn schema_of_an_enum() {
    check_schema(
        "schema_enum",
        r#"#[serde(tag = "kind", rename_all = "lowercase")]
        enum Payment {
            /// Later.
            Open,
            Card { number: String },
            Transfer(Account),
        }"#,
    );
}
