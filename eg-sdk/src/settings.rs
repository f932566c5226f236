//! What the environment says about where events go. Reads variables; connects to nothing.

use std::env;

use crate::config::Secret;

/// Where the gateway is and who asks.
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "http://localhost:4000".to_owned(),
            config_url: None,
            space: "default".to_owned(),
            access_key: None,
        }
    }
}

impl Settings {
    /// The settings of this process's environment; an empty variable counts as unset.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_lookup(|name| env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let var = |name| lookup(name).filter(|value| !value.is_empty());
        let defaults = Self::default();
        Self {
            url: var("EVENT_GATEWAY_URL").unwrap_or(defaults.url),
            config_url: var("EVENT_GATEWAY_CONFIG_URL"),
            space: var("EVENT_GATEWAY_SPACE").unwrap_or(defaults.space),
            access_key: var("EVENT_GATEWAY_ACCESS_KEY").map(Secret::from),
        }
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
    fn the_access_key_is_not_printed() {
        let settings = Settings { access_key: Some("top-secret".into()), ..Settings::default() };
        assert!(!format!("{settings:?}").contains("top-secret"));
    }
}
