//! Flags for access: keys, spaces by domain, and the private networks that functions may be in. The library enforces
//! them.

use std::collections::BTreeMap;

use eg_gateway::{AccessKeys, PrivateTargets};
use eg_sdk::config::Secret;

#[derive(Debug, clap::Args)]
pub(super) struct Access {
    /// Access key for all spaces; @FILE reads it from a file. Without any key, the Config API serves only this machine
    #[arg(long, value_name = "KEY")]
    access_key: Option<String>,
    /// Access key that reads everything and changes nothing, for example for the dashboard; @FILE reads it from a file. Needs
    /// --access-key
    #[arg(long, value_name = "KEY", requires = "access_key")]
    read_access_key: Option<String>,
    /// Access key for one space; repeatable. SPACE=@FILE reads it from a file. Then requests that name no space reach
    /// the space `default` only
    #[arg(long, value_name = "SPACE=KEY", value_parser = space_key)]
    space_access_key: Vec<(String, String)>,
    /// Require an access key on the Events API too
    #[arg(long)]
    protect_events: bool,
    /// Domain whose subdomains are spaces: a request to SPACE.DOMAIN belongs to SPACE. Then requests that name no space
    /// reach the space `default` only
    #[arg(long, value_name = "DOMAIN")]
    pub(super) domain: Option<String>,
    /// Further name under which clients call the APIs, such as events.example or *.example; repeatable. An API that needs
    /// no key refuses other names than localhost and the addresses that it listens on, and pages of other sites
    #[arg(long, value_name = "HOST")]
    pub(super) allowed_host: Vec<String>,
    /// Private network or address where functions are allowed; repeatable. With --dev, all are allowed
    #[arg(long, value_name = "NETWORK")]
    allow_target: Vec<String>,
}

impl Access {
    pub(super) fn private_targets(&self, dev: bool) -> Result<PrivateTargets, String> {
        if dev {
            return Ok(PrivateTargets::all());
        }
        let allow = |allowed: PrivateTargets, network: &String| allowed.allow(network);
        let allowed = self.allow_target.iter().try_fold(PrivateTargets::none(), allow);
        allowed.map_err(|error| format!("--allow-target: {error}"))
    }

    pub(super) fn keys(&self) -> Result<AccessKeys, String> {
        let all = self.access_key.as_deref().map(read).transpose()?;
        let spaces = self.space_access_key.iter().map(|(space, key)| Ok((space.clone(), read(key)?)));
        let spaces = spaces.collect::<Result<BTreeMap<_, _>, String>>()?;
        let reading = self.read_access_key.as_deref().map(read).transpose()?;
        if reading.is_some() && reading.as_ref().map(Secret::expose) == all.as_ref().map(Secret::expose) {
            return Err("--read-access-key is the key of --access-key: give it another one".to_owned());
        }
        let keys = AccessKeys { all, reading, spaces, events: self.protect_events };
        if keys.events && keys.all.is_none() && keys.spaces.is_empty() {
            return Err("--protect-events needs --access-key or --space-access-key".to_owned());
        }
        Ok(keys)
    }
}

/// Reads a key, or the file that `@FILE` names: other users of the machine can read a command line.
fn read(value: &str) -> Result<Secret, String> {
    let key = match value.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read the access key in {path}: {error}"))?,
        None => value.to_owned(),
    };
    match key.trim() {
        "" => Err("the access key is empty: give a key, or a file with one".to_owned()),
        key => Ok(Secret::from(key)),
    }
}

fn space_key(text: &str) -> Result<(String, String), String> {
    let (space, key) =
        text.split_once('=').ok_or("write the space, = and its key, for example acme=secret")?;
    Ok((space.to_owned(), key.to_owned()))
}
