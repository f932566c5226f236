//! Lines of functions as CloudWatch gets them, by its Live Tail. Leaves it to `cloudwatch` to look for lines that are missing here:
//! CloudWatch sends a sample if there are many, and nothing from before.

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::Config;
use aws_sdk_cloudwatchlogs::config::retry::RetryConfig;
use aws_sdk_cloudwatchlogs::types::StartLiveTailResponseStream as Event;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::cloudwatch::Line;
use crate::aws::failure;
use crate::deploy::functions::Function;
use crate::exit::Failure;

/// How many log groups one session follows at most
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html>).
const GROUPS: usize = 10;

/// What fails, in messages.
const ACTION: &str = "follow the logs live";

/// Lines, or why a session has ended.
type Sent = Result<Vec<Line>, Failure>;

/// The sessions that follow some functions. They end when this is dropped.
pub(super) struct Live {
    received: mpsc::Receiver<Sent>,
    _sessions: JoinSet<()>,
}

impl Live {
    /// Opens the sessions. `place` is the beginning of the ARNs of log groups, and `endpoint` replaces that of the region.
    pub(super) fn open(
        client: &Client,
        functions: &[&Function],
        place: &str,
        endpoint: Option<&str>,
    ) -> Self {
        let (sender, received) = mpsc::channel(1);
        let mut sessions = JoinSet::new();
        for some in functions.chunks(GROUPS) {
            let names = some.iter().map(|one| (one.log_group.clone(), one.id.clone())).collect();
            let session = Session {
                client: client.clone(),
                place: place.to_owned(),
                endpoint: endpoint.map(str::to_owned),
                names,
            };
            let sender = sender.clone();
            sessions.spawn(async move {
                let ended = session.follow(&sender).await;
                // Nobody listens any more if this fails.
                let _ = sender.send(ended.map(|()| Vec::new())).await;
            });
        }
        Self { received, _sessions: sessions }
    }

    /// Returns the next lines, or `None` if all sessions have ended.
    pub(super) async fn next(&mut self) -> Option<Sent> {
        self.received.recv().await
    }
}

/// A session for some functions.
struct Session {
    client: Client,
    place: String,
    endpoint: Option<String>,
    /// The ids of the functions by the names of their log groups.
    names: BTreeMap<String, String>,
}

impl Session {
    /// Sends the lines until the session ends.
    async fn follow(&self, sender: &mpsc::Sender<Sent>) -> Result<(), Failure> {
        let groups = self.names.keys().map(|name| format!("{}{name}", self.place)).collect();
        // Whoever looks for lines from time to time needs no second attempt.
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let mut call = self
            .client
            .start_live_tail()
            .set_log_group_identifiers(Some(groups))
            .customize()
            .config_override(once);
        if let Some(url) = self.endpoint.clone() {
            // Without this, the name of the endpoint would get a prefix that only those of AWS have.
            call = call.mutate_request(move |request| {
                let _ = request.set_uri(url.as_str());
            });
        }
        let mut events = call.send().await.map_err(|error| failure(ACTION, &error))?.response_stream;
        while let Some(event) = events.recv().await.map_err(|error| failure(ACTION, &error))? {
            let Event::SessionUpdate(update) = event else { continue };
            let lines = update.session_results.unwrap_or_default().into_iter().filter_map(|line| {
                let group = line.log_group_identifier?;
                let function = self.names.get(name(&group))?.clone();
                Some(Line { function, time: line.timestamp?, message: line.message?, id: None })
            });
            if sender.send(Ok(lines.collect())).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Returns the name of a log group from its name, its ARN, or its account and name.
fn name(group: &str) -> &str {
    let group = group.strip_suffix(":*").unwrap_or(group);
    group.rsplit(':').next().unwrap_or(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_log_group_has_its_name() {
        let expected = "/aws/lambda/shop-dev-order-place";
        let arn = format!("arn:aws:logs:eu-central-1:123456789012:log-group:{expected}");
        for form in [expected.to_owned(), format!("123456789012:{expected}"), format!("{arn}:*"), arn] {
            assert_eq!(name(&form), expected, "{form}");
        }
    }
}
