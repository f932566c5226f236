//! Flags for a store in a database. The library opens it.

use std::time::Duration;

use eg_gateway::{Options, StoreUrl};
use eg_grammar::parse_duration;

/// The variable that names the database where a command line would show its password.
const VARIABLE: &str = "EVENT_GATEWAY_STORE";

#[derive(Debug, clap::Args)]
pub(super) struct Store {
    /// URL of a PostgreSQL database to keep the store in, instead of --embed-data-dir: postgres://USER:PASSWORD@HOST/DATABASE.
    /// Any number of gateways may work with the same one [default: $EVENT_GATEWAY_STORE]
    #[arg(long, value_name = "URL", conflicts_with = "embed_data_dir")]
    store: Option<String>,
    /// How long a gateway that works with --store may be silent before the others take over what it had under way
    #[arg(long, value_name = "DURATION", default_value = "8s", value_parser = parse_duration)]
    store_lease: Duration,
}

impl Store {
    /// Sets the options. `variable` reads the environment.
    pub(super) fn apply(
        &self,
        options: &mut Options,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(), String> {
        if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&self.store_lease) {
            return Err("--store-lease must be between 1s and 60s".to_owned());
        }
        options.store_lease = self.store_lease;
        options.store = url(self.store.as_deref(), variable)?;
        Ok(())
    }
}

/// Reads the URL of a database, which a flag or the environment names.
pub(super) fn url(
    flag: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<StoreUrl>, String> {
    let (url, from) = match flag {
        Some(url) => (Some(url.to_owned()), "--store"),
        None => (variable(VARIABLE).filter(|url| !url.is_empty()), VARIABLE),
    };
    url.map(|url| url.parse().map_err(|error| format!("{from}: {error}"))).transpose()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Cli, two_dashes};
    use super::*;

    fn options(args: &[&str], variable: Option<&str>) -> Result<Options, String> {
        let args = std::iter::once("event-gateway").chain(args.iter().copied());
        let cli =
            Cli::try_parse_from(args.map(|arg| two_dashes(arg.into()))).map_err(|error| error.to_string())?;
        let mut options = Options::new("/data");
        cli.store.apply(&mut options, |_| variable.map(str::to_owned))?;
        Ok(options)
    }

    #[test]
    fn the_store_may_be_in_a_database() {
        const URL: &str = "postgres://u:secret@localhost/d";
        let is_shared = |args: &[&str], variable| options(args, variable).unwrap().store.is_some();
        assert!(is_shared(&["-store", URL], None) && is_shared(&[], Some(URL)));
        assert!(!is_shared(&[], Some("")));
        assert!(!format!("{:?}", options(&[], Some(URL)).unwrap()).contains("secret"));
        assert_eq!(options(&["-store-lease=2s"], None).unwrap().store_lease, Duration::from_secs(2));
        for (args, variable, expected) in [
            (&["-store", URL, "-embed-data-dir=d"][..], None, "cannot be used with"),
            (
                &["-store=mysql://u:secret@h/d"],
                None,
                "--store: the URL of the store is wrong: its scheme is `mysql`",
            ),
            (&[], Some("postgres://h/d?sslmode=allow"), "EVENT_GATEWAY_STORE: the URL of the store is wrong"),
            (&["-store-lease=100ms"], None, "between 1s and 60s"),
        ] {
            let error = options(args, variable).map(|_| ()).unwrap_err();
            assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        }
    }
}
