//! Reads and checks Lambda's environment variables at start. Connects to nothing.

use std::env;

use eg_grammar::variable::EVENT_BUS;

use super::LambdaError;
use super::api::RuntimeApi;
use crate::failures::Failures;

/// Variables that Lambda always sets, and that functions and libraries rely on.
const REQUIRED: [&str; 3] =
    ["AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"];

/// The number of concurrent invocations per process, if Lambda sends several (Managed Instances).
const MAX_CONCURRENCY: &str = "AWS_LAMBDA_MAX_CONCURRENCY";

/// The settings of this process.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(super) endpoint: String,
    pub(super) workers: usize,
    pub(super) snap_start: bool,
    pub(super) surroundings: Surroundings,
}

/// What there is on AWS beside a function.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// The queue that keeps rejected events.
    pub(super) failures: Option<Failures>,
    /// Whether emitted events go to a bus. Then no gateway ends loops.
    pub(super) has_bus: bool,
}

/// Why the environment is invalid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvironmentError {
    #[error("the environment variable {0} is not set; Lambda sets it, and so must what stands in for Lambda")]
    Missing(&'static str),
    #[error("AWS_LAMBDA_FUNCTION_MEMORY_SIZE is `{0}`, not a number of megabytes")]
    Memory(String),
    #[error("{MAX_CONCURRENCY} is `{0}`, not a number of invocations at once; unset, it is 1")]
    Concurrency(String),
    #[error(transparent)]
    Failures(#[from] eg_sdk::Error),
}

impl Environment {
    /// Reads the environment of a process whose Runtime API is at `endpoint`.
    ///
    /// # Errors
    /// Names the variable that is missing or invalid.
    pub(crate) fn read(endpoint: &str) -> Result<Self, LambdaError> {
        RuntimeApi::new(endpoint)?;
        for name in REQUIRED {
            let value = env::var(name).map_err(|_| EnvironmentError::Missing(name))?;
            if name == REQUIRED[1] && value.parse::<u32>().is_err() {
                return Err(EnvironmentError::Memory(value).into());
            }
        }
        let workers = match env::var(MAX_CONCURRENCY) {
            Ok(value) if !value.is_empty() => match value.parse() {
                Ok(workers) if workers > 0 => workers,
                _ => return Err(EnvironmentError::Concurrency(value).into()),
            },
            _ => 1,
        };
        let snap_start = env::var("AWS_LAMBDA_INITIALIZATION_TYPE").is_ok_and(|kind| kind == "snap-start");
        let surroundings = Surroundings {
            failures: Failures::from_env().map_err(EnvironmentError::from)?,
            has_bus: env::var(EVENT_BUS).is_ok_and(|bus| !bus.is_empty()),
        };
        Ok(Self { endpoint: endpoint.to_owned(), workers, snap_start, surroundings })
    }
}
