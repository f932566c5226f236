//! Opens what `deploy`, `rollback` and `remove` work with: the account, the stack and the bucket. Also reports how it ended.

use std::collections::BTreeMap;

use aws_config::SdkConfig;

use super::print;
use super::registrar::Registrar;
use super::stage::Chosen;
use crate::aws::region;
use crate::aws::s3::Bucket;
use crate::aws::{Caller, caller, connect};
use crate::cli;
use crate::console::text::{BOLD, DIM, columns, styled};
use crate::deploy::deployment::{Place, Wishes};
use crate::deploy::record::{Deployed, FILE, Record};
use crate::deploy::stack::{Existing, Stack};
use crate::deploy::{Target, bucket};
use crate::exit::Failure;

/// A stack in an account.
#[derive(Debug)]
pub(super) struct Live {
    config: SdkConfig,
    caller: Caller,
    stack: Stack,
}

impl Live {
    pub(super) async fn open(access: &cli::AwsAccess, chosen: &Chosen) -> Result<Self, Failure> {
        let config = connect(access, chosen.stage.region.as_deref()).await?;
        let caller = caller(&config).await?;
        let stack = Stack::new(&config, chosen.target.clone());
        Ok(Self { config, caller, stack })
    }

    /// Returns the failure of a stack that does not exist.
    pub(super) fn missing(&self) -> Failure {
        self.stack.missing()
    }

    /// Returns the bucket with the versions of the stack, and creates it if need be.
    pub(super) async fn bucket(&self, chosen: Option<&str>) -> Result<Bucket, Failure> {
        bucket::open(&self.config, &self.caller.account, chosen).await
    }

    /// Returns the bucket with the versions of the stack, if there is one.
    pub(super) async fn existing_bucket(&self, chosen: Option<&str>) -> Result<Option<Bucket>, Failure> {
        bucket::existing(&self.config, &self.caller.account, chosen).await
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place {
            config: &self.config,
            account: &self.caller.account,
            author: format!("{} with cargo eg", self.caller.arn),
            stack: &self.stack,
        }
    }

    /// Returns what registers the functions of the stack at its gateway, with an access key.
    pub(super) fn registrar<'a>(&'a self, key: &'a cli::GatewayKey) -> Registrar<'a> {
        Registrar {
            target: &self.stack.target,
            region: self.region(),
            account: &self.caller.account,
            access_key: key.access_key.as_deref(),
        }
    }

    pub(super) fn region(&self) -> String {
        region(&self.config)
    }

    /// Writes down what is deployed now. `None`: nothing is.
    pub(super) fn record(&self, record: &Record, template: Option<serde_json::Value>) -> Result<(), Failure> {
        let region = self.region();
        let deployed = template.map(|template| Deployed { region, template });
        if record.set(&self.stack.target.stack, deployed)? {
            eprintln!(
                "{FILE} has changed; commit it, so that `cargo eg deploy --plan` knows what is deployed"
            );
        }
        Ok(())
    }
}

/// Returns what the user has agreed to, and what the stage says.
pub(super) fn wishes(consent: &cli::Consent, chosen: &Chosen) -> Wishes {
    Wishes {
        yes: consent.yes,
        allow_delete: consent.allow_delete,
        protect: chosen.stage.protect,
        is_return: false,
        parameters: BTreeMap::new(),
        tags: chosen.stage.tags.clone(),
    }
}

/// Prints where a stack is reached, and what can be done with it now.
pub(super) fn report(target: &Target, existing: &Existing) -> Result<(), Failure> {
    let rows: Vec<_> =
        existing.outputs.iter().map(|(name, value)| [styled(DIM, name), value.clone()]).collect();
    print(&columns(&rows))?;
    anstream::eprintln!("{BOLD}next{BOLD:#}");
    for command in ["logs --tail", "rollback"] {
        let (name, more) = command.split_once(' ').unwrap_or((command, ""));
        eprintln!("  {}", format!("{} {more}", target.command(name)).trim_end());
    }
    Ok(())
}
