//! Keeps web pages from elsewhere and foreign names away from what the gateway serves without an access key: a page knows
//! no key. The rules are in `eg_grammar`; this module knows which of them apply to which port.

use std::net::IpAddr;

use axum::http::{HeaderMap, Method, header};
use eg_grammar::{Foreign, Mistake, OwnNames, Visit};

use super::errors::ApiError;
use crate::decide::body::{essence, is_json};
use crate::decide::cors::Access;
use crate::options::Options;

/// The names of the gateway's ports.
#[derive(Debug)]
pub(crate) struct Screening {
    /// `None` if the Events API needs keys, or listens for other machines and so is open to everybody.
    events: Option<OwnNames>,
    config: OwnNames,
    /// Whether pages may use the Events API if their browser does not report the site, as in the original.
    strict: bool,
}

impl Screening {
    /// Returns the names that the options give to the ports.
    pub(crate) fn new(options: &Options) -> Result<Self, Mistake> {
        let names = |address: IpAddr| -> Result<OwnNames, Mistake> {
            let mut names = OwnNames::new(address);
            for name in &options.allowed_hosts {
                names = names.allow(name)?;
            }
            match &options.domain {
                // Pages of one space are foreign to the others.
                Some(domain) => names.called(domain)?.called(&format!("*.{domain}")),
                None => Ok(names),
            }
        };
        let events = options.events_addr.first().ip();
        let is_local = events.to_canonical().is_loopback() && !options.access_keys.events;
        Ok(Self {
            events: is_local.then(|| names(events)).transpose()?,
            config: names(options.config_addr.first().ip())?,
            strict: options.strict_compat,
        })
    }

    /// Checks a request to the Events API. `access` is the CORS part of the response.
    pub(super) fn events(
        &self,
        method: &Method,
        headers: &HeaderMap,
        access: Option<&Access>,
    ) -> Result<(), ApiError> {
        let Some(names) = &self.events else { return Ok(()) };
        let visit = visit(method, headers);
        names.check_host(&visit)?;
        let allowed = match access {
            // A preflight has no effect, and its answer says what is allowed.
            Some(Access::Preflight(_)) => true,
            Some(Access::Actual { allowed, .. }) => *allowed,
            None => false,
        };
        if allowed || visit.navigates() || self.strict && !visit.has_site() {
            return Ok(());
        }
        Ok(names.check_page(&visit)?)
    }

    /// Returns the names of the port of the Config API.
    pub(super) fn config_names(&self) -> &OwnNames {
        &self.config
    }

    /// Checks a request to the Config API or the Connections API.
    pub(super) fn config(&self, method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
        let visit = visit(method, headers);
        self.config.check_host(&visit)?;
        Ok(self.config.check_page(&visit)?)
    }
}

/// Checks that the body of a change is not declared as something other than JSON. Pages can send other types without
/// asking first. Programs may leave the type out.
pub(super) fn is_declared_as_json(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    let changes = !method.is_safe();
    match headers.get(header::CONTENT_TYPE) {
        Some(declared) if changes => {
            let declared = String::from_utf8_lossy(declared.as_bytes());
            if is_json(&essence(&declared)) { Ok(()) } else { Err(ApiError::not_json(&declared)) }
        }
        _ => Ok(()),
    }
}

fn visit<'a>(method: &Method, headers: &'a HeaderMap) -> Visit<'a> {
    // Requests have few headers, so comparing names costs less than looking up each by its text.
    let values =
        |name| headers.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_bytes());
    Visit::read(method.as_str(), values)
}

impl From<Foreign> for ApiError {
    fn from(foreign: Foreign) -> Self {
        Self::foreign(&foreign)
    }
}
