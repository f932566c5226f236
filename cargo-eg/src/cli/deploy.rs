//! Options of `deploy`, `rollback` and `remove`.

use clap::Args;

use super::aws::AwsAccess;
use super::gateway::{BehindGateway, GatewayKey};
use super::selection::{Packages, Targets};
use super::template::Architecture;

/// The stage that a command works on.
#[derive(Debug, Args)]
pub(crate) struct StageName {
    /// Stage of the application, from `[deploy.stages]` in its eg.toml [default: dev]
    #[arg(long, value_name = "STAGE")]
    pub(crate) stage: Option<String>,
}

/// Build the services and bring them to AWS, as one stack of CloudFormation.
///
/// Checks the services, builds them as `build` does, and makes a plain template for the stage that `[deploy]` in eg.toml
/// describes. Shows what would change: routes, subscriptions, schedules, queues and rights of each function with + and -, and what
/// is deleted or replaced. After a confirmation, AWS makes the change; if that fails, AWS undoes it.
///
/// Programs and templates go into a private bucket, eg-deploy-ACCOUNT-REGION, which is created once. A program that is there
/// already is not sent again. The deployed template also goes into eg.lock.json, beside eg.toml: commit that file.
///
/// Without --allow-delete, no table is deleted, and no queue with messages leaves the stack. A table that AWS keeps is adopted again
/// by a later deployment that declares it; a queue is not.
///
/// With --print-iam, prints the rights that the deployer needs: for the calls of `deploy`, `rollback` and `remove`, and for what
/// CloudFormation does on the deployer's behalf, on resources whose names begin with the stack's. Name a region to narrow them.
///
/// With --gateway, or `gateway` in eg.toml, a self-hosted gateway calls the functions, instead of the rules of a bus and an HTTP API.
/// Once the stack is up, `deploy` registers its functions, routes and subscriptions there, and removes what the code no longer has.
///
/// With --plan, compares with eg.lock.json, needs no account, and exits with 10 if there are changes.
#[derive(Debug, Args)]
#[command(after_help = DEPLOY_EXAMPLES)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) packages: Packages,
    #[command(flatten)]
    pub(crate) targets: Targets,
    /// Processor of the functions [default: arm64 if it can be built here]
    #[arg(long, value_enum)]
    pub(crate) architecture: Option<Architecture>,
    /// Profile of cargo to build with, such as dev [default: release]
    #[arg(long, value_name = "PROFILE")]
    pub(crate) cargo_profile: Option<String>,
    #[command(flatten)]
    pub(crate) stage: StageName,
    /// Show what would change since the deployment in eg.lock.json, and stop.
    #[arg(long, conflicts_with_all = ["yes", "allow_delete"])]
    pub(crate) plan: bool,
    /// Print the policy of IAM that a deployer of the stage needs, and stop. Needs no account.
    #[arg(long, conflicts_with_all = ["plan", "yes", "allow_delete", "parameters", "architecture", "cargo_profile"])]
    pub(crate) print_iam: bool,
    /// Print the changes of --plan as one JSON object.
    #[arg(long, requires = "plan")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
    /// Value of a parameter of the template; repeatable [default: that of the last deployment]
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
    /// Bucket for programs and templates, in the region of the stack [default: eg-deploy-ACCOUNT-REGION]
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: Option<String>,
    #[command(flatten)]
    pub(crate) gateway: BehindGateway,
    #[command(flatten)]
    pub(crate) gateway_key: GatewayKey,
    #[command(flatten)]
    pub(crate) aws: AwsAccess,
}

/// What the user agrees to beforehand.
#[derive(Debug, Args)]
pub(crate) struct Consent {
    /// Do not ask for a confirmation.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Delete tables with their items where the change says so, and let queues with messages leave the stack.
    #[arg(long)]
    pub(crate) allow_delete: bool,
}

/// Reads the name and the value of a parameter.
fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

const DEPLOY_EXAMPLES: &str = "\
Examples:
  cargo eg deploy --plan
  cargo eg deploy --stage dev
  cargo eg deploy services/shop --stage production --yes
  cargo eg deploy --stage dev --profile work --region eu-central-1
  cargo eg deploy --stage dev --gateway https://gateway.example
  cargo eg deploy --print-iam --stage dev > deployer.json";

/// Bring a stack back to the version before its last deployment.
///
/// Shows what would change, asks, and deploys the earlier template and programs from the bucket. A second rollback goes back
/// one version further. Data in tables and queues stays as it is.
///
/// If AWS could not undo a failed deployment (UPDATE_ROLLBACK_FAILED), `rollback` completes that.
#[derive(Debug, Args)]
#[command(after_help = ROLLBACK_EXAMPLES)]
pub(crate) struct Rollback {
    #[command(flatten)]
    pub(crate) stage: StageName,
    #[command(flatten)]
    pub(crate) consent: Consent,
    /// Bucket that `deploy` was given.
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: Option<String>,
    #[command(flatten)]
    pub(crate) gateway: GatewayKey,
    #[command(flatten)]
    pub(crate) aws: AwsAccess,
}

const ROLLBACK_EXAMPLES: &str = "\
Examples:
  cargo eg rollback --stage dev
  cargo eg rollback --stage production --yes";

/// Remove a stack from AWS, with its programs and templates in the bucket.
///
/// Shows what is deleted, and asks. Tables and queues that the template retains stay in the account with what they hold. The next
/// deployment of the stage adopts the tables; queues stay as they are. A queue with messages needs --allow-delete. A stage with
/// `protect = true` is not removed. If a gateway calls the functions, they are removed from there first.
#[derive(Debug, Args)]
#[command(after_help = REMOVE_EXAMPLES)]
pub(crate) struct Remove {
    #[command(flatten)]
    pub(crate) stage: StageName,
    #[command(flatten)]
    pub(crate) consent: Consent,
    /// Bucket that `deploy` was given.
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: Option<String>,
    /// Leave the registrations at the gateway of the stage, for example because it no longer exists.
    #[arg(long)]
    pub(crate) without_gateway: bool,
    #[command(flatten)]
    pub(crate) gateway: GatewayKey,
    #[command(flatten)]
    pub(crate) aws: AwsAccess,
}

const REMOVE_EXAMPLES: &str = "\
Examples:
  cargo eg remove --stage dev
  cargo eg remove --stage pr-17 --yes";
