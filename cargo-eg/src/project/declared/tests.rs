//! What `eg.toml` may contain, and the messages for everything else.

use super::*;

fn read(text: &str) -> Result<Declaration, String> {
    declaration(text, Path::new("/app/pictures"))
}

#[test]
fn every_kind_of_trigger() {
    let declaration = read(
        r#"
        [[function]]
        name = "resize"
        doc = "Makes it smaller."
        command = ["python3", "-m", "awslambdaric", "app.resize"]
        handler = "app.resize"
        environment = { SIZE = "100" }
        timeout = 5
        emits = ["picture.resized"]
        triggers = [
          { event = "picture.uploaded", retry = { attempts = 5, max_age = 60 } },
          { event = "picture.check", mode = "sync", path = "/check/{id}" },
          { http = "GET /pictures/{id}/{*rest}", cors = true },
          { schedule = "rate(5 minutes)" },
          { queue = "pictures", batch_size = 100, window = 5 },
        ]

        [[function]]
        name = 'archive'
        url = "http://localhost:8080/archive"
        triggers = [{ http = "PUT /archive" }]
        "#,
    )
    .unwrap();
    let manifest = serde_json::to_value(&declaration.manifest).unwrap();
    assert_eq!(
        manifest["functions"][0],
        json!({
            "name": "resize", "id": "pictures-resize", "doc": "Makes it smaller.", "source": "eg.toml:3",
            "timeout": 5, "emits": ["picture.resized"],
            "triggers": [
                {"eventType": "picture.uploaded", "mode": "async", "method": "POST", "path": "/",
                 "retry": {"attempts": 5, "maxAge": 60}},
                {"eventType": "picture.check", "mode": "sync", "method": "POST", "path": "/check/:id"},
                {"eventType": "http.request", "mode": "sync", "method": "GET", "path": "/pictures/:id/*rest",
                 "cors": true},
                {"schedule": "rate(5 minutes)"},
                {"queue": "pictures", "batchSize": 100, "window": 5},
            ],
        })
    );
    assert_eq!(manifest["functions"][1]["url"], "http://localhost:8080/archive");
    assert_eq!(manifest["functions"][1]["source"], "eg.toml:19");
    assert_eq!(declaration.programs.len(), 1);
    let program = &declaration.programs["pictures-resize"];
    assert_eq!((program.handler.as_str(), program.environment["SIZE"].as_str()), ("app.resize", "100"));
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let file = "\u{feff}service = \"s\"\n[[function]]\nname = \"f\"\ncommand = [\"a\"]\ntriggers = [{ event = \"e\" }]\n";
    assert!(read(file).is_ok());
}

#[test]
fn a_service_may_be_named() {
    let text = "service = \"shop\"\n[[function]]\nname = \"a\"\nurl = \"http://localhost/\"\ntriggers = [{ event = \"x\" }]";
    let declaration = read(text).unwrap();
    assert_eq!(declaration.manifest.functions[0].id, "shop-a");
}

#[test]
fn mistakes_name_key_and_cure() {
    let check = |text: &str, part: &str| {
        let mistake = read(text).unwrap_err();
        assert!(mistake.contains(part), "{text}\nexpected: {part}\nfound: {mistake}");
    };
    check("", "no functions: add a [[function]]");
    check("[[function]]", "missing field `name`");
    check("[[functions]]", "unknown field `functions`, expected `service` or `function`");
    check("[[function]\n", "line 1, column");
    check(
        "service = \"a b\"\n[[function]]\nname = \"a\"",
        "service: \"a b\" cannot name a service: use letters, digits, `-` and `_`; set it with",
    );
    check(
        "[[function]]\nname = \"a b\"",
        "function \"a b\": name: \"a b\" cannot name a function: use letters",
    );
    let function = |rest: &str| format!("[[function]]\nname = \"f\"\n{rest}");
    let check_function = |rest: &str, part: &str| check(&function(rest), &format!("function \"f\": {part}"));
    check_function("", "it needs a `command`, or the `url`");
    check_function("command = [\"x\"]\nurl = \"http://h/\"", "it has a `command` and a `url`");
    check_function("url = \"localhost:3000\"", "url: \"localhost:3000\" is no http://");
    check_function("url = \"http://h/\"\nhandler = \"x\"", "handler: only a function with a `command`");
    check_function("command = [\"x\"]", "triggers: it has none");
    check_function("command = []\ntriggers = [{ event = \"x\" }]", "command: name a program");
    check_function(
        "command = [\"x\"]\nmemory = 64\ntriggers = [{ event = \"x\" }]",
        "memory must be a whole number of megabytes from 128 to 10240, not 64",
    );
    check_function(
        "command = [\"x\"]\nemits = [\"a b\"]\ntriggers = [{ event = \"x\" }]",
        "emits: ' ' is not allowed in an event type",
    );
    check_function(
        "command = [\"x\"]\ntimeout = 901\ntriggers = [{ event = \"x\" }]",
        "timeout must be a whole number of seconds from 1 to 900, not 901",
    );
    check_function(
        "url = \"http://h/\"\ntriggers = [{ queue = \"q\" }]",
        "triggers[0]: queue: a function at a `url`",
    );
    let check_trigger = |trigger: &str, part: &str| {
        check_function(
            &format!("command = [\"x\"]\ntriggers = [{{ {trigger} }}]"),
            &format!("triggers[0]: {part}"),
        );
    };
    check_trigger("", "it needs one of `event`, `http`, `schedule` and `queue`");
    check_trigger("event = \"x\", queue = \"q\"", "it has event and queue: make a trigger of each");
    check_trigger("event = \"a b\"", "event: ' ' is not allowed in an event type");
    check_trigger("event = \"a/b\"", "event: '/' is not allowed in an event type");
    check_trigger("event = \"a\", mode = \"later\"", "mode: \"later\" is neither");
    check_trigger("event = \"a\", path = \"x\"", "path: a path starts with `/`: \"/x\"");
    check_trigger(
        "event = \"a\", path = \"/x/{id}\"",
        "path: async subscriptions match their path literally",
    );
    check_trigger("event = \"a\", retry = {}", "retry: it needs `attempts`");
    check_trigger(
        "event = \"a\", retry = { attempts = 0 }",
        "retry.attempts must be a whole number of attempts from 1 to 10000, not 0",
    );
    check_trigger(
        "event = \"a\", retry = { max_age = 0 }",
        "retry.max_age must be a whole number of seconds from 1 to 31622400, not 0",
    );
    check_trigger(
        "event = \"a\", mode = \"sync\", retry = { attempts = 1 }",
        "retry: a sync trigger has no retries",
    );
    check_trigger("event = \"a\", batch_size = 1", "batch_size: only for a trigger with `queue`");
    check_trigger("http = \"/users\"", "http: \"/users\" is not a route: write a method and a path");
    check_trigger("http = \"FETCH /users\"", "http: unknown HTTP method `FETCH`; did you mean `PATCH`?");
    check_trigger("http = \"GET users\"", "http: a path starts with `/`: \"/users\"");
    check_trigger("http = \"GET /a{b}c\"", "http: `a{b}c`: a parameter is a whole segment");
    check_trigger("http = \"GET /\", retry = { attempts = 1 }", "retry: only for a trigger with `event`");
    check_trigger("schedule = \"hourly\"", "schedule: \"hourly\" is not a schedule");
    for expression in
        ["cron(0 0 ? * 3#1,6#3 *)", "rate(+5 minutes)", "cron(+5 * * * ? *)", "cron(0 0 WL * ? *)"]
    {
        check_trigger(&format!("schedule = \"{expression}\""), "schedule: ");
    }
    check_trigger("queue = \"a b\"", "queue: \"a b\" cannot name a queue");
    check_trigger(
        "queue = \"q\", batch_size = 0",
        "`batch_size` must be a whole number of messages from 1 to 10000, not 0",
    );
    check_trigger("queue = \"q\", batch_size = 11", "batches of more than 10 messages need time to fill");
    check_trigger(
        "queue = \"q.fifo\", batch_size = 11",
        "`batch_size` of a FIFO queue must be a whole number of messages from 1 to 10, not 11",
    );
    check_trigger("queue = \"q.fifo\", window = 1", "a FIFO queue has no batching window");
    let twice = "[[function]]\nname = \"f\"\nurl = \"http://h/\"\ntriggers = [{ event = \"x\" }]\n".repeat(2);
    check(&twice, "function \"f\": name: there is another one");
    check(&function("command = [\"x\"]\nrate = 1"), "unknown field `rate`");
}
