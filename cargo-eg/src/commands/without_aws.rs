//! What the commands for AWS answer in a program without its clients.

use crate::exit::{Exit, Failure};

/// Returns the failure of a command that needs AWS's clients.
pub(super) fn without_aws(what: &str) -> Failure {
    Failure::new(Exit::Usage, format!("this `cargo eg` was built without AWS's clients, so it cannot {what}"))
        .hint("install one that was built with them: cargo install --path cargo-eg")
}

/// Stands in for `commands::deployed`.
pub(super) mod deployed {
    use eg_sdk::{CloudEvent, Data};

    use super::without_aws;
    use crate::cli;
    use crate::commands::post::Answer;
    use crate::exit::Failure;

    pub(in crate::commands) async fn emit(_: &cli::Emit, _: CloudEvent<Data>) -> Result<(), Failure> {
        Err(without_aws("emit to a stage"))
    }

    pub(in crate::commands) async fn invoke(_: &cli::OnAws, _: &str, _: String) -> Result<Answer, Failure> {
        Err(without_aws("invoke functions of a stage"))
    }
}

/// Stands in for `commands::stage_events`.
pub(super) mod stage_events {
    use eg_sdk::EventGateway;
    use eg_sdk::history::{AcceptedEvent, EventFilter};

    use super::without_aws;
    use crate::cli;
    use crate::exit::Failure;

    pub(in crate::commands) async fn gateway(
        _: &cli::OnAws,
        _: Option<&str>,
    ) -> Result<Option<EventGateway>, Failure> {
        Err(without_aws("list the events of a stage"))
    }

    pub(in crate::commands) async fn archived(
        _: &cli::OnAws,
        _: &EventFilter,
        _: usize,
    ) -> Result<Vec<AcceptedEvent>, Failure> {
        Err(without_aws("list the events of a stage"))
    }
}

/// Stands in for `commands::stage_letters`.
pub(super) mod stage_letters {
    use super::without_aws;
    use crate::cli;
    use crate::exit::Failure;

    pub(in crate::commands) async fn list(_: &cli::ListLetters) -> Result<(), Failure> {
        Err(without_aws("list the dead letters of a stage"))
    }

    pub(in crate::commands) async fn show(_: &cli::ShowLetter) -> Result<(), Failure> {
        Err(without_aws("show the dead letters of a stage"))
    }

    pub(in crate::commands) async fn retry(_: &cli::RetryLetters) -> Result<(), Failure> {
        Err(without_aws("retry the dead letters of a stage"))
    }

    pub(in crate::commands) async fn discard(_: &cli::DiscardLetters) -> Result<(), Failure> {
        Err(without_aws("discard the dead letters of a stage"))
    }
}
