//! Runs the commands about stored events against a gateway of the test.

use eg_sdk::CloudEvent;
use serde_json::Value;

use super::app::{App, Transcript};
use super::gateway::Running;

/// A terminal whose commands use one gateway.
pub(crate) struct Terminal {
    app: App,
    url: String,
    config: String,
}

impl Terminal {
    pub(crate) fn of(running: &Running) -> Self {
        let (url, config) =
            (running.gateway.events_url().to_owned(), running.gateway.config_url().to_owned());
        Self { app: App::new(), url, config }
    }

    pub(crate) fn eg(&self, arguments: &[&str]) -> Transcript {
        self.app.eg(&[arguments, &["--url", &self.url, "--config-url", &self.config]].concat())
    }

    #[track_caller]
    pub(crate) fn prints(&self, arguments: &[&str]) -> String {
        let transcript = self.eg(arguments);
        assert_eq!(transcript.code, Some(0), "{transcript:?}");
        transcript.stdout
    }
}

/// Emits an event about an order.
pub(crate) async fn emit(running: &Running, ty: &str, id: &str, data: Value) {
    let event = CloudEvent::of_type(ty, "/shop", data).with_id(id).with_subject(format!("orders/{id}"));
    running.client.emit(event.encode().unwrap()).await.unwrap();
}

/// Replaces times and durations by a word, because they differ from run to run.
pub(crate) fn timeless(text: &str) -> String {
    let word = |word: &str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        if word.contains(':') && digits >= 9 {
            "TIME".to_owned()
        } else if word.starts_with("20") && word.matches('-').count() == 2 && digits == 8 {
            "DATE".to_owned()
        } else {
            word.to_owned()
        }
    };
    let line = |line: &str| {
        let indent: String = line.chars().take_while(|c| *c == ' ').collect();
        let words: Vec<String> = line.split_whitespace().map(word).collect();
        let mut line = indent + &words.join(" ");
        if let (Some(from), Some(to)) = (line.find("after "), line.find(" ms")) {
            line.replace_range(from + 6..to, "N");
        }
        line + "\n"
    };
    text.lines().map(line).collect()
}
