//! Brings a stack to what a template says: compares, asks, sends, runs the change and follows it. A run that ends before AWS
//! begins leaves nothing behind; afterwards every end is told with the next command.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_config::SdkConfig;
use serde_json::{Map, Value};

use super::assets::{Packaged, without_bucket};
use super::bucket;
use super::changes::Changes;
use super::confirm;
use super::described::{Reader, name};
use super::follow::{Ended, Work, follow, is_success, newest};
use super::guard::guard;
use super::losses::{losses, rekeyed};
use super::pace::Pace;
use super::parameters::values;
use super::stack::{ChangeSet, Existing, Prepared, Stack};
use super::state::{State, busy, obstacle};
use crate::aws::region;
use crate::console::progress::Progress;
use crate::console::signals::Signals;
use crate::console::text::{BOLD, count};
use crate::exit::{Exit, Failure, warn};
use crate::template::{joined, nested};

/// What the user decides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    /// Whether to go on without a question.
    pub(crate) yes: bool,
    /// Whether data may be deleted.
    pub(crate) allow_delete: bool,
    /// Whether the stack is protected from removal.
    pub(crate) protect: bool,
    /// Whether this returns to an earlier version.
    pub(crate) is_return: bool,
    /// Values of the template's parameters.
    pub(crate) parameters: BTreeMap<String, String>,
    /// Tags of the stack and all its resources.
    pub(crate) tags: BTreeMap<String, String>,
}

/// Where a stack is deployed, and by whom.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) config: &'a SdkConfig,
    pub(crate) account: &'a str,
    /// Who deploys, as others are told.
    pub(crate) author: String,
    pub(crate) stack: &'a Stack,
}

/// What came of a deployment.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) existing: Existing,
    /// Whether the stack was changed. Otherwise it was as wanted.
    pub(crate) is_changed: bool,
    /// The template that the stack had before. `None`: there was no stack.
    pub(crate) before: Option<Value>,
    /// The template that the stack has.
    pub(crate) template: Value,
}

/// A removal that was agreed to.
#[derive(Debug)]
pub(crate) struct Removal {
    existing: Existing,
    /// The template of the stack. `None`: it was never deployed.
    pub(crate) template: Option<Value>,
}

impl Place<'_> {
    /// Returns the template of the stack, which names no bucket. A stack that has never been deployed has an empty one.
    pub(crate) async fn template(&self) -> Result<Value, Failure> {
        let existing = self.stack.existing().await?;
        if existing.state() == State::Prepared {
            return Ok(Value::Null);
        }
        Ok(without_bucket(self.stack.template().await?))
    }

    /// Brings the stack to the template, which names no bucket. Programs go into the bucket `chosen` or into that of the
    /// account and region, which is created once.
    pub(crate) async fn deploy(
        &self,
        chosen: Option<&str>,
        packaged: &Packaged,
        wishes: &Wishes,
        signals: &mut Signals,
    ) -> Result<Deployed, Failure> {
        let stack = self.stack;
        let existing = stack.find().await?;
        self.check(existing.as_ref()).await?;
        let deployed = existing.as_ref().filter(|stack| stack.state() != State::Prepared);
        let old = match deployed {
            Some(_) => Some(without_bucket(stack.template().await?)),
            None => None,
        };
        let template = packaged.placed(old.as_ref())?;
        let new = &template;
        let changes = Changes::between(old.as_ref(), new);
        let before = deployed.map(|stack| stack.parameters.clone()).unwrap_or_default();
        let parameters = values(new, &before, &wishes.parameters)?;
        if let Some(existing) = deployed.filter(|_| changes.is_empty() && wishes.parameters.is_empty()) {
            self.protect(existing, wishes).await?;
            return Ok(Deployed { existing: existing.clone(), is_changed: false, before: old, template });
        }
        self.show(&changes, deployed.is_some());
        wishes.parameters.keys().for_each(|name| eprintln!("~ parameter {name}"));
        if let Some(old) = &old {
            if let Some(table) = rekeyed(old, new).first() {
                let message = format!("AWS cannot change the key of table `{table}`");
                let hint = "declare a table with another name, and copy the items";
                return Err(Failure::new(Exit::Refused, message).hint(hint));
            }
            guard(self.config, self.stack, losses(old, Some(new)), wishes.allow_delete).await?;
        }
        if !wishes.yes && !confirm::is_possible() {
            return Err(confirm::impossible("the deployment"));
        }
        let url = tokio::select! {
            sent = self.send(chosen, (&packaged.files, new), old.as_ref()) => sent?,
            () = signals.next() => return Err(interrupted()),
        };
        let (begun, id) =
            stack.begin(&url, existing.as_ref(), &parameters, &wishes.tags, &self.author).await?;
        let prepared = tokio::select! {
            prepared = self.prepared(&begun) => prepared,
            () = signals.next() => Err(interrupted()),
        };
        let change = match prepared {
            Ok(Prepared::Ready(change)) => change,
            Ok(Prepared::Nothing) => {
                stack.discard(&begun).await?;
                let existing = stack.existing().await?;
                return Ok(Deployed { existing, is_changed: false, before: old, template });
            }
            Err(failure) => return Err(self.abandon(&begun, failure).await),
        };
        if let Err(failure) = self.unchanged(old.as_ref()).await {
            return Err(self.abandon(&begun, failure).await);
        }
        self.ask(&change, wishes, signals).await?;
        let last = newest(stack, &id).await?;
        stack.execute(&change).await?;
        let work = match deployed {
            Some(_) if wishes.is_return => Work::Return,
            Some(_) => Work::Update,
            None => Work::Create,
        };
        let ended = follow(stack, &id, last, work, &names(old.as_ref(), new), signals).await?;
        self.judge(&ended, work)?;
        let existing = stack.existing().await?;
        self.protect(&existing, wishes).await?;
        Ok(Deployed { existing, is_changed: true, before: old, template })
    }

    /// Checks that the stack still has the template with which the new one was compared. `None`: it did not exist.
    async fn unchanged(&self, old: Option<&Value>) -> Result<(), Failure> {
        let is_same = match old {
            Some(old) => without_bucket(self.stack.template().await?) == *old,
            None => {
                let existing = self.stack.find().await?;
                existing.is_some_and(|stack| stack.state() == State::Prepared)
            }
        };
        if is_same { Ok(()) } else { Err(self.stack.overtaken()) }
    }

    /// Discards a change set because of a failure, and returns that failure.
    async fn abandon(&self, change: &str, failure: Failure) -> Failure {
        if let Err(error) = self.stack.discard(change).await {
            warn(&error.message());
        }
        failure
    }

    /// Protects the stack from its removal, or ends that.
    async fn protect(&self, existing: &Existing, wishes: &Wishes) -> Result<(), Failure> {
        if existing.is_protected != wishes.protect {
            self.stack.protect(wishes.protect).await?;
            let now = if wishes.protect { "now" } else { "no longer" };
            eprintln!("stack {} is {now} protected from removal, as eg.toml says", self.stack.target.stack);
        }
        Ok(())
    }

    /// Completes a rollback that AWS could not complete. Returns whether there was one.
    pub(crate) async fn complete_rollback(&self, signals: &mut Signals) -> Result<bool, Failure> {
        let existing = self.stack.existing().await?;
        if existing.state() != State::Stuck {
            return Ok(false);
        }
        let names = names(None, &self.stack.template().await?);
        let last = newest(self.stack, &existing.id).await?;
        self.stack.complete_rollback().await?;
        let ended = follow(self.stack, &existing.id, last, Work::Rollback, &names, signals).await?;
        if ended.is_failure() {
            self.judge(&ended, Work::Rollback)?;
        }
        Ok(true)
    }

    /// Shows what a removal deletes, and asks. Returns `None` if there is no stack.
    pub(crate) async fn agree_to_removal(
        &self,
        wishes: &Wishes,
        signals: &mut Signals,
    ) -> Result<Option<Removal>, Failure> {
        let stack = self.stack;
        let Some(existing) = stack.find().await? else { return Ok(None) };
        let target = &stack.target;
        match existing.state() {
            State::Busy => {
                let who = stack.author(&existing).await;
                return Err(busy(target, &existing.status, who.as_deref()));
            }
            State::Prepared => return Ok(Some(Removal { existing, template: None })),
            _ if existing.is_protected => {
                let message = format!("stack `{}` is protected", target.stack);
                let hint = format!(
                    "deploy it without `protect = true` with `{}`, then remove it",
                    target.command("deploy")
                );
                return Err(Failure::new(Exit::WouldLose, message).hint(hint));
            }
            _ => {}
        }
        let template = stack.template().await?;
        let region = region(self.config);
        anstream::eprintln!("stack {BOLD}{}{BOLD:#} in {region}, account {}", target.stack, self.account);
        anstream::eprint!("{}", Changes::between(Some(&template), &Value::Null).text());
        guard(self.config, self.stack, losses(&template, None), wishes.allow_delete).await?;
        if !wishes.yes {
            if !confirm::is_possible() {
                return Err(confirm::impossible("the removal"));
            }
            if !confirm::confirm("remove this stack?", signals).await {
                return Err(Failure::new(Exit::Interrupted, "not removed: nothing was changed"));
            }
        }
        Ok(Some(Removal { existing, template: Some(template) }))
    }

    /// Removes the stack.
    pub(crate) async fn remove(&self, removal: &Removal, signals: &mut Signals) -> Result<(), Failure> {
        let (stack, target) = (self.stack, &self.stack.target);
        let Removal { existing, template } = removal;
        let Some(template) = template else { return stack.delete().await };
        let last = newest(stack, &existing.id).await?;
        stack.delete().await?;
        let names = names(None, template);
        let ended = follow(stack, &existing.id, last, Work::Remove, &names, signals).await?;
        if ended.is_removal() {
            return Ok(());
        }
        let reason = ended.reasons.into_iter().next().unwrap_or(ended.status);
        let message = format!("the removal of stack `{}` has failed: {reason}", target.stack);
        let hint = format!("correct the cause, then run `{}` again", target.command("remove"));
        Err(Failure::new(Exit::NotDeployed, message).hint(hint))
    }

    /// Refuses to deploy a stack that is busy or broken, and says who else is about to change it.
    async fn check(&self, existing: Option<&Existing>) -> Result<(), Failure> {
        let Some(existing) = existing else { return Ok(()) };
        let busy = existing.state() == State::Busy;
        let who = if busy { self.stack.author(existing).await } else { None };
        if let Some(failure) = obstacle(&self.stack.target, &existing.status, who.as_deref()) {
            return Err(failure);
        }
        for other in self.stack.waiting().await? {
            warn(&format!(
                "{other} has prepared a change of stack `{}` that is not confirmed yet; yours would replace it",
                self.stack.target.stack
            ));
        }
        Ok(())
    }

    fn show(&self, changes: &Changes, exists: bool) {
        let region = region(self.config);
        let what = if exists { "changes of" } else { "new" };
        let stack = &self.stack.target.stack;
        anstream::eprintln!("{what} stack {BOLD}{stack}{BOLD:#} in {region}, account {}", self.account);
        anstream::eprint!("{}", changes.text());
    }

    /// Sends the files and the template. Returns the URL at which AWS reads the template.
    ///
    /// `live` is the template that the stack has. It is not in the history if its deployment was interrupted; from now on it is, so
    /// that a rollback of this deployment returns to it.
    async fn send(
        &self,
        chosen: Option<&str>,
        (files, template): (&BTreeMap<String, PathBuf>, &Value),
        live: Option<&Value>,
    ) -> Result<String, Failure> {
        let bucket = bucket::open(self.config, self.account, chosen).await?;
        let progress = Progress::begin("uploading");
        if let Some(live) = live {
            let (hash, _) = bucket::store(&bucket, &self.stack.target, live).await?;
            bucket::remember(&bucket, &self.stack.target, &hash).await?;
        }
        let sent = bucket::upload(&bucket, files).await?;
        let (_, url) = bucket::store(&bucket, &self.stack.target, template).await?;
        drop(progress);
        let already = files.len() - sent.len();
        eprintln!("uploaded {} to {}; {already} there already", count(sent.len(), "program"), bucket.name);
        Ok(url)
    }

    /// Waits until AWS has prepared a change set.
    async fn prepared(&self, change: &str) -> Result<Prepared, Failure> {
        let _progress = Progress::begin("AWS prepares the change");
        let mut pace = Pace::new();
        loop {
            match self.stack.look(change).await? {
                Some(prepared) => return Ok(prepared),
                None => pace.wait().await,
            }
        }
    }

    /// Asks whether to run the change, unless that is clear. Discards it if not.
    async fn ask(&self, change: &ChangeSet, wishes: &Wishes, signals: &mut Signals) -> Result<(), Failure> {
        for adopted in &change.adopted {
            warn(&format!(
                "`{adopted}` exists already: it becomes part of stack `{}`",
                self.stack.target.stack
            ));
        }
        if wishes.yes || confirm::confirm("deploy these changes?", signals).await {
            return Ok(());
        }
        Err(self.abandon(&change.id, interrupted()).await)
    }

    /// Turns the end of a deployment into a result.
    fn judge(&self, ended: &Ended, work: Work) -> Result<(), Failure> {
        let Ended { status, reasons } = ended;
        if is_success(status) {
            return Ok(());
        }
        let target = &self.stack.target;
        let reason = reasons.first().map_or_else(|| status.clone(), Clone::clone);
        let message = format!("the deployment of stack `{}` has failed: {reason}", target.stack);
        let failure = Failure::new(Exit::NotDeployed, message);
        Err(match State::of(status) {
            State::Broken => failure.hint(format!(
                "AWS has undone it ({status}); correct the cause, remove what is left with `{}`, then deploy again",
                target.command("remove")
            )),
            State::Stuck => failure.hint(format!(
                "AWS could not undo it ({status}); correct the cause, then complete that with `{}`",
                target.command("rollback")
            )),
            _ => failure.hint(format!(
                "AWS has undone it: the stack is as before; correct the cause, then run `{}` again",
                target.command(work.command())
            )),
        })
    }
}

/// Returns the words for the resources of two templates.
pub(crate) fn names(old: Option<&Value>, new: &Value) -> BTreeMap<String, String> {
    let nothing = Map::new();
    let mut names = BTreeMap::new();
    for template in old.into_iter().chain([new]) {
        names.extend(nested(template).map(|(id, _)| (id.clone(), format!("nested stack {id}"))));
        let template = &*joined(template);
        let subjects = Reader::new(template, &nothing).subjects();
        names.extend(
            subjects.into_iter().map(|(id, one)| (id.to_owned(), format!("{} {}", one.kind, one.name))),
        );
        for (id, resource) in template["Resources"].as_object().into_iter().flatten() {
            let kind = resource["Type"].as_str().unwrap_or_default();
            names.entry(id.clone()).or_insert_with(|| format!("{kind} {}", name(id, resource)));
        }
    }
    names
}

fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "not deployed: nothing was changed")
}
