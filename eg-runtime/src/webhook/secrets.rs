//! The secrets of a sender: from a variable, or given to `App::state`.

use std::env;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::Provider;

/// The secrets with which a sender signs, any of which verifies a webhook. Give it to [`App::state`](crate::App::state), or set the
/// sender's variable.
pub struct Secrets<P> {
    secrets: Arc<[String]>,
    url: Option<Arc<str>>,
    sender: PhantomData<fn() -> P>,
}

/// No secret is set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the variable {0} is not set: it needs the secret with which webhooks of `{1}` are signed")]
pub struct MissingSecret(&'static str, &'static str);

impl<P: Provider> Secrets<P> {
    /// Creates the secrets; several while they are rotated.
    ///
    /// ```
    /// use eg_runtime::App;
    /// use eg_runtime::webhook::{Secrets, Stripe};
    ///
    /// let app = App::new().state(Secrets::<Stripe>::new(["whsec_new", "whsec_old"]));
    /// ```
    pub fn new(secrets: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let secrets = secrets.into_iter().map(Into::into).collect();
        Self { secrets, url: None, sender: PhantomData }
    }

    /// Reads the secrets from the sender's variable, where spaces separate several.
    ///
    /// # Errors
    /// [`MissingSecret`] if the variable is not set, or empty.
    pub fn from_env() -> Result<Self, MissingSecret> {
        let value = env::var(P::VARIABLE).unwrap_or_default();
        let secrets = Self::new(value.split_whitespace());
        if secrets.secrets.is_empty() { Err(MissingSecret(P::VARIABLE, P::NAME)) } else { Ok(secrets) }
    }

    /// Sets the URL that the sender calls, for senders that sign it ([`Twilio`](super::Twilio)). Without it, the URL is that of the
    /// request: `https`, its `Host`, its path and its query, which is wrong if a proxy changes one of them.
    #[must_use]
    pub fn at(mut self, url: &str) -> Self {
        self.url = Some(url.into());
        self
    }

    pub(super) fn all(&self) -> &[String] {
        &self.secrets
    }

    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}

impl<P> Clone for Secrets<P> {
    fn clone(&self) -> Self {
        Self { secrets: Arc::clone(&self.secrets), url: self.url.clone(), sender: PhantomData }
    }
}

impl<P: Provider> fmt::Debug for Secrets<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets<{}>({} of them)", P::NAME, self.secrets.len())
    }
}
