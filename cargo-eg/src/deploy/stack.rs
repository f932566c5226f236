//! Calls CloudFormation for one stack: what it is, change sets, events. When which call is made is left to `deployment`, reading
//! what a stack has to `contents`.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use aws_sdk_cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetSummary, ChangeSetType, ExecutionStatus, Parameter, StackEvent,
    StackStatus, Tag,
};

use super::pace::Pace;
use super::state::State;
use super::target::Target;
use crate::aws::failure;
use crate::exit::{Exit, Failure};

/// The beginning of the names of our change sets, and of the tokens of our calls.
const OURS: &str = "cargo-eg-";

/// How often a change set is deleted that AWS is still preparing: for half a minute.
const DISCARDS: u32 = 16;
/// A stack, which need not exist.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(super) client: Client,
    pub(crate) target: Target,
}

/// A stack that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Existing {
    /// Its ARN, which identifies it also after it was deleted.
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    /// By their names.
    pub(crate) outputs: BTreeMap<String, String>,
    /// The names of its parameters.
    pub(crate) parameters: BTreeSet<String>,
    /// The change set that was run last.
    change_set: Option<String>,
    pub(crate) is_protected: bool,
}

impl Existing {
    pub(super) fn state(&self) -> State {
        State::of(&self.status)
    }
}

/// A change set that can be run.
#[derive(Debug)]
pub(crate) struct ChangeSet {
    pub(super) id: String,
    /// The names of resources that exist outside of the stack and become part of it.
    pub(crate) adopted: Vec<String>,
}

/// What came of preparing a change set.
#[derive(Debug)]
pub(crate) enum Prepared {
    Ready(ChangeSet),
    /// The stack is already as the template says.
    Nothing,
}

impl Stack {
    pub(crate) fn new(config: &SdkConfig, target: Target) -> Self {
        Self { client: Client::new(config), target }
    }

    pub(super) fn name(&self) -> &str {
        &self.target.stack
    }

    /// Returns the stack, if it exists.
    pub(crate) async fn find(&self) -> Result<Option<Existing>, Failure> {
        self.describe(self.name()).await
    }

    /// Returns the stack with this ARN, also if it was deleted, or with this name.
    pub(crate) async fn describe(&self, id: &str) -> Result<Option<Existing>, Failure> {
        let answer = match self.client.describe_stacks().stack_name(id).send().await {
            Err(error) if is_missing(&error) => return Ok(None),
            answer => answer.map_err(|error| failure(&format!("read stack `{}`", self.name()), &error))?,
        };
        let stack = answer.stacks.unwrap_or_default().into_iter().next();
        Ok(stack.map(|stack| Existing {
            id: stack.stack_id.unwrap_or_default(),
            status: stack.stack_status.as_ref().map(StackStatus::as_str).unwrap_or_default().to_owned(),
            reason: stack.stack_status_reason,
            outputs: stack
                .outputs
                .unwrap_or_default()
                .into_iter()
                .filter_map(|output| Some((output.output_key?, output.output_value?)))
                .collect(),
            parameters: stack
                .parameters
                .unwrap_or_default()
                .into_iter()
                .filter_map(|parameter| parameter.parameter_key)
                .collect(),
            change_set: stack.change_set_id,
            is_protected: stack.enable_termination_protection.unwrap_or_default(),
        }))
    }

    /// Returns the stack, which must exist.
    pub(crate) async fn existing(&self) -> Result<Existing, Failure> {
        self.find().await?.ok_or_else(|| self.missing())
    }

    pub(crate) fn missing(&self) -> Failure {
        let mut hint = "check the region and the account".to_owned();
        if self.target.is_stage {
            hint += &format!(", or deploy it with `{}`", self.target.command("deploy"));
        }
        Failure::new(Exit::NotFound, format!("there is no stack `{}`", self.name())).hint(hint)
    }

    /// Returns who has prepared or run a change set, in its own words. `None` if nobody knows any more.
    pub(crate) async fn author(&self, stack: &Existing) -> Option<String> {
        let call = self.client.describe_change_set().change_set_name(stack.change_set.as_ref()?);
        let known = call.stack_name(self.name()).send().await.ok()?;
        known.description.filter(|description| !description.is_empty())
    }

    /// Returns the change sets of other runs that wait for a confirmation, in the words of their authors.
    pub(crate) async fn waiting(&self) -> Result<Vec<String>, Failure> {
        let mut waiting = Vec::new();
        for other in self.change_sets().await? {
            let is_ours = other.change_set_name().is_some_and(|name| name.starts_with(OURS));
            let is_open = other.status() == Some(&ChangeSetStatus::CreateComplete)
                && other.execution_status().is_none_or(|status| status.as_str() == "AVAILABLE");
            if is_ours && is_open {
                waiting.push(other.description.unwrap_or_default());
            }
        }
        Ok(waiting)
    }

    /// Starts to prepare a change set for the template at `url`. A parameter without a value keeps its own. Returns its ARN, and that of the stack.
    pub(crate) async fn begin(
        &self,
        url: &str,
        existing: Option<&Existing>,
        parameters: &[(String, Option<String>)],
        tags: &BTreeMap<String, String>,
        author: &str,
    ) -> Result<(String, String), Failure> {
        let parameters = parameters.iter().map(|(name, value)| {
            let parameter = Parameter::builder().parameter_key(name).set_parameter_value(value.clone());
            parameter.set_use_previous_value(value.is_none().then_some(true)).build()
        });
        let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
        let kind = match existing {
            Some(stack) if stack.state() != State::Prepared => ChangeSetType::Update,
            _ => ChangeSetType::Create,
        };
        let name = token();
        let call = self
            .client
            .create_change_set()
            .stack_name(self.name())
            .change_set_name(&name)
            .client_token(&name)
            .change_set_type(kind)
            .description(author)
            .template_url(url)
            .capabilities(Capability::CapabilityNamedIam)
            .import_existing_resources(true)
            .set_parameters(Some(parameters.collect()))
            .set_tags(Some(tags.collect()));
        let answer = call.send().await;
        let answer = answer
            .map_err(|error| failure(&format!("prepare the change of stack `{}`", self.name()), &error))?;
        Ok((answer.id.unwrap_or_default(), answer.stack_id.unwrap_or_default()))
    }

    /// Looks at a change set that is being prepared; `None`: it is not ready yet.
    pub(crate) async fn look(&self, id: &str) -> Result<Option<Prepared>, Failure> {
        let action = format!("read the prepared change of stack `{}`", self.name());
        let (mut adopted, mut page) = (Vec::new(), None);
        loop {
            let call = self.client.describe_change_set().change_set_name(id).set_next_token(page);
            let answer = call.send().await.map_err(|error| failure(&action, &error))?;
            match &answer.status {
                Some(ChangeSetStatus::CreateComplete) => {}
                Some(ChangeSetStatus::CreatePending | ChangeSetStatus::CreateInProgress) => return Ok(None),
                _ => {
                    let reason = answer.status_reason.unwrap_or_default();
                    // AWS has two texts for this, and no code.
                    if reason.contains("didn't contain changes")
                        || reason.contains("No updates are to be performed")
                    {
                        return Ok(Some(Prepared::Nothing));
                    }
                    let reasons = self.refusals(id).await.unwrap_or(reason);
                    let message = format!("AWS refuses the change of stack `{}`: {reasons}", self.name());
                    return Err(Failure::new(Exit::Refused, message).hint("nothing was changed"));
                }
            }
            let changes =
                answer.changes.unwrap_or_default().into_iter().filter_map(|one| one.resource_change);
            let imported =
                changes.filter(|one| one.action().is_some_and(|action| action.as_str() == "Import"));
            adopted.extend(
                imported.map(|one| one.physical_resource_id.or(one.logical_resource_id).unwrap_or_default()),
            );
            page = answer.next_token;
            if page.is_none() {
                return Ok(Some(Prepared::Ready(ChangeSet { id: id.to_owned(), adopted })));
            }
        }
    }

    /// Returns what AWS's checks of a change set have found. `None` if nothing is known.
    async fn refusals(&self, id: &str) -> Option<String> {
        let answer = self.client.describe_events().change_set_name(id).send().await.ok()?;
        let found = answer.operation_events.unwrap_or_default().into_iter().filter_map(|event| {
            let resource = event.logical_resource_id.unwrap_or_default();
            let reason = event.validation_status_reason.or(event.resource_status_reason)?;
            Some(if resource.is_empty() { reason } else { format!("{resource}: {reason}") })
        });
        let found: Vec<String> = found.collect();
        (!found.is_empty()).then(|| found.join("; "))
    }

    /// Deletes a change set and, if the stack is nothing else, the stack.
    pub(crate) async fn discard(&self, id: &str) -> Result<(), Failure> {
        let action = format!("discard the prepared change of stack `{}`", self.name());
        let mut pace = Pace::new();
        for attempt in 1.. {
            let call = self.client.delete_change_set().change_set_name(id).stack_name(self.name());
            match call.send().await {
                // AWS is still preparing it.
                Err(error) if is_unready(error.code()) && attempt < DISCARDS => {
                    pace.wait().await;
                }
                answer => {
                    answer.map_err(|error| failure(&action, &error))?;
                    break;
                }
            }
        }
        let is_empty = self.find().await?.is_some_and(|stack| stack.state() == State::Prepared);
        if is_empty && !self.has_others(id).await? {
            self.delete().await?;
        }
        Ok(())
    }

    /// Whether the stack has a change set besides `ours` that can still be run, of any tool.
    async fn has_others(&self, ours: &str) -> Result<bool, Failure> {
        for other in self.change_sets().await? {
            let status = other.status().map(ChangeSetStatus::as_str).unwrap_or_default();
            let is_over = status == "FAILED" || status.starts_with("DELETE_");
            if !is_over && other.change_set_id() != Some(ours) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn change_sets(&self) -> Result<Vec<ChangeSetSummary>, Failure> {
        let mut pages =
            self.client.list_change_sets().stack_name(self.name()).into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(one) = pages.next().await {
            let one = one.map_err(|error| {
                failure(&format!("list the change sets of stack `{}`", self.name()), &error)
            })?;
            if one.stack_name() == Some(self.name()) {
                found.push(one);
            }
        }
        Ok(found)
    }

    /// Runs a change set.
    pub(crate) async fn execute(&self, change: &ChangeSet) -> Result<(), Failure> {
        let call = self.client.execute_change_set().change_set_name(&change.id).stack_name(self.name());
        // What is retained later is deleted if it was never deployed.
        let call = call.retain_except_on_create(true).client_request_token(token());
        let Err(error) = call.send().await else { return Ok(()) };
        let is_gone = matches!(error.code(), Some("ChangeSetNotFound" | "ChangeSetNotFoundException"));
        if is_gone || is_unready(error.code()) {
            // The answer to an earlier attempt of the same call may have been lost.
            return if self.is_running(change).await { Ok(()) } else { Err(self.overtaken()) };
        }
        Err(failure(&format!("run the change of stack `{}`", self.name()), &error))
    }

    /// Whether AWS runs a change set, or has run it.
    async fn is_running(&self, change: &ChangeSet) -> bool {
        let call = self.client.describe_change_set().change_set_name(&change.id).stack_name(self.name());
        let known = call.send().await.ok().and_then(|known| known.execution_status);
        matches!(known, Some(ExecutionStatus::ExecuteInProgress | ExecutionStatus::ExecuteComplete))
    }

    /// Returns the failure of a change whose stack is no longer the one that was looked at.
    pub(crate) fn overtaken(&self) -> Failure {
        let message = format!("somebody else has changed stack `{}` in the meantime", self.name());
        Failure::new(Exit::Busy, message)
            .hint("run the command again: it compares with the stack as it is now")
    }

    /// Begins to delete the stack.
    pub(crate) async fn delete(&self) -> Result<(), Failure> {
        let call = self.client.delete_stack().stack_name(self.name()).client_request_token(token());
        let answer = call.send().await;
        answer.map(drop).map_err(|error| failure(&format!("remove stack `{}`", self.name()), &error))
    }

    /// Goes back to the last version, if the stack could not.
    pub(crate) async fn complete_rollback(&self) -> Result<(), Failure> {
        let call =
            self.client.continue_update_rollback().stack_name(self.name()).client_request_token(token());
        let action = format!("complete the rollback of stack `{}`", self.name());
        call.send().await.map(drop).map_err(|error| failure(&action, &error))
    }

    /// Cancels a running update: AWS goes back to the last version.
    pub(crate) async fn cancel(&self) -> Result<(), Failure> {
        let call = self.client.cancel_update_stack().stack_name(self.name()).client_request_token(token());
        let action = format!("cancel the update of stack `{}`", self.name());
        call.send().await.map(drop).map_err(|error| failure(&action, &error))
    }

    /// Lets only those delete the stack who first remove this protection, or lets everybody.
    pub(crate) async fn protect(&self, is_protected: bool) -> Result<(), Failure> {
        let call = self.client.update_termination_protection().stack_name(self.name());
        let action = format!("protect stack `{}`", self.name());
        let answer = call.enable_termination_protection(is_protected).send().await;
        answer.map(drop).map_err(|error| failure(&action, &error))
    }

    /// Returns the events after the one with the id `last`, oldest first.
    pub(crate) async fn events(&self, id: &str, last: Option<&str>) -> Result<Vec<StackEvent>, Failure> {
        let mut pages = self.client.describe_stack_events().stack_name(id).into_paginator().items().send();
        let mut events = Vec::new();
        while let Some(event) = pages.next().await {
            let event = match event {
                // A stack that did not exist a moment ago.
                Err(error) if is_missing(&error) => break,
                event => event.map_err(|error| {
                    failure(&format!("read the events of stack `{}`", self.name()), &error)
                })?,
            };
            if last.is_some() && event.event_id.as_deref() == last {
                break;
            }
            events.push(event);
        }
        events.reverse();
        Ok(events)
    }
}

/// Returns a new name for a change set, or a token by which AWS recognizes that a call is repeated.
fn token() -> String {
    format!("{OURS}{:016x}", fastrand::u64(..))
}

/// Whether this is the code of a change set that is not in the state for a call.
fn is_unready(code: Option<&str>) -> bool {
    matches!(code, Some("InvalidChangeSetStatus" | "InvalidChangeSetStatusException"))
}

/// Whether a stack does not exist, for which AWS has no code of its own.
pub(super) fn is_missing<E: ProvideErrorMetadata, R>(
    error: &aws_sdk_cloudformation::error::SdkError<E, R>,
) -> bool {
    error.code() == Some("ValidationError")
        && error.message().is_some_and(|text| text.contains("does not exist"))
}
