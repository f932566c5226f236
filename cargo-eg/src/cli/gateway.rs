//! Options for the addresses of gateways and the local Lambda, and the parser of times.

use clap::Args;
use eg_grammar::parse_duration;
use eg_sdk::Settings;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::project::deploy::{Bus, Gateway as SelfHosted, Stage};
use crate::state::running::Running;

/// The address of the gateway and the credentials for it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Gateway")]
pub(crate) struct Gateway {
    /// URL of the gateway's Events API [default: that of the app running here, else http://localhost:4000]
    #[arg(long, env = "EVENT_GATEWAY_URL")]
    pub(crate) url: Option<String>,
    /// URL of the gateway's Config API [default: that of the app running here, else port 4001 of the host in --url]
    #[arg(long, env = "EVENT_GATEWAY_CONFIG_URL", value_name = "URL")]
    pub(crate) config_url: Option<String>,
    /// The gateway's space.
    #[arg(long, env = "EVENT_GATEWAY_SPACE", default_value = "default")]
    pub(crate) space: String,
    /// The gateway's access key.
    #[arg(long, env = "EVENT_GATEWAY_ACCESS_KEY", hide_env_values = true, value_name = "KEY")]
    pub(crate) access_key: Option<String>,
}

/// The self-hosted gateway in front of a stage.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Gateway")]
pub(crate) struct BehindGateway {
    /// Put the functions behind the self-hosted gateway at this URL, instead of a bus and an HTTP API [default: `gateway` in eg.toml]
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// URL of its Config API [default: port 4001 of the host in --gateway]
    #[arg(long, value_name = "URL", requires = "gateway")]
    config_url: Option<String>,
    /// Its space [default: default]
    #[arg(long, value_name = "NAME", requires = "gateway")]
    space: Option<String>,
}

impl BehindGateway {
    /// Puts the gateway into the settings of a stage, if the command line names one.
    ///
    /// # Errors
    /// If a URL is not that of a gateway.
    pub(crate) fn put_into(&self, stage: &mut Stage) -> Result<(), eg_sdk::Error> {
        if let Some(url) = &self.gateway {
            let gateway = SelfHosted::new(url, self.config_url.as_deref(), self.space.as_deref())?;
            (stage.gateway, stage.bus, stage.domain) = (Some(gateway), Bus::Own, None);
        }
        Ok(())
    }
}

/// The key of the gateway that calls the functions of a stage.
#[cfg_attr(not(feature = "aws"), allow(dead_code, reason = "without AWS's clients, nobody reads it"))]
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Gateway")]
pub(crate) struct GatewayKey {
    /// Access key of the gateway that calls the functions.
    #[arg(long, env = "EVENT_GATEWAY_ACCESS_KEY", hide_env_values = true, value_name = "KEY")]
    pub(crate) access_key: Option<String>,
}

/// The address of the local Lambda, which also serves queues.
#[derive(Debug, Args)]
pub(crate) struct LocalLambda {
    /// URL of the local Lambda [default: that of the app running here, else http://localhost:9001]
    #[arg(long, env = "AWS_ENDPOINT_URL_LAMBDA", value_name = "URL")]
    lambda_url: Option<String>,
}

impl LocalLambda {
    /// Returns whether the user named one.
    pub(crate) fn is_named(&self) -> bool {
        self.lambda_url.as_deref().is_some_and(|url| !url.is_empty())
    }

    /// Returns the URL without a trailing slash.
    pub(crate) fn url(&self) -> String {
        self.known().unwrap_or_else(|| "http://localhost:9001".to_owned())
    }

    /// Returns the URL that the user named, or that of the app running here, without a trailing slash.
    pub(crate) fn known(&self) -> Option<String> {
        let url = self.lambda_url.clone().filter(|url| !url.is_empty());
        let url = url.or_else(|| Some(Running::here()?.lambda));
        url.map(|url| url.trim_end_matches('/').to_owned())
    }
}

impl Gateway {
    /// Returns the settings for the SDK. An empty variable counts as unset.
    pub(crate) fn settings(&self) -> Settings {
        self.settings_beside(Running::here())
    }

    fn settings_beside(&self, running: Option<Running>) -> Settings {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let mut settings = Settings::default();
        let (url, config) = (self.url.as_deref().and_then(given), self.config_url.as_deref().and_then(given));
        // A URL of another gateway must not be combined with this app's Config API.
        let running = running.filter(|running| url.as_ref().is_none_or(|url| *url == running.events));
        settings.config_url = config.or_else(|| running.as_ref().map(|running| running.config.clone()));
        settings.url = url.or(running.map(|running| running.events)).unwrap_or(settings.url);
        settings.space = given(&self.space).unwrap_or(settings.space);
        settings.access_key = self.access_key.as_deref().and_then(given).map(Into::into);
        settings
    }
}

/// Parses the maximum length of a list.
pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "write a number from 1 on".to_owned())
}

/// Parses a time: `10m` (ago), `2026-01-31T12:00:00Z`, or `2026-01-31`.
pub(crate) fn moment(text: &str) -> Result<OffsetDateTime, String> {
    moment_at(text, OffsetDateTime::now_utc())
}

fn moment_at(text: &str, now: OffsetDateTime) -> Result<OffsetDateTime, String> {
    let time = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let ago = parse_duration(text).ok().and_then(|ago| now.checked_sub(ago.try_into().ok()?));
    ago.or_else(|| time(text)).or_else(|| time(&format!("{text}T00:00:00Z"))).ok_or_else(|| {
        "write how long ago, such as 30s, 10m, 2h or 1d, or a time such as 2026-01-31T12:00:00Z".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_counts_more_than_what_runs() {
        let running = Running {
            pid: 1,
            events: "http://localhost:8080".to_owned(),
            config: "http://localhost:8081".to_owned(),
            lambda: "http://127.0.0.1:8082".to_owned(),
            named: crate::state::running::Named::default(),
        };
        let check = |url: &str, config: &str, running: Option<&Running>, expected: (&str, Option<&str>)| {
            let [url, config] = [url, config].map(|url| (url != "unset").then(|| url.to_owned()));
            let gateway = Gateway { url, config_url: config, space: String::new(), access_key: None };
            let settings = gateway.settings_beside(running.cloned());
            assert_eq!((settings.url.as_str(), settings.config_url.as_deref()), expected);
        };
        check("unset", "", None, ("http://localhost:4000", None));
        check("", "unset", Some(&running), ("http://localhost:8080", Some("http://localhost:8081")));
        check(
            "http://localhost:8080",
            "unset",
            Some(&running),
            ("http://localhost:8080", Some("http://localhost:8081")),
        );
        check("http://other:4000", "unset", Some(&running), ("http://other:4000", None));
        check("unset", "http://other:1", Some(&running), ("http://localhost:8080", Some("http://other:1")));
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let now = OffsetDateTime::parse("2026-01-31T12:00:00Z", &Rfc3339).unwrap();
        let check = |text: &str, expected: Option<&str>| {
            let found = moment_at(text, now).ok().map(|time| time.format(&Rfc3339).unwrap());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("30s", Some("2026-01-31T11:59:30Z"));
        check("10m", Some("2026-01-31T11:50:00Z"));
        check("2h", Some("2026-01-31T10:00:00Z"));
        check("1d", Some("2026-01-30T12:00:00Z"));
        check("2026-01-31T12:00:00+01:00", Some("2026-01-31T12:00:00+01:00"));
        check("2026-01-30", Some("2026-01-30T00:00:00Z"));
        for wrong in ["", "m", "10", "ten minutes", "-5m", "5ä", "99999999999d", "2026-13-01"] {
            check(wrong, None);
        }
    }
}
