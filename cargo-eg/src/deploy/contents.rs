//! Reads what a stack has: its template and its resources, with those of its nested stacks. Understanding a template is left to
//! `described`.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::TemplateStage;
use serde_json::Value;

use super::stack::{Stack, is_missing};
use crate::aws::failure;
use crate::exit::{Exit, Failure};
use crate::template::{nested, nested_mut};

/// The type of a nested stack.
pub(super) const STACK: &str = "AWS::CloudFormation::Stack";

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resource {
    /// The logical id.
    pub(crate) id: String,
    /// The name, ARN or URL by which AWS knows it.
    pub(crate) physical: String,
    pub(crate) kind: String,
}

impl Stack {
    /// Returns the template with which the stack was deployed last, with those of its nested stacks.
    pub(crate) async fn template(&self) -> Result<Value, Failure> {
        let mut template = self.template_of(self.name()).await?.ok_or_else(|| self.missing())?;
        let stacks: Vec<String> = nested(&template).map(|(id, _)| id.clone()).collect();
        if stacks.is_empty() {
            return Ok(template);
        }
        let resources = self.own_resources(self.name()).await?;
        let mut parts = BTreeMap::new();
        for Resource { id, physical, .. } in resources {
            // A stack that has never come about has no name.
            if stacks.contains(&id)
                && !physical.is_empty()
                && let Some(part) = self.template_of(&physical).await?
            {
                parts.insert(id, part);
            }
        }
        for (id, part) in nested_mut(&mut template) {
            *part = parts.remove(id).unwrap_or_default();
        }
        Ok(template)
    }

    /// Returns the template of a stack by its name or ARN. `None`: there is no such stack any more.
    async fn template_of(&self, stack: &str) -> Result<Option<Value>, Failure> {
        let action = format!("read the template of stack `{stack}`");
        let call = self.client.get_template().stack_name(stack).template_stage(TemplateStage::Original);
        let answer = match call.send().await {
            Err(error) if is_missing(&error) => return Ok(None),
            answer => answer.map_err(|error| failure(&action, &error))?,
        };
        let body = answer.template_body.unwrap_or_default();
        serde_json::from_str(&body).map(Some).map_err(|_| {
            let message = format!("the template of stack `{stack}` is not one of `cargo eg deploy`");
            Failure::new(Exit::Refused, message).hint("choose another name: `stack` in `[deploy]` of eg.toml")
        })
    }

    /// Returns the resources of the stack and of the nested stacks that its template has. If the template is not known, it is that of
    /// another tool, and every nested stack counts.
    pub(crate) async fn resources(&self, template: &Value) -> Result<Vec<Resource>, Failure> {
        let mut resources = self.own_resources(self.name()).await?;
        let is_ours = |id: &str| template.is_null() || nested(template).any(|(known, _)| known == id);
        let stacks: Vec<String> = resources
            .iter()
            .filter(|one| one.kind == STACK && !one.physical.is_empty() && is_ours(&one.id))
            .map(|one| one.physical.clone())
            .collect();
        for stack in stacks {
            resources.extend(self.own_resources(&stack).await?);
        }
        Ok(resources)
    }

    async fn own_resources(&self, stack: &str) -> Result<Vec<Resource>, Failure> {
        let call = self.client.list_stack_resources().stack_name(stack);
        let mut pages = call.into_paginator().items().send();
        let mut resources = Vec::new();
        while let Some(resource) = pages.next().await {
            let resource = match resource {
                Err(error) if is_missing(&error) => return Err(self.missing()),
                resource => resource
                    .map_err(|error| failure(&format!("list the resources of stack `{stack}`"), &error))?,
            };
            resources.push(Resource {
                id: resource.logical_resource_id.unwrap_or_default(),
                physical: resource.physical_resource_id.unwrap_or_default(),
                kind: resource.resource_type.unwrap_or_default(),
            });
        }
        Ok(resources)
    }
}
