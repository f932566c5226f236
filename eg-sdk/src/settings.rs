//! Reads the client's settings from environment variables. Connects to nothing.

use std::env;

use eg_grammar::variable::{CONNECTIONS, EVENT_BUS};

use crate::config::{Aws, Secret};
use crate::eventbridge::{DetailFormat, MAX_EVENT_BYTES};

/// The address of the gateway and the credentials of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// `EVENT_GATEWAY_URL`: the Events API. Default `http://localhost:4000`.
    pub url: String,
    /// `EVENT_GATEWAY_CONFIG_URL`: the Config API. Default: the same host, port 4001.
    pub config_url: Option<String>,
    /// `EVENT_GATEWAY_SPACE`. Default `default`.
    pub space: String,
    /// `EVENT_GATEWAY_ACCESS_KEY`, sent as a bearer token.
    pub access_key: Option<Secret>,
    /// `EVENT_BUS`: the bus that receives emitted events instead of the gateway (feature `eventbridge`). Requests and
    /// the Config API still use the gateway.
    pub event_bus: Option<EventBus>,
}

/// An event bus of EventBridge and the access to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventBus {
    /// `EVENT_BUS`: its name, or its ARN for a bus of another account or region.
    pub name: String,
    /// `AWS_REGION` (else `AWS_DEFAULT_REGION`), `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
    /// `AWS_SESSION_TOKEN`, as set by Lambda. The region of an ARN takes precedence.
    pub aws: Aws,
    /// `AWS_ENDPOINT_URL_EVENTBRIDGE`, else `AWS_ENDPOINT_URL`. Default: the region's public endpoint.
    pub endpoint: Option<String>,
    /// The maximum size in bytes of an event, and of all events of a call together. Default: 1 MiB, the limit since
    /// January 2026. Set 262,144 for partitions with the previous limit.
    pub max_event_bytes: usize,
    /// The content of an event's `detail`. Default: the payload.
    pub detail: DetailFormat,
}

impl EventBus {
    /// Creates the settings of a bus from its name or ARN.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            aws: Aws::default(),
            endpoint: None,
            max_event_bytes: MAX_EVENT_BYTES,
            detail: DetailFormat::default(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "http://localhost:4000".to_owned(),
            config_url: None,
            space: "default".to_owned(),
            access_key: None,
            event_bus: None,
        }
    }
}

impl Settings {
    /// Reads the settings from this process's environment. An empty variable counts as unset.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_lookup(|name| env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&'static str) -> Option<String>) -> Self {
        let var = |name: &'static str| lookup(name).filter(|value| !value.is_empty());
        let defaults = Self::default();
        Self {
            url: var("EVENT_GATEWAY_URL").unwrap_or(defaults.url),
            config_url: var("EVENT_GATEWAY_CONFIG_URL"),
            space: var("EVENT_GATEWAY_SPACE").unwrap_or(defaults.space),
            access_key: var("EVENT_GATEWAY_ACCESS_KEY").map(Secret::from),
            event_bus: var(EVENT_BUS).map(|name| EventBus {
                aws: aws(var),
                endpoint: var("AWS_ENDPOINT_URL_EVENTBRIDGE").or_else(|| var("AWS_ENDPOINT_URL")),
                ..EventBus::new(name)
            }),
        }
    }
}

/// Reads the access to AWS that Lambda sets.
fn aws(var: impl Fn(&'static str) -> Option<String>) -> Aws {
    Aws {
        region: var("AWS_REGION").or_else(|| var("AWS_DEFAULT_REGION")).unwrap_or_default(),
        aws_access_key_id: var("AWS_ACCESS_KEY_ID").map(Secret::from),
        aws_secret_access_key: var("AWS_SECRET_ACCESS_KEY").map(Secret::from),
        aws_session_token: var("AWS_SESSION_TOKEN").map(Secret::from),
    }
}

/// The access to the connections of a WebSocket API.
#[derive(Debug)]
pub(crate) struct ConnectionsAccess {
    pub(crate) aws: Aws,
    /// `AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI`. `AWS_ENDPOINT_URL` has no stage, so it does not count.
    pub(crate) endpoint: Option<String>,
}

impl ConnectionsAccess {
    /// Reads the access from this process's environment.
    pub(crate) fn from_env() -> Self {
        let var = |name| env::var(name).ok().filter(|value: &String| !value.is_empty());
        Self { aws: aws(var), endpoint: var(CONNECTIONS) }
    }
}

/// A queue of SQS and the access to it.
#[cfg(feature = "eventbridge")]
#[derive(Debug)]
pub(crate) struct QueueAccess {
    /// Its URL.
    pub(crate) queue: String,
    pub(crate) aws: Aws,
    /// `AWS_ENDPOINT_URL_SQS`, else `AWS_ENDPOINT_URL`.
    pub(crate) endpoint: Option<String>,
}

#[cfg(feature = "eventbridge")]
impl QueueAccess {
    /// Reads the access to the queue whose URL is in `variable`, if it is set.
    pub(crate) fn from_env(variable: &'static str) -> Option<Self> {
        let var = |name| env::var(name).ok().filter(|value: &String| !value.is_empty());
        let endpoint = || var("AWS_ENDPOINT_URL_SQS").or_else(|| var("AWS_ENDPOINT_URL"));
        var(variable).map(|queue| Self { queue, aws: aws(var), endpoint: endpoint() })
    }
}

/// The access to the services that keep secrets.
#[cfg(feature = "secrets")]
#[derive(Debug)]
pub(crate) struct SecretsAccess {
    pub(crate) aws: Aws,
    /// `AWS_ENDPOINT_URL_SSM`, else `AWS_ENDPOINT_URL`.
    pub(crate) parameters: Option<String>,
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER`, else `AWS_ENDPOINT_URL`.
    pub(crate) secrets: Option<String>,
}

#[cfg(feature = "secrets")]
impl SecretsAccess {
    /// Reads the access from this process's environment.
    pub(crate) fn from_env() -> Self {
        let var = |name| env::var(name).ok().filter(|value: &String| !value.is_empty());
        let endpoint = |name| var(name).or_else(|| var("AWS_ENDPOINT_URL"));
        let [parameters, secrets] =
            ["AWS_ENDPOINT_URL_SSM", "AWS_ENDPOINT_URL_SECRETS_MANAGER"].map(endpoint);
        Self { aws: aws(var), parameters, secrets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_overrides_defaults_and_empty_is_unset() {
        let settings = Settings::from_lookup(|name| match name {
            "EVENT_GATEWAY_URL" => Some("http://gw:80".into()),
            "EVENT_GATEWAY_SPACE" => Some(String::new()),
            _ => None,
        });
        assert_eq!(settings, Settings { url: "http://gw:80".into(), ..Settings::default() });
    }

    #[test]
    fn an_event_bus_takes_what_lambda_sets() {
        let settings = |variables: &[(&str, &str)]| {
            Settings::from_lookup(|name| {
                variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let aws = [
            ("AWS_REGION", "eu-central-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "key"),
            ("AWS_SESSION_TOKEN", "token"),
            ("AWS_ENDPOINT_URL", "http://all"),
        ];
        assert_eq!(settings(&aws).event_bus, None);
        let bus = settings(&[&aws[..], &[("EVENT_BUS", "shop")]].concat()).event_bus.unwrap();
        let credentials = Aws {
            region: "eu-central-1".into(),
            aws_access_key_id: Some("id".into()),
            aws_secret_access_key: Some("key".into()),
            aws_session_token: Some("token".into()),
        };
        let expected =
            EventBus { aws: credentials, endpoint: Some("http://all".into()), ..EventBus::new("shop") };
        assert_eq!(bus, expected);
        assert!(!format!("{bus:?}").contains("\"key\""));
        let own = [("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_EVENTBRIDGE", "http://own")];
        let bus = settings(&[&own[..], &[("EVENT_BUS", "shop"), ("AWS_DEFAULT_REGION", "x")]].concat());
        let bus = bus.event_bus.unwrap();
        assert_eq!((bus.endpoint.as_deref(), &*bus.aws.region), (Some("http://own"), "x"));
    }

    #[test]
    fn the_access_key_is_not_printed() {
        let settings = Settings { access_key: Some("top-secret".into()), ..Settings::default() };
        assert!(!format!("{settings:?}").contains("top-secret"));
    }
}
