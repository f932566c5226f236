//! Registers the functions of a stack at the gateway that calls them. `crate::registration` compares and calls the gateway.

use serde_json::Value;

use crate::console::text::count;
use crate::deploy::{Registered, Target};
use crate::exit::Failure;
use crate::project::deploy::Gateway;
use crate::registration::{self, Changed, Owner};

/// What registers the functions of one stack.
#[derive(Debug)]
pub(super) struct Registrar<'a> {
    pub(super) target: &'a Target,
    pub(super) region: String,
    /// The number of the account.
    pub(super) account: &'a str,
    /// That of the gateway.
    pub(super) access_key: Option<&'a str>,
}

impl Registrar<'_> {
    /// Returns whose the registrations at a gateway are.
    fn owner<'a>(&'a self, gateway: &'a Gateway) -> Owner<'a> {
        let gateway = gateway.config_url.as_deref().unwrap_or(&gateway.url);
        Owner::Stack { name: &self.target.stack, region: &self.region, account: self.account, gateway }
    }

    /// Checks that the gateway takes the registrations, before anything is changed.
    pub(super) async fn check(&self, wanted: Option<&Registered>) -> Result<(), Failure> {
        let Some(Registered { gateway, manifests }) = wanted else { return Ok(()) };
        registration::check(&gateway.client(self.access_key)?, self.owner(gateway), manifests.iter()).await
    }

    /// Registers the functions of the stack, which is up, at its gateway. Then removes them from the gateway that the stack
    /// had `before` with another template.
    pub(super) async fn register(
        &self,
        wanted: Option<&Registered>,
        before: Option<&Value>,
    ) -> Result<(), Failure> {
        let (stack, deploy) = (&self.target.stack, self.target.command("deploy"));
        if let Some(Registered { gateway, manifests }) = wanted {
            let client = gateway.client(self.access_key)?;
            let changed = registration::register(&client, self.owner(gateway), manifests.iter()).await;
            let changed = changed.map_err(|failure| {
                let up = format!("stack `{stack}` is deployed, but its functions are not registered");
                failure.after(&up).hint(format!("correct the cause, then run `{deploy}` again"))
            })?;
            match changed.count {
                0 => eprintln!("the gateway at {} is up to date", gateway.url),
                changes => eprintln!(
                    "registered the functions of stack {stack} at the gateway {}: {}",
                    gateway.url,
                    count(changes, "change")
                ),
            }
        }
        self.leave(wanted, before).await
    }

    /// Removes the functions from the gateway that the stack had `before` with another template, if it is another one.
    pub(super) async fn leave(
        &self,
        wanted: Option<&Registered>,
        before: Option<&Value>,
    ) -> Result<(), Failure> {
        let Some(old) = before.map(Registered::of).transpose()?.flatten() else { return Ok(()) };
        if wanted.is_some_and(|wanted| wanted.gateway == old.gateway) {
            return Ok(());
        }
        // Both addresses may be those of one gateway and space: it then keeps what was just registered, without a gap.
        let is_same_space = |wanted: &&Registered| wanted.gateway.space == old.gateway.space;
        let left = match wanted.filter(is_same_space) {
            Some(Registered { gateway, .. }) => {
                let client = old.gateway.client(self.access_key)?;
                registration::leave(&client, self.owner(gateway)).await
            }
            None => self.emptied(&old).await,
        };
        let (stack, region, account) = (&self.target.stack, &self.region, self.account);
        let changed = left.map_err(|failure| {
            let up = format!("stack `{stack}` is deployed, but its old gateway still calls its functions");
            failure.after(&up).hint(format!(
                "delete there what has the labels `stack: {stack}`, `region: {region}` and `account: {account}`"
            ))
        })?;
        if changed.count > 0 {
            self.report_removal(&old, &changed);
        }
        Ok(())
    }

    /// Removes everything that belongs to the stack from a gateway.
    pub(super) async fn deregister(&self, at: &Registered) -> Result<(), Failure> {
        let changed = self.emptied(at).await?;
        self.report_removal(at, &changed);
        Ok(())
    }

    async fn emptied(&self, at: &Registered) -> Result<Changed, Failure> {
        let client = at.gateway.client(self.access_key)?;
        registration::register(&client, self.owner(&at.gateway), std::iter::empty()).await
    }

    fn report_removal(&self, at: &Registered, changed: &Changed) {
        eprintln!(
            "removed the functions of stack {} from the gateway {}: {}",
            self.target.stack,
            at.gateway.url,
            count(changed.count, "change")
        );
    }
}
