//! The manifest inside the binary: one JSON record per function, one a line, in a link section, so that it can
//! be read without running the binary. Records are assembled in constants and survive LTO and stripping.
//!
//! A trigger is `{"eventType", "mode", "method", "path", "cors"?, "retry"?}` for a subscription at the gateway, where
//! `"retry"` is `{"attempts"?, "maxAge"?, "minBackoff"?, "maxBackoff"?}` (deliveries, seconds),
//! `{"schedule"}` for a rate or cron expression, or `{"queue", "batchSize"?, "window"?}` (records, seconds).
//! What a function asks of its machine is beside them: `"timeout"?` (seconds) and `"memory"?` (megabytes).

use crate::registry::{FunctionDef, Mode, Queue, Retry, ServiceDef, Subscription, Trigger};

/// Records a function in the manifest and registers it with the runtime. Expanded by the attribute macros; the
/// link section's attribute has to come from here, so that user crates can forbid unsafe code.
#[doc(hidden)]
#[macro_export]
macro_rules! __register_function {
    ($def:ident) => {
        $crate::__record!($crate::__private::record_len(&$def), $crate::__private::record(&$def));
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

/// Length of [`record`] in bytes.
#[must_use]
pub const fn record_len(def: &FunctionDef) -> usize {
    let mut out = Writer::<0>::new();
    write_function(&mut out, def);
    out.len
}

/// The record of a function, with its line end.
#[must_use]
pub const fn record<const N: usize>(def: &FunctionDef) -> [u8; N] {
    let mut out = Writer::new();
    write_function(&mut out, def);
    out.bytes
}

/// Length of [`service_record`] in bytes.
#[must_use]
pub const fn service_record_len(def: &ServiceDef) -> usize {
    let mut out = Writer::<0>::new();
    write_service(&mut out, def);
    out.len
}

/// The record of a service's name, with its line end.
#[must_use]
pub const fn service_record<const N: usize>(def: &ServiceDef) -> [u8; N] {
    let mut out = Writer::new();
    write_service(&mut out, def);
    out.bytes
}

const fn write_service<const N: usize>(out: &mut Writer<N>, def: &ServiceDef) {
    out.raw("{\"service\":").text(def.name).raw(",\"version\":").text(def.version).raw("}\n");
}

const fn write_function<const N: usize>(out: &mut Writer<N>, def: &FunctionDef) {
    out.raw("{\"package\":").text(def.package);
    out.raw(",\"version\":").text(def.version);
    out.raw(",\"name\":").text(def.name);
    if !def.doc.is_empty() {
        out.raw(",\"doc\":").text(def.doc);
    }
    out.raw(",\"source\":\"").escaped(def.file).raw(":").number(def.line).raw("\"");
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
            out.comma(written).event_type(types[i]);
            written += 1;
            i += 1;
        }
        argument += 1;
    }
    out.raw("]");
    if let Some(seconds) = def.timeout {
        out.raw(",\"timeout\":").number(seconds);
    }
    if let Some(megabytes) = def.memory {
        out.raw(",\"memory\":").number(megabytes);
    }
    out.raw("}\n");
}

const fn write_trigger<const N: usize>(out: &mut Writer<N>, trigger: &Trigger) {
    match trigger {
        Trigger::Subscription(subscription) => write_subscription(out, subscription),
        Trigger::Schedule(expression) => {
            out.raw("{\"schedule\":").text(expression).raw("}");
        }
        Trigger::Queue(queue) => write_queue(out, queue),
    }
}

const fn write_queue<const N: usize>(out: &mut Writer<N>, queue: &Queue) {
    out.raw("{\"queue\":").text(queue.name);
    if let Some(size) = queue.batch_size {
        out.raw(",\"batchSize\":").number(size);
    }
    if let Some(seconds) = queue.window {
        out.raw(",\"window\":").number(seconds);
    }
    out.raw("}");
}

const fn write_subscription<const N: usize>(out: &mut Writer<N>, subscription: &Subscription) {
    let mode = match subscription.mode {
        Mode::Sync => "sync",
        Mode::Async => "async",
    };
    out.raw("{\"eventType\":").event_type(subscription.event_type);
    out.raw(",\"mode\":").text(mode);
    out.raw(",\"method\":").text(subscription.method).raw(",\"path\":").text(subscription.path);
    if let Some(cors) = &subscription.cors {
        out.raw(",\"cors\":{\"origins\":").list(cors.origins);
        out.raw(",\"methods\":").list(cors.methods);
        out.raw(",\"headers\":").list(cors.headers);
        out.raw(",\"credentials\":").raw(if cors.credentials { "true" } else { "false" }).raw("}");
    }
    if let Some(retry) = &subscription.retry {
        write_retry(out.raw(",\"retry\":"), retry);
    }
    out.raw("}");
}

const fn write_retry<const N: usize>(out: &mut Writer<N>, retry: &Retry) {
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
            out.comma(written).raw(key).number(limit);
            written += 1;
        }
        i += 1;
    }
    out.raw("}");
}

/// Writes JSON in a constant. A walk with no room at all (`N` = 0) measures, the next one writes.
struct Writer<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Writer<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    const fn push(&mut self, byte: u8) -> &mut Self {
        if N > 0 {
            self.bytes[self.len] = byte;
        }
        self.len += 1;
        self
    }

    const fn raw(&mut self, text: &str) -> &mut Self {
        let bytes = text.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            self.push(bytes[i]);
            i += 1;
        }
        self
    }

    const fn text(&mut self, text: &str) -> &mut Self {
        self.raw("\"").escaped(text).raw("\"")
    }

    const fn escaped(&mut self, text: &str) -> &mut Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let bytes = text.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            match bytes[i] {
                byte @ (b'"' | b'\\') => self.push(b'\\').push(byte),
                byte @ 0..0x20 => {
                    self.raw("\\u00").push(HEX[(byte >> 4) as usize]).push(HEX[(byte & 15) as usize])
                }
                byte => self.push(byte),
            };
            i += 1;
        }
        self
    }

    /// An event type, from a literal that the macro has checked or from an `Event` written by hand.
    const fn event_type(&mut self, name: &str) -> &mut Self {
        assert!(eg_sdk::is_event_type(name), "an event type consists of letters, digits, `.`, `-` and `_`");
        self.text(name)
    }

    const fn number(&mut self, number: u32) -> &mut Self {
        if number >= 10 {
            self.number(number / 10);
        }
        self.push(b'0' + (number % 10) as u8)
    }

    const fn list(&mut self, texts: &[&str]) -> &mut Self {
        self.raw("[");
        let mut i = 0;
        while i < texts.len() {
            self.comma(i).text(texts[i]);
            i += 1;
        }
        self.raw("]")
    }

    const fn comma(&mut self, index: usize) -> &mut Self {
        if index > 0 {
            self.raw(",");
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::registry::Cors;

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
                retry: None,
            }),
            Trigger::Subscription(Subscription {
                event_type: "order.paid",
                mode: Mode::Async,
                method: "POST",
                path: "/",
                route: None,
                cors: None,
                retry: Some(Retry {
                    attempts: Some(5),
                    max_age: None,
                    min_backoff: Some(0),
                    max_backoff: Some(60),
                }),
            }),
            Trigger::Schedule("rate(5 minutes)"),
            Trigger::Queue(Queue { name: "orders", batch_size: Some(100), window: Some(5) }),
            Trigger::Queue(Queue { name: "returns.fifo", batch_size: None, window: None }),
        ],
        timeout: Some(30),
        memory: Some(512),
        emits: &[&[], &["order.placed", "order.refused"], &["order.paid"]],
        needs: &[],
        call: |_| Box::pin(async { crate::extract::into_response(()) }),
    };

    #[test]
    fn a_record_is_one_line_of_json_with_every_trigger_in_its_own_words() {
        const RECORD: [u8; record_len(&DEF)] = record(&DEF);
        let line = std::str::from_utf8(&RECORD).unwrap().strip_suffix('\n').unwrap();
        assert!(!line.contains('\n'));
        let cors =
            json!({"origins": ["https://a.example"], "methods": [], "headers": [], "credentials": true});
        let expected = json!({
            "package": "shop", "version": "0.1.0", "name": "order", "doc": "Says \"hello\"\\\n",
            "source": "src/main.rs:1042", "timeout": 30, "memory": 512,
            "triggers": [
                {"eventType": "http.request", "mode": "sync", "method": "POST", "path": "/orders/:id", "cors": cors},
                {"eventType": "order.paid", "mode": "async", "method": "POST", "path": "/",
                 "retry": {"attempts": 5, "minBackoff": 0, "maxBackoff": 60}},
                {"schedule": "rate(5 minutes)"},
                {"queue": "orders", "batchSize": 100, "window": 5},
                {"queue": "returns.fifo"},
            ],
            "emits": ["order.placed", "order.refused", "order.paid"],
        });
        assert_eq!(serde_json::from_str::<Value>(line).unwrap(), expected);
    }
}
