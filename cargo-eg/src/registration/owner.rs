//! Says whose registrations are at a gateway: labels and ids tell those of `cargo eg run` and of each stack apart. What is registered
//! is left to `plan`.

use eg_grammar::region::partition;
use eg_local::emulator::{REGION, arn};
use eg_sdk::config::{Aws, Metadata, Provider};
use eg_sdk::manifest;

/// The label of resources that we may change and delete.
const MANAGED_BY: (&str, &str) = ("managedBy", "cargo-eg");

/// The labels that name the service and the stack of a resource.
const SERVICE: &str = "service";
const STACK: &str = "stack";

/// Whose functions are registered, and where these run.
#[cfg_attr(not(feature = "aws"), allow(dead_code, reason = "without AWS's clients, there are no stacks"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner<'a> {
    /// `cargo eg run`: the functions are at the local Lambda.
    Run,
    /// A stack on AWS.
    Stack {
        name: &'a str,
        region: &'a str,
        /// The number of the account.
        account: &'a str,
    },
}

impl Owner<'_> {
    /// Returns the id at the gateway of a function: that of the code or, for a stack, its whole name in Lambda, so that several stages
    /// can be at one gateway.
    pub(super) fn id_of(self, function: &str) -> String {
        match self {
            Self::Run => function.to_owned(),
            Self::Stack { name, .. } => format!("{name}-{function}"),
        }
    }

    /// Returns where a function runs.
    pub(super) fn provider(self, function: &manifest::Function) -> Provider {
        match (self, &function.url) {
            // A function of an `eg.toml` that runs elsewhere.
            (_, Some(url)) => Provider::Http { url: url.clone() },
            (Self::Run, None) => {
                // The emulator requires no keys, but AWS clients do not send requests without them.
                let mut aws = Aws::new(REGION);
                aws.aws_access_key_id = Some("local".into());
                aws.aws_secret_access_key = Some("local".into());
                Provider::AwsLambda { arn: arn(&function.id), aws }
            }
            (Self::Stack { region, account, .. }, None) => {
                let (partition, name) = (partition(region), self.id_of(&function.id));
                let arn = format!("arn:{partition}:lambda:{region}:{account}:function:{name}");
                Provider::AwsLambda { arn, aws: Aws::new(region) }
            }
        }
    }

    /// Whether a rule of the stack, and not the gateway, delivers the events of AWS's own services.
    pub(super) fn has_rules_of_aws(self) -> bool {
        matches!(self, Self::Stack { .. })
    }

    /// Returns the labels of what belongs to a service.
    pub(super) fn labels(self, service: &str) -> Metadata {
        let stack = match self {
            Self::Run => None,
            Self::Stack { name, .. } => Some((STACK, name)),
        };
        let labels = [(SERVICE, service), MANAGED_BY].into_iter().chain(stack);
        labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Whether a resource with these labels is the owner's.
    pub(super) fn has(self, labels: &Metadata) -> bool {
        let stack = match self {
            Self::Run => None,
            Self::Stack { name, .. } => Some(name),
        };
        is_managed(labels) && labels.get(STACK).map(String::as_str) == stack
    }
}

/// Returns whose a resource of somebody else is, in words that follow its name.
pub(super) fn whose(labels: &Metadata) -> String {
    match labels.get(STACK) {
        _ if !is_managed(labels) => ", which cargo-eg has not made,".to_owned(),
        Some(stack) => format!(" of stack `{stack}`"),
        None => " of `cargo eg run`".to_owned(),
    }
}

fn is_managed(labels: &Metadata) -> bool {
    labels.get(MANAGED_BY.0).is_some_and(|value| value == MANAGED_BY.1)
}
