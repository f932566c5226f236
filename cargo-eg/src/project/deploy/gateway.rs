//! The self-hosted gateway of a stage: where it is. `registration` registers functions there.

use std::fmt;

use eg_sdk::{EventGateway, Settings};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// The variables of the SDK with the address and the space of a gateway.
pub(crate) const URL: &str = "EVENT_GATEWAY_URL";
const SPACE: &str = "EVENT_GATEWAY_SPACE";

/// A gateway: `gateway = "https://gateway.example"`, or a table with more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gateway {
    /// Its Events API, without a slash at the end.
    pub(crate) url: String,
    /// Its Config API. `None`: port 4001 of the same host.
    pub(crate) config_url: Option<String>,
    /// Its space. `None`: the default one.
    pub(crate) space: Option<String>,
}

impl Gateway {
    /// Checks the addresses.
    pub(crate) fn new(
        url: &str,
        config_url: Option<&str>,
        space: Option<&str>,
    ) -> Result<Self, eg_sdk::Error> {
        let plain = |url: &str| url.trim().trim_end_matches('/').to_owned();
        let gateway = Self {
            url: plain(url),
            config_url: config_url.map(plain),
            space: space.filter(|space| *space != Settings::default().space).map(str::to_owned),
        };
        gateway.client(None)?;
        Ok(gateway)
    }

    /// Returns a client of the gateway, which calls it with an access key if there is one.
    pub(crate) fn client(&self, access_key: Option<&str>) -> Result<EventGateway, eg_sdk::Error> {
        EventGateway::with_settings(self.settings(access_key))
    }

    /// Returns the settings of a client.
    pub(crate) fn settings(&self, access_key: Option<&str>) -> Settings {
        let mut settings = Settings::default();
        settings.url.clone_from(&self.url);
        settings.config_url.clone_from(&self.config_url);
        settings.space = self.space.clone().unwrap_or(settings.space);
        settings.access_key = access_key.filter(|key| !key.is_empty()).map(Into::into);
        settings
    }

    /// Returns the variables by which functions find it.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let space = self.space.as_deref().map(|space| (SPACE, space));
        std::iter::once((URL, self.url.as_str())).chain(space)
    }
}

impl<'de> Deserialize<'de> for Gateway {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Declared {
            url: String,
            config_url: Option<String>,
            space: Option<String>,
        }
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Gateway;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the URL of a gateway, or a table with `url`, `config_url` and `space`")
            }

            fn visit_str<E: Error>(self, url: &str) -> Result<Gateway, E> {
                Gateway::new(url, None, None).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Gateway, A::Error> {
                let Declared { url, config_url, space } =
                    Declared::deserialize(MapAccessDeserializer::new(map))?;
                Gateway::new(&url, config_url.as_deref(), space.as_deref()).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_any(Read)
    }
}
