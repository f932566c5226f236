//! Registers the process as an internal extension that gets no events, because Lambda announces the end of a process only
//! where an extension is registered. Source: AWS's description of the Extensions API.

use super::api::RuntimeApi;
use crate::log::{Level, print};

/// Registers the extension, and keeps it waiting as long as the process runs. Without it, the process works as before, but
/// ends without notice.
pub(super) async fn register(mut api: RuntimeApi) {
    match api.register_extension().await {
        // Lambda starts with invocations once each extension has asked for its next event.
        Ok(identifier) => drop(tokio::spawn(async move { api.wait_as_extension(identifier).await })),
        Err(error) => {
            let lost = "the hooks of `App::on_shutdown` do not run, because no extension could be registered";
            print(Level::Warn, &format!("{lost}: {error}"));
        }
    }
}
