//! Turns the JSON body of a Config API request into a valid resource: decoding, defaults and field rules, with the texts of
//! Event Gateway 0.9.1. `changes` checks a resource against the others.

use eg_grammar::{Method, cors as defaults, is_event_type, is_resource_name, limits};
use eg_sdk::config::{
    Aws, Cors, EventType, Function, Metadata, Provider, Retry, Secret, Subscription, SubscriptionType,
};
use serde_json::Value;

use super::fields::Fields;
use super::policy;
use super::refusal::{Kind, Refusal};
use super::secrets;
use super::signing::SigningKey;
use super::targets::PrivateTargets;
use eg_sdk::pattern::Pattern;

const IS_METHOD: Rule =
    ("eq=GET|eq=POST|eq=DELETE|eq=PUT|eq=PATCH|eq=HEAD|eq=OPTIONS", |method| Method::named(method).is_some());

const REQUIRED: Rule = ("required", |value| !value.is_empty());

/// Returns the event type that `body` describes. `name` is the one in the URL; it takes precedence over the body's.
pub(crate) fn event_type(space: &str, name: Option<&str>, body: &[u8]) -> Result<EventType, Refusal> {
    let decode = || {
        let mut fields = Fields::parse(body)?;
        let given = fields.string("name")?;
        let mut event_type = EventType::new(name.map_or(given, str::to_owned));
        space.clone_into(&mut event_type.space);
        event_type.authorizer_id = fields.optional_string("authorizerId")?;
        event_type.metadata = fields.metadata()?;
        Ok(event_type)
    };
    let event_type: EventType = decode().map_err(|detail| invalid(Kind::EventType, detail))?;
    let mut check = Check::new("Type");
    check.space(space);
    check.field("Name", &event_type.name, &[REQUIRED]);
    check.done(Kind::EventType)?;
    Ok(event_type)
}

/// Returns the function that `body` describes. `id` is the one in the URL; it takes precedence over the body's. `allowed`
/// are the private addresses where the function may be.
pub(crate) fn function(
    space: &str,
    id: Option<&str>,
    body: &[u8],
    allowed: &PrivateTargets,
) -> Result<Function, Refusal> {
    let decode = || {
        let mut fields = Fields::parse(body)?;
        let function_id = fields.string("functionId")?;
        let metadata = fields.metadata()?;
        let concurrency = fields.value("concurrency").as_ref().map(concurrency).transpose()?;
        let timeout = fields.value("timeout").as_ref().map(timeout).transpose()?;
        let stream = fields.flag("stream")?;
        let provider = provider(&mut fields, allowed)?;
        if stream && !matches!(provider, Provider::Http { .. } | Provider::AwsLambda { .. }) {
            return Err(
                "stream is true: only functions of http and awslambda stream their answers".to_owned()
            );
        }
        let mut function = Function::new(id.map_or(function_id, str::to_owned), provider);
        space.clone_into(&mut function.space);
        function.metadata = metadata;
        function.concurrency = concurrency;
        function.timeout = timeout;
        function.stream = stream;
        Ok(function)
    };
    let function: Function = decode().map_err(|detail| invalid(Kind::Function, detail))?;
    let mut check = Check::new("Function");
    check.space(space);
    check.field("ID", &function.function_id, &[REQUIRED, ("functionid", is_resource_name)]);
    check.done(Kind::Function)?;
    Ok(function)
}

fn concurrency(value: &Value) -> Result<u32, String> {
    let limit = value.as_u64().and_then(|limit| u32::try_from(limit).ok()).filter(|limit| *limit > 0);
    limit.ok_or_else(|| format!("concurrency is {value}: it must be a whole number from 1 to {}", u32::MAX))
}

fn timeout(value: &Value) -> Result<u32, String> {
    let seconds = value.as_u64().filter(|seconds| limits::CALL_TIMEOUT.contains(*seconds));
    let seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
    seconds.ok_or_else(|| limits::CALL_TIMEOUT.refuse("timeout", value).into())
}

/// The error text of a gateway that was built without the feature `aws`.
pub(crate) const NEEDS_AWS: &str =
    "needs AWS's clients, which this gateway was built without: build it with the Cargo feature `aws`";

/// Reads the settings of one type of provider; `None` when a required one is missing.
type ReadProvider = fn(&mut Fields) -> Result<Option<Provider>, String>;

fn provider(fields: &mut Fields, allowed: &PrivateTargets) -> Result<Provider, String> {
    let kind = fields.string("type")?;
    let (name, known): (_, ReadProvider) = match kind.as_str() {
        "http" => ("HTTP endpoint", |p| Ok(required(p, "url")?.map(|url| Provider::Http { url }))),
        "webhook" => ("webhook", |p| {
            let secrets = signing_secrets(p)?;
            Ok(required(p, "url")?.zip(secrets).map(|(url, secrets)| Provider::Webhook { url, secrets }))
        }),
        "awslambda" => ("AWS Lambda function", |p| {
            Ok(required(p, "arn")?.zip(aws(p)?).map(|(arn, aws)| Provider::AwsLambda { arn, aws }))
        }),
        "awskinesis" | "awsfirehose" | "awssqs" if !cfg!(feature = "aws") => {
            return Err(format!("provider {kind} {NEEDS_AWS}"));
        }
        "awskinesis" => ("AWS Kinesis function", |p| {
            let stream = required(p, "streamName")?.zip(aws(p)?);
            Ok(stream.map(|(stream_name, aws)| Provider::AwsKinesis { stream_name, aws }))
        }),
        "awsfirehose" => ("AWS Firehose function", |p| {
            let stream = required(p, "deliveryStreamName")?.zip(aws(p)?);
            Ok(stream.map(|(delivery_stream_name, aws)| Provider::AwsFirehose { delivery_stream_name, aws }))
        }),
        "awssqs" => ("AWS SQS function", |p| {
            Ok(required(p, "queueUrl")?
                .zip(aws(p)?)
                .map(|(queue_url, aws)| Provider::AwsSqs { queue_url, aws }))
        }),
        "" => return Err("provider configuration not set".to_owned()),
        other => return Err(format!("provider {other} not supported")),
    };
    let unreadable = |e| format!("unable to load function provider config: {e}");
    let mut settings =
        fields.object("provider").map_err(unreadable)?.ok_or("provider configuration not set")?;
    let provider = known(&mut settings).map_err(unreadable)?;
    let provider = provider.ok_or_else(|| format!("missing required fields for {name}"))?;
    if let Provider::Http { url } | Provider::Webhook { url, .. } = &provider {
        let parsed = http_url(url)
            .ok_or_else(|| unreadable(format!("url `{url}` is not an absolute http:// or https:// URL")))?;
        if !secrets::is_plain(url, &parsed) {
            return Err(unreadable(
                "the url has a password: write it as https://user:password@host/".to_owned(),
            ));
        }
        let host = parsed.host_str().unwrap_or_default();
        allowed.check_host(host).map_err(|blocked| unreadable(format!("url `{url}`: {blocked}")))?;
    }
    Ok(provider)
}

/// Reads the secrets of a webhook; `None` if there are none. A mask stands for a stored one.
fn signing_secrets(settings: &mut Fields) -> Result<Option<Vec<Secret>>, String> {
    let Some(value) = settings.value("secrets") else { return Ok(None) };
    let texts: Vec<String> = serde_json::from_value(value)
        .map_err(|_| "secrets must be a list of texts such as [\"whsec_…\"]".to_owned())?;
    let given: Vec<Secret> = texts.into_iter().map(Secret::from).collect();
    for secret in given.iter().filter(|secret| !secrets::is_masked(secret)) {
        SigningKey::read(secret)?;
    }
    Ok(Some(given).filter(|given| !given.is_empty()))
}

fn required(settings: &mut Fields, name: &str) -> Result<Option<String>, String> {
    Ok(settings.optional_string(name)?.filter(|value| !value.is_empty()))
}

fn aws(settings: &mut Fields) -> Result<Option<Aws>, String> {
    let mut secret = |name| Ok::<_, String>(required(settings, name)?.map(Secret::from));
    let aws_access_key_id = secret("awsAccessKeyId")?;
    let aws_secret_access_key = secret("awsSecretAccessKey")?;
    let aws_session_token = secret("awsSessionToken")?;
    let aws = |region| {
        let mut aws = Aws::new(region);
        aws.aws_access_key_id = aws_access_key_id;
        aws.aws_secret_access_key = aws_secret_access_key;
        aws.aws_session_token = aws_session_token;
        aws
    };
    Ok(required(settings, "region")?.map(aws))
}

fn http_url(url: &str) -> Option<url::Url> {
    url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// Returns the subscription that `body` describes, with defaults and id.
pub(crate) fn subscription(space: &str, body: &[u8]) -> Result<Subscription, Refusal> {
    struct Draft {
        kind: String,
        event_type: String,
        function_id: String,
        path: String,
        method: String,
        metadata: Metadata,
        retry: Option<Retry>,
        filter: Option<Value>,
        ordered: bool,
        disabled: Option<String>,
    }
    let decode = || {
        let mut fields = Fields::parse(body)?;
        Ok(Draft {
            kind: fields.string("type")?,
            event_type: fields.string("eventType")?,
            function_id: fields.string("functionId")?,
            path: fields.string("path")?,
            method: fields.string("method")?.to_uppercase(),
            metadata: fields.metadata()?,
            retry: fields.value("retry").map(policy::read).transpose()?.flatten(),
            filter: fields.value("filter"),
            ordered: fields.flag("ordered")?,
            disabled: fields.optional_string("disabled")?.filter(|why| !why.is_empty()),
        })
    };
    let mut draft: Draft = decode().map_err(|detail| invalid(Kind::Subscription, detail))?;
    if !draft.path.starts_with('/') {
        draft.path.insert(0, '/');
    }
    if draft.method.is_empty() {
        "POST".clone_into(&mut draft.method);
    }
    let kind = match draft.kind.as_str() {
        "async" => Some(SubscriptionType::Async),
        "sync" => Some(SubscriptionType::Sync),
        _ => None,
    };
    let mut check = Check::new("Subscription");
    check.space(space);
    check.field(
        "Type",
        &draft.kind,
        &[REQUIRED, ("eq=async|eq=sync", |kind| matches!(kind, "async" | "sync"))],
    );
    check.field("EventType", &draft.event_type, &[REQUIRED, ("eventType", is_event_type)]);
    check.field("FunctionID", &draft.function_id, &[REQUIRED]);
    check.field("Method", &draft.method, &[IS_METHOD]);
    check.done(Kind::Subscription)?;
    let Some(kind) = kind else {
        return Err(invalid(Kind::Subscription, format!("type `{}` is neither sync nor async", draft.kind)));
    };
    let Draft { event_type, function_id, path, method, metadata, retry, filter, ordered, disabled, .. } =
        draft;
    if let Some(filter) = &filter {
        Pattern::check_numbers(filter)
            .and_then(|()| Pattern::read(filter).map(drop))
            .map_err(|detail| invalid(Kind::Subscription, detail))?;
    }
    if kind == SubscriptionType::Sync
        && (retry.is_some() || filter.is_some() || ordered || disabled.is_some())
    {
        let detail = "retry, filter, ordered and disabled are for async subscriptions: the emitter of a sync one waits \
                      for the answer";
        return Err(invalid(Kind::Subscription, detail.to_owned()));
    }
    let mut subscription = Subscription::asynchronous(event_type, function_id);
    space.clone_into(&mut subscription.space);
    subscription.kind = kind;
    subscription.path = path;
    subscription.method = method;
    subscription.metadata = metadata;
    subscription.retry = retry;
    subscription.filter = filter;
    subscription.ordered = ordered;
    subscription.disabled = disabled;
    subscription.subscription_id = subscription.derived_id();
    Ok(subscription)
}

/// Returns the CORS configuration that `body` describes, with defaults and id.
pub(crate) fn cors(space: &str, body: &[u8]) -> Result<Cors, Refusal> {
    let decode = || {
        let mut fields = Fields::parse(body)?;
        let mut list = |name, default: &[&str]| {
            let given = fields.strings(name)?;
            let default = || default.iter().map(|&item| item.to_owned()).collect();
            Ok::<_, String>(if given.is_empty() { default() } else { given })
        };
        let allowed_origins = list("allowedOrigins", &defaults::DEFAULT_ORIGINS)?;
        let allowed_methods = list("allowedMethods", &defaults::DEFAULT_METHODS)?;
        let allowed_headers = list("allowedHeaders", &defaults::DEFAULT_HEADERS)?;
        let (method, path) = (fields.string("method")?, fields.string("path")?);
        let mut cors = Cors::new(method, path);
        space.clone_into(&mut cors.space);
        cors.allowed_origins = allowed_origins;
        cors.allowed_methods = allowed_methods;
        cors.allowed_headers = allowed_headers;
        cors.allow_credentials = fields.flag("allowCredentials")?;
        cors.metadata = fields.metadata()?;
        cors.cors_id = cors.derived_id();
        Ok(cors)
    };
    let cors: Cors = decode().map_err(|detail| invalid(Kind::Cors, detail))?;
    let mut check = Check::new("CORS");
    check.space(space);
    check.field("Method", &cors.method, &[REQUIRED, IS_METHOD]);
    check.field("Path", &cors.path, &[("path", |path| path.starts_with('/'))]);
    check.done(Kind::Cors)?;
    Ok(cors)
}

fn invalid(kind: Kind, detail: String) -> Refusal {
    Refusal::Invalid { kind, detail }
}

/// A rule: its tag in error texts, and whether a value keeps it.
type Rule = (&'static str, fn(&str) -> bool);

/// Collects the fields that break a rule, one line each.
struct Check {
    resource: &'static str,
    failures: Vec<String>,
}

impl Check {
    fn new(resource: &'static str) -> Self {
        Self { resource, failures: Vec::new() }
    }

    fn space(&mut self, space: &str) {
        self.field("Space", space, &[("min", |space| space.len() >= 3), ("space", is_resource_name)]);
    }

    /// Records the first rule that `value` breaks.
    fn field(&mut self, name: &str, value: &str, rules: &[Rule]) {
        if let Some((tag, _)) = rules.iter().find(|(_, holds)| !holds(value)) {
            let resource = self.resource;
            self.failures.push(format!(
                "Key: '{resource}.{name}' Error:Field validation for '{name}' failed on the '{tag}' tag"
            ));
        }
    }

    fn done(self, kind: Kind) -> Result<(), Refusal> {
        if self.failures.is_empty() { Ok(()) } else { Err(invalid(kind, self.failures.join("\n"))) }
    }
}
