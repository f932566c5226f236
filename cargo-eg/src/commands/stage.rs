//! Finds the stage of an application that a command works on: what its eg.toml says, and the stack.

use std::path::PathBuf;

#[cfg(feature = "aws")]
use aws_config::SdkConfig;

#[cfg(feature = "aws")]
use super::current_folder;
#[cfg(feature = "aws")]
use crate::aws::connect;
use crate::cli;
use crate::deploy::Target;
use crate::deploy::record::Record;
use crate::exit::{Exit, Failure};
use crate::project::deploy::{Deploy, Stage};
#[cfg(feature = "aws")]
use crate::project::{Project, Wanted};

/// A stage, and its stack.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) stage: Stage,
    pub(super) target: Target,
    /// The application's folder.
    folder: PathBuf,
}

impl Chosen {
    /// Returns the stage that was named, of an application.
    pub(super) fn of(deploy: &Deploy, named: Option<&str>) -> Result<Self, Failure> {
        let stage = deploy.stage(named)?.clone();
        let options = named.iter().map(|name| format!(" --stage {name}")).collect();
        let target = Target { stack: stage.stack.clone(), is_stage: true, options };
        Ok(Self { stage, target, folder: deploy.folder.clone() })
    }

    /// Returns the stage that was named, of the application in the current directory. Builds nothing.
    #[cfg(feature = "aws")]
    pub(super) fn here(named: Option<&str>) -> Result<Self, Failure> {
        let current = current_folder()?;
        let project = Project::find(&current, &Wanted::default())?;
        Self::of(&project.deployment_here(&current)?, named)
    }

    pub(super) fn record(&self) -> Record {
        Record::in_folder(&self.folder)
    }
}

/// Whether a command works on what is deployed: a stage or, for some commands, any stack.
pub(super) fn is_on_aws(aws: &cli::OnAws, stack: Option<&str>) -> Result<bool, Failure> {
    let is_on_aws = aws.stage.is_some() || stack.is_some();
    if aws.access.is_set() && !is_on_aws {
        let message = "--region, --profile and --endpoint-url are for what is deployed";
        return Err(Failure::new(Exit::Usage, message).hint("name a stage with --stage NAME"));
    }
    Ok(is_on_aws)
}

/// Connects to the account and region of the stage or stack that was named.
#[cfg(feature = "aws")]
pub(super) async fn connected(aws: &cli::OnAws, stack: Option<&str>) -> Result<(SdkConfig, Target), Failure> {
    match stack {
        Some(stack) => {
            let options = format!(" --stack {stack}");
            let target = Target { stack: stack.to_owned(), is_stage: false, options };
            Ok((connect(&aws.access, None).await?, target))
        }
        None => {
            let Chosen { stage, target, .. } = Chosen::here(aws.stage.as_deref())?;
            Ok((connect(&aws.access, stage.region.as_deref()).await?, target))
        }
    }
}
