//! Every form of `eg.toml` beside the same function in Rust, and the messages for mistakes.

use eg_runtime::{CloudEvent, Emit, Json, http, invoke, queue, schedule, stream, subscribe};
use eg_sdk::config::SubscriptionType;
use eg_sdk::manifest::{EventTrigger, Function, HTTP_REQUEST, Method, Trigger};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::*;

#[track_caller]
fn read(text: &str) -> Declaration {
    declaration(text, Path::new("/app/pictures/eg.toml")).unwrap()
}

/// A picture has another size.
#[derive(Serialize, Deserialize, eg_runtime::Event)]
#[event("picture.resized")]
struct Resized {
    id: String,
}

/// Makes a picture smaller.
#[subscribe(
    "picture.uploaded",
    retry(attempts = 5, max_age = "24h", min_backoff = 1, max_backoff = "5m"),
    timeout = "2m",
    memory = 512
)]
#[subscribe("picture.found", retry(max_age = 60))]
#[subscribe("picture.taken")]
#[subscribe("picture.checked", mode = "sync", method = PUT, path = "/check/{id}")]
async fn resize(_emit: Emit<Resized>, _event: CloudEvent<Value>) {}

#[http(POST, "/pictures/{id}/{*rest}", cors, timeout = 5)]
#[http(GET, "/pictures", cors(origins = ["https://a.example"], methods = ["GET"], headers = ["x-a"], credentials = true))]
#[http(DELETE, "/pictures/{id}", stream)]
#[http(PATCH, "/pictures", mode = "async")]
async fn keep() {}

#[schedule("rate(5 minutes)", name = "cleanUp")]
#[schedule("cron(0 12 * * ? *)")]
async fn clean_up() {}

#[queue("pictures", batch_size = 100, window = "5s")]
#[queue("returns.fifo")]
async fn unpack(_message: Json<Value>) {}

#[subscribe(
    eventbridge(source = "aws.s3", detail_type = "Object Created", detail = {"bucket": {"name": ["pictures"]}}),
    retry(attempts = 3)
)]
#[stream(dynamodb("pictures"), batch_size = 100, window = "5s", retry(attempts = 5, max_age = "1h"))]
#[stream(kafka("views"))]
async fn watch(_event: CloudEvent<Value>) {}

#[invoke]
async fn judge(picture: Value) -> Value {
    picture
}

const FORMS: &str = r#"
service = "cargo-eg"

[[function]]
name = "resize"
doc = "Makes a picture smaller."
command = ["python3", "-m", "awslambdaric", "app.resize"]
handler = "app.resize"
environment = { SIZE = "100" }
timeout = "2m"
memory = 512
emits = ["picture.resized"]
triggers = [
  { event = "picture.uploaded", retry = { attempts = 5, max_age = "24h", min_backoff = 1, max_backoff = "5m" } },
  { event = "picture.found", retry = { max_age = 60 } },
  { event = "picture.taken", mode = "async" },
  { event = "picture.checked", mode = "sync", method = "PUT", path = "/check/{id}" },
]

[[function]]
name = "keep"
command = ["./keep"]
timeout = 5

  [[function.triggers]]
  http = "POST /pictures/{id}/{*rest}"
  cors = true

  [[function.triggers]]
  http = "GET /pictures"
  [function.triggers.cors]
  origins = ["https://a.example"]
  methods = ["GET"]
  headers = ["x-a"]
  credentials = true

  [[function.triggers]]
  http = "DELETE /pictures/:id"
  cors = false
  stream = true

  [[function.triggers]]
  http = "PATCH /pictures"
  mode = "async"

[[function]]
name = "cleanUp"
command = ["./clean-up"]
triggers = [{ schedule = "rate(5 minutes)" }, { schedule = "cron(0 12 * * ? *)" }]

[[function]]
name = "unpack"
command = ["./unpack"]
triggers = [{ queue = "pictures", batch_size = 100, window = "5s" }, { queue = "returns.fifo" }]

[[function]]
name = "watch"
command = ["./watch"]
triggers = [
  { eventbridge = { source = "aws.s3", detail_type = ["Object Created"], detail = { bucket = { name = ["pictures"] } } }, retry = { attempts = 3 } },
  { stream = { dynamodb = "pictures" }, batch_size = 100, window = "5s", retry = { attempts = 5, max_age = "1h" } },
  { stream = { kafka = "views" } },
]

[[function]]
name = "judge"
command = ["./judge"]
triggers = [{ invoke = true }]
"#;

/// The Rust functions above are in this program's own manifest.
#[test]
fn every_form_means_what_it_means_in_rust() {
    let in_rust = Manifest::read(&std::env::current_exe().unwrap()).unwrap().functions;
    let mut declared = read(FORMS).manifest.functions;
    let sources: Vec<_> = declared.iter().map(|function| function.source.as_str()).collect();
    assert_eq!(sources, ["eg.toml:5", "eg.toml:21", "eg.toml:47", "eg.toml:52", "eg.toml:57", "eg.toml:66"]);
    for (function, expected) in declared.iter_mut().zip(&in_rust) {
        function.source.clone_from(&expected.source);
    }
    assert_eq!(declared, in_rust);
}

#[test]
fn the_documented_examples_are_valid() {
    let (_, help) = crate::cli::RUN_EXAMPLES.split_once("An eg.toml:\n").unwrap();
    let functions = |text: &str| {
        let functions = read(text).manifest.functions;
        functions.into_iter().map(|function| (function.name, function.triggers.len())).collect::<Vec<_>>()
    };
    assert_eq!(functions(help), [("resize".to_owned(), 4), ("archive".to_owned(), 1)]);
    let readme = include_str!("../../../../README.md");
    let (_, block) = readme.split_once("```toml\n[[function]]").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    assert_eq!(functions(&format!("[[function]]{block}")), [("resize".to_owned(), 2)]);
}

#[test]
fn a_command_becomes_a_program() {
    let programs = read(FORMS).programs;
    let program = |id: &str| programs[id].clone();
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(programs.len(), 6);
    assert_eq!(
        program("cargo-eg-resize"),
        Program {
            command: texts(&["python3", "-m", "awslambdaric", "app.resize"]),
            handler: "app.resize".to_owned(),
            environment: BTreeMap::from([("SIZE".to_owned(), "100".to_owned())]),
        }
    );
    // Without a `handler`, the function's name is the handler.
    assert_eq!(
        program("cargo-eg-keep"),
        Program { command: texts(&["./keep"]), handler: "keep".to_owned(), environment: BTreeMap::new() }
    );
}

#[test]
fn a_byte_order_mark_is_skipped() {
    read(
        "\u{feff}service = \"s\"\n[[function]]\nname = \"f\"\ncommand = [\"a\"]\ntriggers = [{ event = \"e\" }]\n",
    );
}

#[test]
fn a_function_at_a_url_has_no_program() {
    let declaration = read(
        "[[function]]\nname = 'archive'\nurl = \"http://localhost:8080/archive\"\ntriggers = [{ http = \"PUT /archive\" }]",
    );
    // Without `service`, the folder's name is the service's name.
    let mut expected = Function::new("pictures", "archive", "eg.toml:2");
    let trigger =
        EventTrigger::new(HTTP_REQUEST, SubscriptionType::Sync, Method::Put, "/archive".parse().unwrap());
    expected.triggers = vec![Trigger::Event(trigger)];
    expected.url = Some("http://localhost:8080/archive".to_owned());
    assert_eq!(declaration.manifest.functions, [expected]);
    assert!(declaration.programs.is_empty());
}

/// Checks the place (`line:column`, or nothing) and the message of the mistake in a file.
#[track_caller]
fn check(text: &str, place: &str, message: &str) {
    let mistake = declaration(text, Path::new("/app/pictures/eg.toml")).unwrap_err();
    let found = (mistake.at.unwrap_or_default(), mistake.text);
    assert!(
        found.0 == place && found.1.starts_with(message),
        "{text}\nexpected: {place} {message}\nfound:    {found:?}"
    );
}

#[test]
fn mistakes_of_a_file() {
    check("", "", "it declares no functions: add a [[function]]");
    check(
        "service = \"a\"\n[deploy]",
        "",
        "`service` names the service of the functions in this file, which has none",
    );
    check("[[function]]", "1:1", "missing key `name`");
    check(
        "[[functions]]",
        "1:3",
        "unknown key `functions`; did you mean `function`?; the keys here are `service`",
    );
    check("[[function]\n", "1:12", "unclosed array table");
    check(
        "service = \"a b\"\n[[function]]\nname = \"a\"",
        "1:11",
        "`service`: \"a b\" cannot name a service: use letters, digits, `-` and `_`",
    );
    let folder =
        declaration("[[function]]\nname = \"a\"", Path::new("/app/my pictures/eg.toml")).unwrap_err();
    assert!(folder.text.ends_with("; name it with `service = \"…\"`"), "{folder:?}");
    check("[[function]]\nname = \"a b\"", "2:8", "`name`: \"a b\" cannot name a function: use letters");
    let twice = "[[function]]\nname = \"f\"\nurl = \"http://h/\"\ntriggers = [{ event = \"x\" }]\n".repeat(2);
    check(&twice, "6:8", "another function is called `f` too: rename one of them");
}

#[test]
fn mistakes_of_a_function() {
    let check = |rest: &str, place: &str, message: &str| {
        check(&format!("[[function]]\nname = \"f\"\n{rest}"), place, message);
    };
    check("rate = 1", "3:1", "unknown key `rate`; did you mean `name`?; the keys here are `name`, `doc`,");
    check("comand = [\"x\"]", "3:1", "unknown key `comand`; did you mean `command`?");
    check(
        "command = \"x\"",
        "3:11",
        r#"`command`: invalid type: string "x", expected a list of words, such as ["python3", "app.py"]"#,
    );
    check("", "1:1", "function `f`: it needs a `command`, or the `url`");
    check("command = [\"x\"]\nurl = \"http://h/\"", "1:1", "function `f`: it has a `command` and a `url`");
    check("url = \"localhost:3000\"", "3:7", "`url`: \"localhost:3000\" is not an address");
    check(
        "url = \"http://h/\"\nhandler = \"x\"",
        "1:1",
        "function `f`: only a function with a `command` has `handler`: remove it",
    );
    check("command = [\"x\"]", "1:1", "function `f`: it has no `triggers`");
    check("command = []\ntriggers = [{ event = \"x\" }]", "1:1", "function `f`: `command` names no program");
    let check = |option: &str, place: &str, message: &str| {
        check(&format!("command = [\"x\"]\n{option}\ntriggers = [{{ event = \"x\" }}]"), place, message);
    };
    check("memory = 64", "4:10", "`memory` must be a whole number of megabytes from 128 to 10240, not 64");
    check(
        "memory = \"1GB\"",
        "4:10",
        "`memory` must be a whole number of megabytes from 128 to 10240, not \"1GB\"",
    );
    check("emits = [\"a b\"]", "4:9", "`emits`: ' ' is not allowed in an event type");
    check("timeout = 901", "4:11", "`timeout` must be a whole number of seconds from 1 to 900, not 901");
    check("timeout = -1", "4:11", "`timeout` must be a whole number of seconds from 1 to 900, not -1");
    check(
        "timeout = \"1h\"",
        "4:11",
        "`timeout` must be a whole number of seconds from 1 to 900, not \"1h\"",
    );
    check(
        "timeout = \"1500ms\"",
        "4:11",
        "`timeout` must be a whole number of seconds from 1 to 900, not \"1500ms\"",
    );
    check("timeout = \"5x\"", "4:11", "`timeout`: \"5x\" is not a duration");
    check(
        "timeout = true",
        "4:11",
        "`timeout`: invalid type: boolean `true`, expected a number of seconds, or a duration",
    );
}

#[test]
fn mistakes_of_a_trigger() {
    let two =
        "[[function]]\nname = \"f\"\ncommand = [\"x\"]\ntriggers = [{ invoke = true }, { queue = \"q\" }]";
    let alone =
        "function `f`: with `invoke`, it gets every payload as it is, so it can have no other trigger";
    check(two, "1:1", alone);
    let at_url = "[[function]]\nname = \"f\"\nurl = \"http://h/\"\ntriggers = [{ queue = \"q\" }]";
    check(at_url, "4:13", "function `f`: a function at a `url` gets `event` and `http` only, not `queue`");
    // The value of the last key.
    let check_value = |trigger: &str, message: &str| {
        let begin = "[[function]]\nname = \"f\"\ncommand = [\"x\"]\ntriggers = [{ ";
        let column = 15 + trigger.rfind(" = ").unwrap() + 3;
        check(&format!("{begin}{trigger} }}]"), &format!("4:{column}"), message);
    };
    check_value("event = \"a b\"", "`event`: ' ' is not allowed in an event type");
    check_value("event = \"a/b\"", "`event`: '/' is not allowed in an event type");
    check_value(
        "event = \"a\", mode = \"asnyc\"",
        "unknown value `asnyc`; did you mean `async`?; the values are `async` and `sync`",
    );
    check_value("event = \"a\", path = \"x\"", "`path`: a path starts with `/`: \"/x\"");
    check_value("http = \"/users\"", "`http`: \"/users\" is not a route: write a method and a path");
    check_value("http = \"FETCH /users\"", "`http`: unknown HTTP method `FETCH`; did you mean `PATCH`?");
    check_value("http = \"GET users\"", "`http`: a path starts with `/`: \"/users\"");
    check_value("http = \"GET /a{b}c\"", "`http`: `a{b}c`: a parameter is a whole segment");
    check_value(
        "http = \"GET /\", cors = 1",
        "`cors`: invalid type: integer `1`, expected true, false or a table",
    );
    check_value("schedule = \"hourly\"", "`schedule`: \"hourly\" is not a schedule");
    for expression in
        ["cron(0 0 ? * 3#1,6#3 *)", "rate(+5 minutes)", "cron(+5 * * * ? *)", "cron(0 0 WL * ? *)"]
    {
        check_value(&format!("schedule = \"{expression}\""), "`schedule`: ");
    }
    check_value("queue = \"a b\"", "`queue`: \"a b\" cannot name a queue");

    // The keys of the trigger among each other.
    let check_keys = |trigger: &str, message: &str| {
        let begin = "[[function]]\nname = \"f\"\ncommand = [\"x\"]\ntriggers = [";
        check(&format!("{begin}{{ {trigger} }}]"), "4:13", &format!("function `f`: {message}"));
    };
    check_keys(
        "",
        "a trigger needs one of `event`, `http`, `schedule`, `queue`, `eventbridge`, `stream` and `invoke`",
    );
    check_keys("event = \"x\", queue = \"q\"", "a trigger has `event` and `queue`: write a trigger for each");
    check_keys("event = \"a\", path = \"/x/{id}\"", "`path`: async subscriptions match their path literally");
    check_keys(
        "http = \"GET /x/{id}\", mode = \"async\"",
        "`http`: async subscriptions match their path literally",
    );
    check_keys("event = \"a\", retry = {}", "`retry` needs one or more of `attempts`");
    check_keys(
        "event = \"a\", retry = { min_backoff = 9, max_backoff = 8 }",
        "`min_backoff` is 9: it must not exceed `max_backoff`, which is 8",
    );
    check_keys(
        "event = \"a\", mode = \"sync\", retry = { attempts = 1 }",
        "a synchronous trigger has no `retry`",
    );
    check_keys("stream = { dynamodb = \"a b\" }", "`dynamodb`: \"a b\" cannot name a table");
    check_keys("stream = { }", "`stream` names one stream, as in `{ dynamodb = \"orders\" }`");
    check_keys(
        "stream = { kafka = \"a\" }, retry = { attempts = 2, min_backoff = 1 }",
        "Lambda determines the pauses between the attempts of a stream: remove the backoffs",
    );
    check_keys(
        "eventbridge = { source = [], detail_type = \"a\" }",
        "`eventbridge` needs a `source` and a `detail_type`",
    );
    check_keys(
        "eventbridge = { source = [\"aws.s3\", \"/pictures\"], detail_type = \"a\" }",
        "`aws.s3` and `/pictures` emit on different buses, because only one of them is a service of AWS",
    );
    check_keys("invoke = false", "`invoke` is `true`, or left out");
    check_keys(
        "event = \"a\", batch_size = 1",
        "only a trigger with `queue` or `stream` has `batch_size`: remove it",
    );
    check_keys(
        "schedule = \"rate(1 day)\", mode = \"sync\"",
        "only a trigger with `event` or `http` has `mode`",
    );
    check_keys(
        "http = \"GET /\", retry = { attempts = 1 }",
        "only a trigger with `event` or `eventbridge` or `stream` has `retry`",
    );
    check_keys(
        "queue = \"q\", batch_size = 0",
        "`batch_size` must be a whole number of messages from 1 to 10000, not 0",
    );
    check_keys("queue = \"q\", batch_size = 11", "batches of more than 10 messages need time to fill");
    check_keys(
        "queue = \"q.fifo\", batch_size = 11",
        "`batch_size` of a FIFO queue must be a whole number of messages from 1 to 10, not 11",
    );
    check_keys("queue = \"q.fifo\", window = 1", "a FIFO queue has no batching window");

    // A key inside.
    let inside = "[[function]]\nname = \"f\"\ncommand = [\"x\"]\n[[function.triggers]]\n";
    check(
        &format!("{inside}evnt = \"x\""),
        "5:1",
        "unknown key `evnt`; did you mean `event`?; the keys here are `event`, `http`,",
    );
    check(
        &format!("{inside}event = \"x\"\nretry = {{ attempts = 0 }}"),
        "6:22",
        "`attempts` must be a whole number of attempts from 1 to 10000, not 0",
    );
    check(
        &format!("{inside}event = \"x\"\nretry = {{ max_age = 0 }}"),
        "6:21",
        "`max_age` must be a whole number of seconds from 1 to 31622400, not 0",
    );
    check(
        &format!("{inside}event = \"x\"\nretry = {{ atempts = 1 }}"),
        "6:11",
        "unknown key `atempts`; did you mean `attempts`?",
    );
    check(
        &format!("{inside}http = \"GET /\"\ncors = {{ origin = [] }}"),
        "6:10",
        "unknown key `origin`; did you mean `origins`?",
    );
    check_keys(
        "http = \"GET /\", cors = { credentials = true }",
        "`cors`: credentials are allowed for named origins only: list the origins instead of `*`",
    );
    check_keys(
        "http = \"GET /\", cors = { origins = [\"app.example\"] }",
        "`cors`: `app.example` is not an origin: write a scheme, a host and an optional port, like `https://app.example`",
    );
}
