//! Reads triggers from the arguments of one attribute.

use eg_grammar::{HTTP_REQUEST, Method, Path, did_you_mean};
use quote::ToTokens as _;
use syn::{Error, Ident, LitStr};

use super::mode::Mode;
use super::queue::{self, Queue};
use super::retry::{self, Retry};
use super::stream::{self, Stream};
use super::{Bus, Filter, attribute_span, bus, conditions, timed};
use crate::args::{Args, Cors, Kind, Positional};
use crate::errors::Errors;

/// A trigger of the function.
pub(crate) enum Trigger {
    Subscription(Subscription),
    /// A valid rate or cron expression.
    Schedule(String),
    Queue(Queue),
    /// Events of EventBridge.
    Bus(Bus),
    Stream(Stream),
    /// Requests that the function authorizes.
    Authorizer {
        iam: bool,
    },
    /// Every payload, as Lambda sends it.
    Invoke,
}

/// A subscription at the gateway.
pub(crate) struct Subscription {
    pub(crate) event_type: EventType,
    pub(crate) mode: Mode,
    pub(crate) method: Method,
    pub(crate) path: Path,
    /// Whether the handler gets the HTTP request (`#[http]`) rather than the event.
    pub(crate) http: bool,
    pub(crate) cors: Option<Cors>,
    /// Whether the answer is streamed.
    pub(crate) stream: bool,
    /// The function that authorizes requests.
    pub(crate) authorizer: Option<syn::Path>,
    /// The retry options.
    pub(crate) retry: Option<Retry>,
    /// What an event must meet.
    pub(crate) filter: Option<Filter>,
    /// Whether events with the same key come one after the other.
    pub(crate) ordered: bool,
}

impl Subscription {
    /// Returns whether requests reach the function by its path: those of a route, and those that carry the event of a
    /// synchronous subscription which has a path of its own.
    pub(crate) fn has_route(&self) -> bool {
        let is_event = !matches!(&self.event_type, EventType::Name(name) if name == HTTP_REQUEST);
        let has_path = self.path != Path::root() || self.method != Method::Post;
        self.http || (is_event && self.mode == Mode::Sync && has_path)
    }
}

pub(crate) enum EventType {
    Name(String),
    /// A type that implements `Event`.
    Type(syn::Path),
}

impl Trigger {
    /// Returns the triggers of one attribute; empty after an error that prevents reading them.
    pub(crate) fn read(args: &Args, errors: &mut Errors) -> Vec<Self> {
        match args.kind {
            Kind::Http => http(args, errors).into_iter().map(Self::Subscription).collect(),
            Kind::Subscribe => subscribe(args, errors),
            Kind::Schedule => timed::schedules(args, errors).into_iter().map(Self::Schedule).collect(),
            Kind::Queue => queue::read(args, errors).map(Self::Queue).into_iter().collect(),
            Kind::Stream => stream::read(args, errors).map(Self::Stream).into_iter().collect(),
            Kind::Authorizer => authorizer(args, errors),
            Kind::Invoke => invoke(args, errors),
        }
    }

    /// Reads the route of `#[http]`.
    pub(crate) fn route(&self) -> Option<&Path> {
        match self {
            Self::Subscription(subscription) if subscription.http => Some(&subscription.path),
            _ => None,
        }
    }
}

fn authorizer(args: &Args, errors: &mut Errors) -> Vec<Trigger> {
    for argument in &args.positional {
        let message =
            "`#[authorizer]` takes options only: routes name the function, `#[http(…, authorizer = …)]`";
        errors.at(argument.tokens(), message);
    }
    vec![Trigger::Authorizer { iam: args.iam.is_some() }]
}

fn invoke(args: &Args, errors: &mut Errors) -> Vec<Trigger> {
    for argument in &args.positional {
        let message = "`#[invoke]` takes options only: the type of the last argument is that of the payload";
        errors.at(argument.tokens(), message);
    }
    vec![Trigger::Invoke]
}

/// Reads the route of `#[http]`; for `ANY`, one route per method.
fn http(args: &Args, errors: &mut Errors) -> Vec<Subscription> {
    let mut positional = args.positional.iter();
    let mut method = None;
    let mut path = None;
    for argument in &mut positional {
        match argument {
            Positional::Path(word) if method.is_none() => match word.get_ident() {
                Some(ident) => method = Some(check_methods(ident, errors)),
                None => {
                    errors.at(word, "expected an HTTP method, for example `POST`");
                    method = Some(None);
                }
            },
            Positional::Text(text) if method.is_none() && Method::named(&text.value()).is_some() => {
                errors.at(text, format!("write the method without quotes: `{}`", text.value()));
                method = Some(None);
            }
            Positional::Text(text) if path.is_none() => path = Some(check_path(text, errors)),
            Positional::Path(word)
                if path.is_none()
                    && !word.is_ident("ANY")
                    && !Method::ALL.iter().any(|method| word.is_ident(method.as_str())) =>
            {
                let message = match Positional::is_constant(word) {
                    true => args.kind.literal(),
                    false => format!("write the path as a string: `\"/{}\"`", word.to_token_stream()),
                };
                errors.at(word, message);
                path = Some(None);
            }
            other => {
                errors
                    .at(other.tokens(), "`#[http]` takes one method and one path; stack a second attribute");
            }
        }
    }
    let missing = match (&method, &path) {
        _ if args.incomplete => None,
        (None, None) => Some("which requests?"),
        (None, Some(_)) => Some("the method is missing,"),
        (Some(_), None) => Some("the path is missing,"),
        (Some(_), Some(_)) => None,
    };
    if let Some(missing) = missing {
        let message = format!("{missing} as in `#[http(POST, \"/users\")]`");
        errors.push(Error::new(attribute_span(), message));
    }
    let mode = mode(args, Mode::Sync, errors);
    let (Some(Some(methods)), Some(Some(path))) = (method, path) else { return Vec::new() };
    check_literal_when_async(mode, &path, args, errors);
    if let (Some(stream), Mode::Async) = (&args.stream, mode) {
        errors.at(stream, "nobody waits for the answer of an asynchronous route: remove `stream`, or `mode`");
    }
    let route = |method| Subscription {
        event_type: EventType::Name(HTTP_REQUEST.to_owned()),
        mode,
        method,
        path: path.clone(),
        http: true,
        cors: args.cors.clone(),
        stream: args.stream.is_some(),
        authorizer: args.authorizer.clone(),
        retry: None,
        filter: None,
        ordered: false,
    };
    methods.into_iter().map(route).collect()
}

fn subscribe(args: &Args, errors: &mut Errors) -> Vec<Trigger> {
    if args.positional.is_empty() && !args.incomplete {
        let message = "the event type is missing, as in `#[subscribe(\"user.created\")]` or `#[subscribe(UserCreated)]`";
        errors.push(Error::new(attribute_span(), message));
    }
    let mode = mode(args, Mode::Async, errors);
    let method = args.method.as_ref().map_or(Some(Method::Post), |ident| check_method(ident, errors));
    let path = args.path.as_ref().map_or_else(|| Some(Path::root()), |text| check_path(text, errors));
    let retry = args.retry.as_ref().map(|retry| retry::read(retry, mode, errors));
    let filter = args.conditions.as_ref().map(|conditions| conditions::read(conditions, errors));
    check_asynchronous(args, mode, errors);
    let mut seen: Vec<String> = Vec::new();
    let mut triggers = Vec::new();
    for argument in &args.positional {
        let text = argument.tokens().to_string();
        if seen.contains(&text) {
            errors.at(argument.tokens(), format!("{text} is listed twice"));
        }
        seen.push(text);
        let event_type = match argument {
            Positional::Text(name) => EventType::Name(check_event_type(name, errors)),
            Positional::Path(path) => EventType::Type(path.clone()),
            Positional::EventBridge(pattern) => {
                check_bus_options(args, errors);
                triggers.push(Trigger::Bus(bus::read(pattern, retry.clone(), errors)));
                continue;
            }
            // Only `#[stream]` has these.
            Positional::Stream { .. } => continue,
        };
        if let (Some(method), Some(path)) = (&method, &path) {
            let (path, retry, filter) = (path.clone(), retry.clone(), filter.clone());
            let method = *method;
            triggers.push(Trigger::Subscription(Subscription {
                event_type,
                mode,
                method,
                path,
                http: false,
                cors: None,
                stream: false,
                authorizer: None,
                retry,
                filter,
                ordered: args.ordered.is_some(),
            }));
        }
    }
    if let Some(path) = &path {
        check_literal_when_async(mode, path, args, errors);
    }
    triggers
}

/// Checks that no option is for events whose emitter does not wait, if it does.
fn check_asynchronous(args: &Args, mode: Mode, errors: &mut Errors) {
    if mode == Mode::Async {
        return;
    }
    if let Some(conditions) = &args.conditions {
        let message = "the emitter of a synchronous event waits for an answer, so the function gets every event: remove \
                       `where`, or `mode`";
        errors.at(&conditions.key, message);
    }
    if let Some(ordered) = &args.ordered {
        let message = "the emitter of a synchronous event waits for its answer, so events have no order: remove `ordered`, \
                       or `mode`";
        errors.at(ordered, message);
    }
}

/// Checks that no option is for events that are posted to the gateway.
fn check_bus_options(args: &Args, errors: &mut Errors) {
    let why = "an event of EventBridge has no path and no method, and nobody waits for its answer";
    if let Some(mode) = args.mode.as_ref().filter(|mode| mode.value() == "sync") {
        errors.at(mode, why);
    }
    if let Some(path) = &args.path {
        errors.at(path, why);
    }
    if let Some(method) = &args.method {
        errors.at(method, why);
    }
    if let Some(conditions) = &args.conditions {
        let message = "the pattern of `eventbridge` has its conditions in `detail`, whose types are not known: write \
                       `eventbridge(…, detail = {…})`";
        errors.at(&conditions.key, message);
    }
    if let Some(ordered) = &args.ordered {
        errors.at(ordered, "EventBridge delivers events in no order: remove `ordered`");
    }
}

fn mode(args: &Args, default: Mode, errors: &mut Errors) -> Mode {
    let Some(text) = &args.mode else { return default };
    match text.value().as_str() {
        "sync" => Mode::Sync,
        "async" => Mode::Async,
        other => {
            let hint = did_you_mean(other, &["sync", "async"]);
            errors
                .at(text, format!("unknown mode {other:?}{hint}; the modes are `\"sync\"` and `\"async\"`"));
            default
        }
    }
}

/// Reads the method of a route, or `ANY`, which is all of them.
fn check_methods(ident: &Ident, errors: &mut Errors) -> Option<Vec<Method>> {
    let name = ident.to_string();
    match name.to_ascii_uppercase().as_str() {
        "ANY" if name == "ANY" => return Some(Method::ALL.to_vec()),
        "ANY" | "ALL" => {
            errors.at(ident, format!("`{name}` is no HTTP method; for all methods, write `ANY`"));
            return None;
        }
        _ => {}
    }
    check_method(ident, errors).map(|method| vec![method])
}

fn check_method(ident: &Ident, errors: &mut Errors) -> Option<Method> {
    ident.to_string().parse().map_err(|mistake| errors.at(ident, mistake)).ok()
}

fn check_path(text: &LitStr, errors: &mut Errors) -> Option<Path> {
    text.value().parse().map_err(|mistake| errors.at(text, mistake)).ok()
}

/// Reads the event type in a literal, and reports errors at the literal.
pub(crate) fn check_event_type(text: &LitStr, errors: &mut Errors) -> String {
    let name = text.value();
    if let Err(mistake) = eg_grammar::check_event_type(&name) {
        errors.at(text, mistake);
    }
    name
}

/// Checks that an asynchronous subscription has a literal path, and reports errors at the path.
fn check_literal_when_async(mode: Mode, path: &Path, args: &Args, errors: &mut Errors) {
    if mode == Mode::Sync {
        return;
    }
    let Err(mistake) = path.check_literal() else { return };
    let text = args.positional.iter().find_map(|argument| match argument {
        Positional::Text(text) if args.kind == Kind::Http => Some(text),
        _ => args.path.as_ref(),
    });
    match text {
        Some(text) => errors.at(text, mistake),
        None => errors.push(Error::new(attribute_span(), mistake)),
    }
}
