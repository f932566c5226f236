//! Derives resource ids in the same way as the gateway. Source: the original event-gateway, whose ids appear in URLs
//! that clients store.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Cors, Subscription, SubscriptionType};

impl Subscription {
    /// Returns the id that a gateway assigns to this subscription, whether or not `subscription_id` is set.
    ///
    /// ```
    /// # use eg_sdk::config::Subscription;
    /// let subscription = Subscription::http("GET", "/users/:id", "users-get_user");
    /// assert_eq!(subscription.derived_id(), "c3luYyxodHRwLnJlcXVlc3QsJTJGdXNlcnMlMkY6aWQsR0VU");
    /// ```
    #[must_use]
    pub fn derived_id(&self) -> String {
        let (event, path, method) =
            (&self.event_type, escape_segment(&self.path), self.method.to_uppercase());
        let text = match self.kind {
            SubscriptionType::Async => format!("async,{event},{},{path},{method}", self.function_id),
            SubscriptionType::Sync => format!("sync,{event},{path},{method}"),
        };
        URL_SAFE_NO_PAD.encode(text)
    }
}

impl Cors {
    /// Returns the id that a gateway assigns to this configuration, whether or not `cors_id` is set.
    ///
    /// ```
    /// # use eg_sdk::config::Cors;
    /// assert_eq!(Cors::new("GET", "/hello/:id/*x").derived_id(), "GET%2Fhello%2F:id%2F%2Ax");
    /// ```
    #[must_use]
    pub fn derived_id(&self) -> String {
        format!("{}{}", self.method, escape_segment(&self.path))
    }
}

/// Escapes a path as one segment of a URL: letters, digits and `-_.~$&+:=@` stay, other bytes become `%XX`.
pub fn escape_segment(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len() + 8);
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+:=@".contains(&byte) {
            escaped.push(byte.into());
        } else {
            write!(escaped, "%{byte:02X}").expect("a string takes everything");
        }
    }
    escaped
}
