//! Options that say which account, region and stage of AWS a command works on.

use clap::Args;

/// Access to AWS.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "AWS")]
pub(crate) struct AwsAccess {
    /// Region [default: that of the stage in eg.toml, or of your AWS configuration]
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Profile of your AWS configuration [default: AWS_PROFILE]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Endpoint of all services of AWS, for tests and private networks.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
}

/// What is deployed, instead of the app on this machine.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "AWS")]
pub(crate) struct OnAws {
    /// Work on this stage of the application on AWS, instead of the app here.
    #[arg(long, value_name = "STAGE")]
    pub(crate) stage: Option<String>,
    #[command(flatten)]
    pub(crate) access: AwsAccess,
}

impl AwsAccess {
    /// Whether the command line says anything about AWS.
    pub(crate) fn is_set(&self) -> bool {
        self.region.is_some() || self.profile.is_some() || self.endpoint_url.is_some()
    }
}
