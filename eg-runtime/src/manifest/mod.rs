//! Writes the manifest into the binary: one JSON record for each function, one a line, in a link section, so that it can be
//! read without running the binary. The records are assembled in constants and survive LTO and stripping.
//! `eg_sdk::manifest` has their types and reads them.

mod events;

use eg_sdk::schema::Writer;

use self::events::{write_asks, write_events, write_sources};
use crate::probe::Events;
use crate::registry::{
    EventBridge, FunctionDef, Mode, Queue, Retry, ServiceDef, Stream, Subscription, Trigger,
};
use crate::shared::Need;

/// Records a function in the manifest and registers it with the runtime. Used by the attribute macros. The link
/// section's attribute is part of this macro, so that user crates can forbid unsafe code.
#[doc(hidden)]
#[macro_export]
macro_rules! __register_function {
    ($def:ident, $events:ident) => {
        $crate::__record!(
            $crate::__private::record_len(&$def, $events),
            $crate::__private::record(&$def, $events)
        );
        $crate::__private::inventory::submit! { $def }
    };
}

/// Names the service of a binary whose functions come from several packages: `eg_runtime::service!("shop");`.
#[macro_export]
macro_rules! service {
    ($name:literal) => {
        const _: () = {
            const __EG_SERVICE: $crate::__private::ServiceDef =
                $crate::__private::ServiceDef { name: $name, version: ::core::env!("CARGO_PKG_VERSION") };
            $crate::__record!(
                $crate::__private::service_record_len(&__EG_SERVICE),
                $crate::__private::service_record(&__EG_SERVICE)
            );
            $crate::__private::inventory::submit! { __EG_SERVICE }
        };
    };
}

/// Puts one record into the link section.
#[doc(hidden)]
#[macro_export]
macro_rules! __record {
    ($len:expr, $record:expr) => {
        #[used]
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__eg_manifest"))]
        #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".eg_manifest"))]
        static __EG_RECORD: [u8; $len] = $record;
    };
}

/// Returns the length of [`record`] in bytes.
#[must_use]
pub const fn record_len(def: &FunctionDef, events: &[Events]) -> usize {
    let mut out = Writer::measure();
    write_function(&mut out, def, events);
    out.len()
}

/// Writes the record of a function and its events, with a line end.
#[must_use]
pub const fn record<const N: usize>(def: &FunctionDef, events: &[Events]) -> [u8; N] {
    let mut bytes = [0; N];
    write_function(&mut Writer::new(&mut bytes), def, events);
    bytes
}

/// Returns the length of [`service_record`] in bytes.
#[must_use]
pub const fn service_record_len(def: &ServiceDef) -> usize {
    let mut out = Writer::measure();
    write_service(&mut out, def);
    out.len()
}

/// Writes the record of a service's name, with a line end.
#[must_use]
pub const fn service_record<const N: usize>(def: &ServiceDef) -> [u8; N] {
    let mut bytes = [0; N];
    write_service(&mut Writer::new(&mut bytes), def);
    bytes
}

/// Where events can go that a program of this build emits.
const SINKS: &[&str] = if cfg!(feature = "eventbridge") { &["gateway", "eventbridge"] } else { &["gateway"] };

/// What a panic does in a program of this build.
const PANIC: &str = if cfg!(panic = "unwind") { "unwind" } else { "abort" };

const fn write_service(out: &mut Writer<'_>, def: &ServiceDef) {
    out.raw("{\"service\":").text(def.name).raw(",\"version\":").text(def.version).raw("}\n");
}

const fn write_function(out: &mut Writer<'_>, def: &FunctionDef, events: &[Events]) {
    out.raw("{\"package\":").text(def.package);
    out.raw(",\"version\":").text(def.version);
    out.raw(",\"sinks\":").list(SINKS).raw(",\"panic\":").text(PANIC);
    if cfg!(feature = "secrets") {
        out.raw(",\"secrets\":true");
    }
    out.raw(",\"name\":").text(def.name);
    if !def.doc.is_empty() {
        out.raw(",\"doc\":").text(def.doc);
    }
    out.raw(",\"source\":\"").escaped(def.file).raw(":").number(def.line as u64).raw("\"");
    out.raw(",\"triggers\":[");
    let mut i = 0;
    while i < def.triggers.len() {
        write_trigger(out.comma(i), &def.triggers[i]);
        i += 1;
    }
    out.raw("],\"emits\":[");
    let mut written = 0;
    let mut argument = 0;
    while argument < def.emits.len() {
        let types = def.emits[argument];
        let mut i = 0;
        while i < types.len() {
            out.comma(written).text(types[i]);
            written += 1;
            i += 1;
        }
        argument += 1;
    }
    out.raw("]");
    write_asks(out, events);
    write_sources(out, events);
    write_events(out, events);
    write_number(out, ",\"timeout\":", def.timeout);
    write_number(out, ",\"memory\":", def.memory);
    if manages_connections(def.needs) {
        out.raw(",\"connections\":true");
    }
    out.raw("}\n");
}

const fn manages_connections(needs: &[Option<Need>]) -> bool {
    let mut i = 0;
    while i < needs.len() {
        if let Some(need) = &needs[i]
            && need.connections
        {
            return true;
        }
        i += 1;
    }
    false
}

const fn write_number(out: &mut Writer<'_>, key: &str, number: Option<u32>) {
    if let Some(number) = number {
        out.raw(key).number(number as u64);
    }
}

const fn write_trigger(out: &mut Writer<'_>, trigger: &Trigger) {
    match trigger {
        Trigger::Subscription(subscription) => write_subscription(out, subscription),
        Trigger::Schedule(expression) => {
            out.raw("{\"schedule\":").text(expression).raw("}");
        }
        Trigger::Queue(queue) => write_queue(out, queue),
        Trigger::EventBridge(pattern) => write_pattern(out, pattern),
        Trigger::Stream(stream) => write_stream(out, stream),
        Trigger::Authorizer { iam } => {
            out.raw(if *iam { "{\"authorizer\":true,\"iam\":true}" } else { "{\"authorizer\":true}" });
        }
        Trigger::Invoke => {
            out.raw("{\"invoke\":true}");
        }
    }
}

/// Writes the pattern in EventBridge's own form.
const fn write_pattern(out: &mut Writer<'_>, pattern: &EventBridge) {
    out.raw("{\"eventBridge\":{\"source\":").list(pattern.sources);
    out.raw(",\"detail-type\":").list(pattern.detail_types);
    if let Some(detail) = pattern.detail {
        out.raw(",\"detail\":").raw(detail);
    }
    out.raw("}");
    if let Some(retry) = &pattern.retry {
        write_retry(out.raw(",\"retry\":"), retry);
    }
    out.raw("}");
}

const fn write_stream(out: &mut Writer<'_>, stream: &Stream) {
    out.raw("{\"stream\":").text(stream.name).raw(",\"source\":").text(stream.kind.as_str());
    write_number(out, ",\"batchSize\":", stream.batch_size);
    write_number(out, ",\"window\":", stream.window);
    if let Some(retry) = &stream.retry {
        write_retry(out.raw(",\"retry\":"), retry);
    }
    out.raw("}");
}

const fn write_queue(out: &mut Writer<'_>, queue: &Queue) {
    out.raw("{\"queue\":").text(queue.name);
    write_number(out, ",\"batchSize\":", queue.batch_size);
    write_number(out, ",\"window\":", queue.window);
    out.raw("}");
}

const fn write_subscription(out: &mut Writer<'_>, subscription: &Subscription) {
    let mode = match subscription.mode {
        Mode::Sync => "sync",
        Mode::Async => "async",
    };
    out.raw("{\"eventType\":").text(subscription.event_type);
    out.raw(",\"mode\":").text(mode);
    out.raw(",\"method\":").text(subscription.method).raw(",\"path\":").text(subscription.path);
    if let Some(cors) = &subscription.cors {
        out.raw(",\"cors\":{\"origins\":").list(cors.origins);
        out.raw(",\"methods\":").list(cors.methods);
        out.raw(",\"headers\":").list(cors.headers);
        out.raw(",\"credentials\":").raw(if cors.credentials { "true" } else { "false" }).raw("}");
    }
    if subscription.stream {
        out.raw(",\"stream\":true");
    }
    if let Some(authorizer) = subscription.authorizer {
        out.raw(",\"authorizer\":").text(authorizer.name);
    }
    if let Some(retry) = &subscription.retry {
        write_retry(out.raw(",\"retry\":"), retry);
    }
    if let Some(filter) = &subscription.filter {
        out.raw(",\"filter\":").raw(filter.pattern);
    }
    if subscription.ordered {
        out.raw(",\"ordered\":true");
    }
    out.raw("}");
}

const fn write_retry(out: &mut Writer<'_>, retry: &Retry) {
    let limits = [
        ("\"attempts\":", retry.attempts),
        ("\"maxAge\":", retry.max_age),
        ("\"minBackoff\":", retry.min_backoff),
        ("\"maxBackoff\":", retry.max_backoff),
    ];
    out.raw("{");
    let (mut i, mut written) = (0, 0);
    while i < limits.len() {
        if let (key, Some(limit)) = limits[i] {
            out.comma(written).raw(key).number(limit as u64);
            written += 1;
        }
        i += 1;
    }
    out.raw("}");
}

#[cfg(test)]
mod tests {
    use eg_sdk::schema::Shape;
    use serde_json::{Value, json};

    use super::*;
    use crate::probe::Direction;
    use crate::registry::{Cors, Filter};

    const CHECK_TOKEN: FunctionDef = FunctionDef {
        package: "shop",
        version: "0.1.0",
        name: "check_token",
        doc: "",
        file: "src/main.rs",
        line: 7,
        triggers: &[Trigger::Authorizer { iam: false }],
        timeout: None,
        memory: None,
        body_limit: None,
        emits: &[],
        needs: &[],
        call: |_| Box::pin(async { crate::returned::reply(()) }),
    };

    const DEF: FunctionDef = FunctionDef {
        package: "shop",
        version: "0.1.0",
        name: "order",
        doc: "Says \"hello\"\\\n",
        file: "src/main.rs",
        line: 1042,
        triggers: &[
            Trigger::Subscription(Subscription {
                event_type: "http.request",
                mode: Mode::Sync,
                method: "POST",
                path: "/orders/:id",
                route: Some(crate::requests::Route::new("/orders/{id}")),
                cors: Some(Cors {
                    origins: &["https://a.example"],
                    methods: &[],
                    headers: &[],
                    credentials: true,
                }),
                stream: true,
                authorizer: Some(&CHECK_TOKEN),
                retry: None,
                filter: None,
                ordered: false,
            }),
            Trigger::Subscription(Subscription {
                event_type: "order.paid",
                mode: Mode::Async,
                method: "POST",
                path: "/",
                route: None,
                cors: None,
                stream: false,
                authorizer: None,
                retry: Some(Retry {
                    attempts: Some(5),
                    max_age: None,
                    min_backoff: Some(0),
                    max_backoff: Some(60),
                }),
                filter: Some(Filter { pattern: r#"{"data":{"amount":[5]}}"#, takes: |_, _| true }),
                ordered: true,
            }),
            Trigger::Schedule("rate(5 minutes)"),
            Trigger::Queue(Queue { name: "orders", batch_size: Some(100), window: Some(5) }),
            Trigger::Queue(Queue { name: "returns.fifo", batch_size: None, window: None }),
            Trigger::EventBridge(EventBridge {
                sources: &["aws.s3"],
                detail_types: &["Object Created", "Object Deleted"],
                detail: Some(r#"{"bucket":{"name":["pictures"]}}"#),
                retry: Some(Retry { attempts: Some(3), max_age: None, min_backoff: None, max_backoff: None }),
            }),
            Trigger::Stream(Stream {
                kind: eg_grammar::StreamKind::Kinesis,
                name: "clicks",
                batch_size: Some(100),
                window: None,
                retry: None,
            }),
            Trigger::Invoke,
            Trigger::Authorizer { iam: false },
            Trigger::Authorizer { iam: true },
        ],
        timeout: Some(30),
        memory: Some(512),
        body_limit: None,
        emits: &[&[], &["order.placed", "order.refused"], &["order.paid"]],
        needs: &[None, Some(crate::Connections::NEED)],
        call: |_| Box::pin(async { crate::returned::reply(()) }),
    };

    const EVENTS: &[Events] = &[
        Events {
            direction: Direction::Emitted,
            types: &["order.placed", "order.refused"],
            sources: &[None, Some("/shop")],
            schemas: &[Some(&Shape::STRING), None],
        },
        Events {
            direction: Direction::Asked,
            types: &["order.placed"],
            sources: &[None],
            schemas: &[Some(&Shape::Null)],
        },
        Events {
            direction: Direction::Received,
            types: &["order.paid"],
            sources: &[None],
            schemas: &[Some(&Shape::Null)],
        },
        Events {
            direction: Direction::Received,
            types: &["order.paid"],
            sources: &[None],
            schemas: &[Some(&Shape::Bool)],
        },
        Events {
            direction: Direction::Received,
            types: &["order.placed"],
            sources: &[Some("/web")],
            schemas: &[Some(&Shape::STRING)],
        },
    ];

    #[test]
    fn a_record_is_one_line_of_json_with_every_trigger_in_its_own_words() {
        const RECORD: [u8; record_len(&DEF, EVENTS)] = record(&DEF, EVENTS);
        let line = std::str::from_utf8(&RECORD).unwrap().strip_suffix('\n').unwrap();
        assert!(!line.contains('\n'));
        let cors =
            json!({"origins": ["https://a.example"], "methods": [], "headers": [], "credentials": true});
        let mut expected = json!({
            "package": "shop", "version": "0.1.0", "sinks": SINKS, "panic": "unwind", "name": "order", "doc": "Says \"hello\"\\\n",
            "source": "src/main.rs:1042", "timeout": 30, "memory": 512,
            "connections": true,
            "triggers": [
                {"eventType": "http.request", "mode": "sync", "method": "POST", "path": "/orders/:id", "cors": cors,
                 "stream": true, "authorizer": "check_token"},
                {"eventType": "order.paid", "mode": "async", "method": "POST", "path": "/",
                 "retry": {"attempts": 5, "minBackoff": 0, "maxBackoff": 60},
                 "filter": {"data": {"amount": [5]}}, "ordered": true},
                {"schedule": "rate(5 minutes)"},
                {"queue": "orders", "batchSize": 100, "window": 5},
                {"queue": "returns.fifo"},
                {"eventBridge": {"source": ["aws.s3"], "detail-type": ["Object Created", "Object Deleted"],
                    "detail": {"bucket": {"name": ["pictures"]}}}, "retry": {"attempts": 3}},
                {"stream": "clicks", "source": "kinesis", "batchSize": 100},
                {"invoke": true},
                {"authorizer": true},
                {"authorizer": true, "iam": true},
            ],
            "emits": ["order.placed", "order.refused", "order.paid"],
            "asks": ["order.placed"],
            "sources": {"order.refused": "/shop"},
            "events": [
                {"type": "order.placed", "direction": "emitted", "schema": {"type": "string"}},
                {"type": "order.paid", "direction": "received", "schema": {"type": "null"}},
                {"type": "order.placed", "direction": "received", "schema": {"type": "string"}},
            ],
        });
        if cfg!(feature = "secrets") {
            expected["secrets"] = json!(true);
        }
        assert_eq!(serde_json::from_str::<Value>(line).unwrap(), expected);
    }
}
