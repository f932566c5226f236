//! Says whose registrations are at a gateway: labels and ids tell those of `cargo eg run` and of each stack apart. What is registered
//! is left to `plan`.

use eg_grammar::region::partition;
use eg_local::emulator::{REGION, arn};
use eg_sdk::config::{Aws, Metadata, Provider};
use eg_sdk::manifest;

/// The label of resources that we may change and delete.
const MANAGED_BY: (&str, &str) = ("managedBy", "cargo-eg");

/// The label that names the service of a resource.
const SERVICE: &str = "service";
/// The labels that name the stack of a resource: two stacks of one name are in different regions or accounts.
const STACK: &str = "stack";
const REGION_OF_STACK: &str = "region";
const ACCOUNT: &str = "account";
/// The label with the gateway's address, as the deployment spelled it. An address that was spelled differently before may be
/// that of another gateway or of the same one: this label tells what the last registration covers.
const GATEWAY: &str = "gateway";

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
        /// The address of the gateway's Config API, as the template spells it.
        gateway: &'a str,
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
        let gateway = match self {
            Self::Run => None,
            Self::Stack { gateway, .. } => Some((GATEWAY, gateway)),
        };
        let labels = [(SERVICE, service), MANAGED_BY].into_iter().chain(gateway);
        let labels = labels.chain(self.place().into_iter().flatten());
        labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Whether a resource with these labels is the owner's.
    pub(super) fn has(self, labels: &Metadata) -> bool {
        let label = |key: &str| labels.get(key).map(String::as_str);
        is_managed(labels)
            && match self.place() {
                Some(place) => place.iter().all(|(key, value)| label(key) == Some(value)),
                None => label(STACK).is_none(),
            }
    }

    /// Whether the owner's last registration at its gateway covers a resource with these labels.
    pub(super) fn has_here(self, labels: &Metadata) -> bool {
        let is_of_gateway = match self {
            Self::Run => true,
            Self::Stack { gateway, .. } => labels.get(GATEWAY).is_some_and(|label| label == gateway),
        };
        self.has(labels) && is_of_gateway
    }

    /// Returns the labels that tell a stack apart from every other one.
    fn place(&self) -> Option<[(&'static str, &str); 3]> {
        match self {
            Self::Run => None,
            Self::Stack { name, region, account, .. } => {
                Some([(STACK, name), (REGION_OF_STACK, region), (ACCOUNT, account)])
            }
        }
    }
}

/// Returns whose a resource of somebody else is, in words that follow its name.
pub(super) fn whose(labels: &Metadata) -> String {
    let label = |key: &str| labels.get(key).map(String::as_str);
    match (label(STACK), label(REGION_OF_STACK), label(ACCOUNT)) {
        _ if !is_managed(labels) => ", which cargo-eg has not made,".to_owned(),
        (Some(stack), Some(region), Some(account)) => {
            format!(" of stack `{stack}` in {region}, account {account},")
        }
        (Some(stack), ..) => format!(" of stack `{stack}`"),
        (None, ..) => " of `cargo eg run`".to_owned(),
    }
}

fn is_managed(labels: &Metadata) -> bool {
    labels.get(MANAGED_BY.0).is_some_and(|value| value == MANAGED_BY.1)
}
