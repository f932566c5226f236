//! Flags about who may use the gateway, which space a request belongs to, and where functions may be.

use std::collections::BTreeMap;

use eg_gateway::{AccessKeys, PrivateTargets};
use eg_sdk::config::Secret;

#[derive(Debug, clap::Args)]
pub(super) struct Access {
    /// Key that opens every space; without any key, the Config API answers only this machine. @FILE reads it from a file
    #[arg(long, value_name = "KEY")]
    access_key: Option<String>,
    /// Key that opens one space; may be given several times. SPACE=@FILE reads it from a file
    #[arg(long, value_name = "SPACE=KEY", value_parser = space_key)]
    space_access_key: Vec<(String, String)>,
    /// Ask emitters for a key too
    #[arg(long)]
    protect_events: bool,
    /// Domain whose subdomains are spaces: requests to SPACE.DOMAIN belong to SPACE
    #[arg(long, value_name = "DOMAIN")]
    pub(super) domain: Option<String>,
    /// Private network, or address, that functions may be in; may be given several times. With --dev they may be anywhere
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
        let keys = AccessKeys { all, spaces, events: self.protect_events };
        if keys.events && keys.all.is_none() && keys.spaces.is_empty() {
            return Err("--protect-events needs --access-key or --space-access-key".to_owned());
        }
        Ok(keys)
    }
}

/// Everybody on the machine can read a command line, so a key may come from a file.
fn read(value: &str) -> Result<Secret, String> {
    let key = match value.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read the access key in {path}: {error}"))?,
        None => value.to_owned(),
    };
    match key.trim() {
        "" => Err("an access key is empty".to_owned()),
        key => Ok(Secret::from(key)),
    }
}

fn space_key(text: &str) -> Result<(String, String), String> {
    let (space, key) =
        text.split_once('=').ok_or("write the space, = and its key, for example acme=secret")?;
    Ok((space.to_owned(), key.to_owned()))
}
