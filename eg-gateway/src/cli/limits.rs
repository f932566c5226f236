//! Flags for limits: how much the gateway holds, and for how long. The library enforces them.

use std::time::Duration;

use eg_gateway::Options;
use eg_grammar::{limits, parse_duration, parse_size};

#[derive(Debug, clap::Args)]
pub(super) struct Limits {
    /// How long to drop events whose source and id equal those of an earlier event; 0s turns this off
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_duration)]
    dedupe_window: Duration,
    /// Maximum length of a chain of events that cause one another, counted in the extension `hops`
    #[arg(long, value_name = "N", default_value_t = u64::from(limits::HOPS))]
    max_hops: u64,
    /// Maximum number of events that one event may lead to, directly and through others that name their cause
    #[arg(long, value_name = "N", default_value_t = limits::FAN_OUT)]
    max_fan_out: u64,
    /// Stop a function that keeps itself busy after this many events in a row without a known cause (at least 1000); 0 turns
    /// this off
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_loop: u64,
    /// Maximum size of a request body; larger ones get a 413. Functions on Lambda take 6 MB at most
    #[arg(long, value_name = "BYTES", default_value = "6208KiB", value_parser = parse_size)]
    max_request_size: u64,
    /// Maximum size of a function's reply; a call with a larger one fails
    #[arg(long, value_name = "BYTES", default_value = "6208KiB", value_parser = parse_size)]
    max_reply_size: u64,
    /// Memory for requests and their answers, and the same again for deliveries under way; when it is used up, clients get
    /// a 503
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = parse_size)]
    memory_limit: u64,
    /// How long to keep events after their deliveries have ended; dead letters stay until you redrive or discard them
    #[arg(long, value_name = "DURATION", default_value = "168h", value_parser = parse_duration)]
    retention: Duration,
    /// Maximum size of the store; emitters whose events do not fit get a 503. From nine tenths of it on, the oldest
    /// finished events are deleted early, and only spaces with less than their equal share may store more
    #[arg(long, value_name = "BYTES", default_value = "10GiB", value_parser = parse_size)]
    store_limit: u64,
    /// Number of calls of functions whose answers and logs to keep in memory, for the dashboard and `cargo eg show`: at most
    /// about 8 KB each [default: 0, or 1000 with --dev]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=100_000))]
    recent_calls: Option<u32>,
}

impl Limits {
    /// Sets the limits of `options`. `dev` says whether the gateway serves developers.
    pub(super) fn apply(&self, options: &mut Options, dev: bool) {
        options.dedupe_window = self.dedupe_window;
        options.max_hops = self.max_hops;
        options.max_fan_out = self.max_fan_out;
        options.max_loop = self.max_loop;
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        options.body_limit = size(self.max_request_size);
        options.reply_limit = size(self.max_reply_size);
        options.memory_limit = size(self.memory_limit);
        options.retention = self.retention;
        options.store_limit = self.store_limit;
        options.recent_calls = match self.recent_calls {
            Some(calls) => size(calls.into()),
            None if dev => Options::RECENT_CALLS,
            None => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        limits: Limits,
    }

    #[test]
    fn each_flag_sets_its_own_limit() {
        let mut options = Options::new("/data");
        let flags = ["event-gateway", "--max-hops=3", "--max-fan-out=1", "--max-loop=2"];
        Flags::try_parse_from(flags).unwrap().limits.apply(&mut options, false);
        assert_eq!((options.max_hops, options.max_fan_out, options.max_loop), (3, 1, 2));
    }

    #[test]
    fn developers_see_calls_and_others_if_they_ask_for_it() {
        for (flags, dev, expected) in [
            (vec!["event-gateway"], false, 0),
            (vec!["event-gateway"], true, Options::RECENT_CALLS),
            (vec!["event-gateway", "--recent-calls=7"], false, 7),
            (vec!["event-gateway", "--recent-calls=0"], true, 0),
        ] {
            let mut options = Options::new("/data");
            Flags::try_parse_from(&flags).unwrap().limits.apply(&mut options, dev);
            assert_eq!(options.recent_calls, expected, "{flags:?}");
        }
        let refused =
            Flags::try_parse_from(["event-gateway", "--recent-calls=100001"]).unwrap_err().to_string();
        assert!(refused.contains("100001 is not in 0..=100000"), "{refused}");
    }
}
