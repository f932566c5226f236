//! A proxy in the environment is for the internet: what runs on this machine is called directly.

use std::process::Command;

use crate::support::app::{App, Main, RUN, Running, Transcript, record};

/// Nothing listens on port 1, which needs privileges.
const NOWHERE: &str = "http://127.0.0.1:1";

fn behind(mut command: Command, variable: &str) -> Command {
    command.env(variable, NOWHERE);
    for variable in ["NO_PROXY", "no_proxy"] {
        command.env_remove(variable);
    }
    command
}

#[tokio::test]
async fn this_machine_is_called_directly() {
    let app = App::new();
    let records = [record("shop", "ship", "order.placed"), record("shop", "pack", "queue orders")];
    app.service("shop", &records, &Main::Serves);
    let run = app.command(&RUN);
    let mut run = Running::start(behind(run, "HTTP_PROXY"), app.path().join("stderr"));
    drop(run.ready().await);
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"] {
        for arguments in [
            &["emit", "--event", "order.placed", "--data", "{}", "--id", variable][..],
            &["events"],
            &["show", variable, "--source", "/cli/cargo-eg"],
            &["replay", variable],
            &["dead-letters"],
            &["dead-letters", "--queue", "orders"],
            &["emit", "--queue", "orders", "--data", "1"],
            &["invoke", "ship", "--data", "{}"],
        ] {
            let done = Transcript::of(behind(app.command(arguments), variable).output().unwrap());
            assert_eq!(done.code, Some(0), "{variable}: {arguments:?}: {done:?}");
        }
    }
    // The gateway and the queues call functions.
    run.says("shop-ship delivered", 1).await;
    run.says("queue orders → shop-pack", 1).await;
}
