//! Turns the functions of an `eg.toml` into the manifest's types and the programs behind them. It checks what the keys
//! of one function or trigger require of each other; `format` has checked each value.

use std::ops::Range;

use eg_grammar::cors::check_origins;
use eg_grammar::{
    BatchMistake, HTTP_REQUEST, Method, Path, QueueName, Schedule, StreamKind, check_batch, check_sources,
    check_stream, limits, list,
};
use eg_sdk::config::SubscriptionType::{self, Async, Sync};
use eg_sdk::manifest::{self, CorsOptions, EventPattern, EventTrigger, RetryOptions};
use serde_json::Value;
use toml::Spanned;

use crate::project::values::Text;

use super::Program;
use super::format::{
    Cors, CorsRules, EventBridge, EventType, Function, Retry, Route, Stream, StreamSource, Trigger,
};

/// A mistake and its place in the file.
pub(super) struct Misplaced {
    pub(super) at: Range<usize>,
    pub(super) text: String,
}

/// Returns the function for the manifest, and its program unless it runs elsewhere. `source` is where it is declared.
pub(super) fn function(
    service: &str,
    source: &str,
    declared: Spanned<Function>,
) -> Result<(manifest::Function, Option<Program>), Misplaced> {
    let at = declared.span();
    let declared = declared.into_inner();
    let name = &declared.name.get_ref().0.0;
    let wrong = |at: Range<usize>, text: &str| Misplaced { at, text: format!("function `{name}`: {text}") };
    let program = program(&declared, name).map_err(|text| wrong(at.clone(), &text))?;
    if declared.triggers.is_empty() {
        return Err(wrong(at, "it has no `triggers`, so nothing would call it"));
    }
    let mut function = manifest::Function::new(service, name, source);
    for trigger in declared.triggers {
        let at = trigger.span();
        let trigger = self::trigger(trigger.into_inner(), program.is_none());
        function.triggers.push(trigger.map_err(|text| wrong(at, &text))?);
    }
    if function.is_invoked() && function.triggers.len() > 1 {
        return Err(wrong(
            at,
            "with `invoke`, it gets every payload as it is, so it can have no other trigger",
        ));
    }
    function.doc = declared.doc;
    function.emits = declared.emits.into_iter().map(|Text(EventType(ty))| ty).collect();
    (function.timeout, function.memory) = (declared.timeout, declared.memory);
    function.url = declared.url.map(|Text(url)| url.0);
    Ok((function, program))
}

/// Returns the program of a function; `None` for a function at a URL.
fn program(declared: &Function, name: &str) -> Result<Option<Program>, String> {
    let Function { command, url, handler, environment, timeout, memory, .. } = declared;
    let command = match (command, url) {
        (None, None) => {
            return Err("it needs a `command`, or the `url` of a program that runs already".to_owned());
        }
        (Some(_), Some(_)) => return Err("it has a `command` and a `url`: keep one of them".to_owned()),
        (Some(command), None) => command,
        (None, Some(_)) => {
            let unused = [
                ("handler", handler.is_some()),
                ("environment", !environment.is_empty()),
                ("timeout", timeout.is_some()),
                ("memory", memory.is_some()),
            ];
            return match unused.iter().find(|(_, given)| *given) {
                Some((key, _)) => Err(format!("only a function with a `command` has `{key}`: remove it")),
                None => Ok(None),
            };
        }
    };
    if command.first().is_none_or(String::is_empty) {
        let example = "`command = [\"python3\", \"-m\", \"awslambdaric\", \"app.handler\"]`";
        return Err(format!("`command` names no program: write one, as in {example}"));
    }
    let handler = handler.clone().unwrap_or_else(|| name.to_owned());
    Ok(Some(Program { command: command.clone(), handler, environment: environment.clone() }))
}

/// What calls the function: the key that each trigger has one of.
enum Kind {
    Event(EventType),
    Http(Route),
    Schedule(Schedule),
    Queue(QueueName),
    EventBridge(EventBridge),
    Stream(StreamSource),
    Invoke,
}

impl Kind {
    fn key(&self) -> &'static str {
        match self {
            Self::Event(_) => "event",
            Self::Http(_) => "http",
            Self::Schedule(_) => "schedule",
            Self::Queue(_) => "queue",
            Self::EventBridge(_) => "eventbridge",
            Self::Stream(_) => "stream",
            Self::Invoke => "invoke",
        }
    }

    /// Takes the key out of a trigger, which keeps the options.
    fn take(declared: &mut Trigger) -> Result<Self, String> {
        let streamed = match declared.stream.take() {
            Some(Stream::Source(source)) => Some(source),
            answer => {
                declared.stream = answer;
                None
            }
        };
        let kinds = [
            declared.event.take().map(|Text(event)| Self::Event(event)),
            declared.http.take().map(|Text(route)| Self::Http(route)),
            declared.schedule.take().map(|Text(schedule)| Self::Schedule(schedule)),
            declared.queue.take().map(|Text(queue)| Self::Queue(queue)),
            declared.eventbridge.take().map(Self::EventBridge),
            streamed.map(Self::Stream),
            declared
                .invoke
                .take()
                .map(|invoke| match invoke {
                    true => Ok(Self::Invoke),
                    false => Err("`invoke` is `true`, or left out"),
                })
                .transpose()?,
        ];
        let mut kinds: Vec<Self> = kinds.into_iter().flatten().collect();
        if kinds.len() > 1 {
            let keys: Vec<&str> = kinds.iter().map(Self::key).collect();
            return Err(format!("a trigger has {}: write a trigger for each", list(&keys)));
        }
        kinds.pop().ok_or_else(|| {
            "a trigger needs one of `event`, `http`, `schedule`, `queue`, `eventbridge`, `stream` and `invoke`".to_owned()
        })
    }
}

/// Returns the trigger for the manifest.
fn trigger(mut declared: Trigger, at_url: bool) -> Result<manifest::Trigger, String> {
    let kind = Kind::take(&mut declared)?;
    let key = kind.key();
    if at_url && !matches!(kind, Kind::Event(_) | Kind::Http(_)) {
        return Err(format!("a function at a `url` gets `event` and `http` only, not `{key}`"));
    }
    check_options(&declared, key)?;
    let Trigger { mode, method, path, cors, stream, retry, batch_size, window, .. } = declared;
    Ok(match kind {
        Kind::Event(EventType(event)) => {
            let method = method.map_or(Method::Post, |Text(method)| method);
            let path = path.map_or_else(Path::root, |Text(path)| path);
            let mut trigger = subscription("path", event, mode.unwrap_or(Async), method, path)?;
            trigger.retry = retry.map(|retry| retry_of(&retry, trigger.mode)).transpose()?;
            manifest::Trigger::Event(trigger)
        }
        Kind::Http(Route { method, path }) => {
            let mode = mode.unwrap_or(Sync);
            let mut trigger = subscription(key, HTTP_REQUEST.to_owned(), mode, method, path)?;
            trigger.cors = cors.map(cors_of).transpose()?.flatten();
            trigger.stream = matches!(stream, Some(Stream::Answer(true)));
            if trigger.stream && mode == Async {
                return Err(
                    "nobody waits for the answer of an asynchronous route: remove `stream`, or `mode`"
                        .to_owned(),
                );
            }
            manifest::Trigger::Event(trigger)
        }
        Kind::Schedule(schedule) => manifest::Trigger::Schedule { schedule },
        Kind::Queue(queue) => self::queue(queue, batch_size, window)?,
        Kind::EventBridge(pattern) => {
            let retry = retry.map(|retry| retry_of(&retry, Async)).transpose()?;
            manifest::Trigger::EventBridge { event_bridge: pattern_of(pattern)?, retry }
        }
        Kind::Stream(stream) => self::stream(stream, batch_size, window, retry.as_ref())?,
        Kind::Invoke => manifest::Trigger::Invoke { invoke: true },
    })
}

/// Checks that each option belongs to this kind of trigger.
fn check_options(declared: &Trigger, kind: &str) -> Result<(), String> {
    let options: [(&str, bool, &[&str]); 8] = [
        ("mode", declared.mode.is_some(), &["event", "http"]),
        ("method", declared.method.is_some(), &["event"]),
        ("path", declared.path.is_some(), &["event"]),
        ("retry", declared.retry.is_some(), &["event", "eventbridge", "stream"]),
        ("cors", declared.cors.is_some(), &["http"]),
        ("stream", declared.stream.is_some(), &["http"]),
        ("batch_size", declared.batch_size.is_some(), &["queue", "stream"]),
        ("window", declared.window.is_some(), &["queue", "stream"]),
    ];
    match options.iter().find(|(_, given, kinds)| *given && !kinds.contains(&kind)) {
        Some((option, _, kinds)) => {
            Err(format!("only a trigger with `{}` has `{option}`: remove it", kinds.join("` or `")))
        }
        None => Ok(()),
    }
}

/// Returns a subscription. `key` is the key that has the path.
fn subscription(
    key: &str,
    event_type: String,
    mode: SubscriptionType,
    method: Method,
    path: Path,
) -> Result<EventTrigger, String> {
    if mode == Async {
        path.check_literal().map_err(|mistake| format!("`{key}`: {mistake}"))?;
    }
    Ok(EventTrigger::new(event_type, mode, method, path))
}

fn retry_of(retry: &Retry, mode: SubscriptionType) -> Result<RetryOptions, String> {
    let Retry { attempts, max_age, min_backoff, max_backoff } = *retry;
    if mode == Sync {
        return Err("a synchronous trigger has no `retry`: the emitter gets the answer and can retry itself"
            .to_owned());
    }
    if [attempts, max_age, min_backoff, max_backoff].iter().all(Option::is_none) {
        return Err(
            "`retry` needs one or more of `attempts`, `max_age`, `min_backoff` and `max_backoff`".to_owned()
        );
    }
    if let (Some(min), Some(max)) = (min_backoff, max_backoff) {
        limits::check_backoffs(("`min_backoff`", min.into()), ("`max_backoff`", max.into()))?;
    }
    let mut limits = RetryOptions::default();
    (limits.attempts, limits.max_age) = (attempts, max_age);
    (limits.min_backoff, limits.max_backoff) = (min_backoff, max_backoff);
    Ok(limits)
}

fn cors_of(cors: Cors) -> Result<Option<CorsOptions>, String> {
    let Cors::On(CorsRules { origins, methods, headers, credentials }) = cors else { return Ok(None) };
    check_origins(origins.iter().map(String::as_str), credentials)
        .map_err(|mistake| format!("`cors`: {mistake}"))?;
    let mut options = CorsOptions::default();
    (options.origins, options.methods, options.headers) = (origins, methods, headers);
    options.credentials = credentials;
    Ok(Some(options))
}

/// Returns the pattern. The gateway checks its `detail` when the function is registered.
fn pattern_of(pattern: EventBridge) -> Result<EventPattern, String> {
    let EventBridge { source, detail_type, detail } = pattern;
    let (source, detail_type) = (source.into_list(), detail_type.into_list());
    if source.is_empty() || detail_type.is_empty() {
        return Err("`eventbridge` needs a `source` and a `detail_type`".to_owned());
    }
    check_sources(source.iter().map(String::as_str))?;
    Ok(EventPattern::new(source, detail_type, detail.map(Value::Object)))
}

fn stream(
    stream: StreamSource,
    batch_size: Option<u32>,
    window: Option<u32>,
    retry: Option<&Retry>,
) -> Result<manifest::Trigger, String> {
    let StreamSource { dynamodb, kinesis, kafka } = stream;
    let kinds =
        [(StreamKind::DynamoDb, dynamodb), (StreamKind::Kinesis, kinesis), (StreamKind::Kafka, kafka)];
    let mut named = kinds.into_iter().filter_map(|(kind, name)| Some((kind, name?)));
    let (Some((source, stream)), None) = (named.next(), named.next()) else {
        return Err("`stream` names one stream, as in `{ dynamodb = \"orders\" }`".to_owned());
    };
    check_stream(source, &stream).map_err(|mistake| format!("`{source}`: {mistake}"))?;
    if let Some(size) = batch_size {
        limits::STREAM_BATCH_SIZE.check("`batch_size`", size.into())?;
    }
    if retry.is_some_and(|retry| retry.min_backoff.or(retry.max_backoff).is_some()) {
        return Err(
            "Lambda determines the pauses between the attempts of a stream: remove the backoffs".to_owned()
        );
    }
    let retry = retry.map(|retry| retry_of(retry, Async)).transpose()?;
    Ok(manifest::Trigger::Stream { stream, source, batch_size, window, retry })
}

fn queue(
    queue: QueueName,
    batch_size: Option<u32>,
    window: Option<u32>,
) -> Result<manifest::Trigger, String> {
    check_batch(queue.as_str(), batch_size.map(u64::from), window.map(u64::from))
        .map_err(|(BatchMistake::Size(mistake) | BatchMistake::Window(mistake))| mistake)?;
    Ok(manifest::Trigger::Queue { queue, batch_size, window })
}
