//! Finds problems between services that no service can detect alone. Works on manifests only: reading files and
//! calling services is left to the commands.

mod authorizers;
mod events;
mod flow;
mod gateway_only;
mod model;
mod names;
pub(crate) mod render;
mod routes;
pub(crate) mod schema;
mod start;
mod streams;
mod unrouted;

use serde::Serialize;

pub(crate) use self::model::Service;
pub(crate) use self::start::unstartable;

/// A kind of finding. The order is that of the exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    /// Two functions have the same id.
    DuplicateId,
    /// Two functions answer the same requests, or the gateway cannot hold both routes.
    RouteConflict,
    /// A subscriber cannot read an event that is emitted.
    SchemaMismatch,
    /// AWS does not allow the name.
    BadName,
    /// A function subscribes to an event type that no service emits.
    NeverEmitted,
    /// An event leads back to itself.
    Loop,
    /// No service subscribes to an event type that is emitted.
    NeverSubscribed,
    /// A function failed to start when it was tried.
    CannotStart,
    /// A route streams, which an HTTP API does not.
    BufferedStream,
    /// An authorizer that no route names, or a route whose authorizer its service does not have.
    UnmatchedAuthorizer,
    /// A synchronous subscription has no path of its own, so it has no route on AWS.
    NoRoute,
    /// Only an event gateway emits an event type to which a function subscribes.
    GatewayOnly,
}

/// All classes.
pub(crate) const CLASSES: [Class; 12] = [
    Class::DuplicateId,
    Class::RouteConflict,
    Class::SchemaMismatch,
    Class::BadName,
    Class::NeverEmitted,
    Class::Loop,
    Class::NeverSubscribed,
    Class::CannotStart,
    Class::BufferedStream,
    Class::UnmatchedAuthorizer,
    Class::NoRoute,
    Class::GatewayOnly,
];

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    Note,
    Warning,
    Error,
}

/// A problem that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) class: Class,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    /// The functions involved.
    pub(crate) places: Vec<Place>,
    /// Details, such as the fields that do not fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) facts: Vec<Fact>,
    /// What the user can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) help: Option<String>,
}

/// A function and its part in a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Place {
    /// `file:line`.
    pub(crate) source: String,
    pub(crate) function: String,
    pub(crate) role: String,
}

/// A field, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Fact {
    /// The path within the event, for example `data.address.city`.
    pub(crate) path: String,
    pub(crate) problem: String,
}

impl Class {
    /// Returns the name on the command line and in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::DuplicateId => "duplicate-id",
            Self::RouteConflict => "route-conflict",
            Self::SchemaMismatch => "schema-mismatch",
            Self::BadName => "bad-name",
            Self::NeverEmitted => "never-emitted",
            Self::Loop => "loop",
            Self::NeverSubscribed => "never-subscribed",
            Self::CannotStart => "cannot-start",
            Self::BufferedStream => "buffered-stream",
            Self::UnmatchedAuthorizer => "unmatched-authorizer",
            Self::NoRoute => "no-route",
            Self::GatewayOnly => "gateway-only",
        }
    }

    /// Returns the default severity; the command line can override it.
    pub(crate) const fn severity(self) -> Severity {
        match self {
            Self::DuplicateId
            | Self::RouteConflict
            | Self::SchemaMismatch
            | Self::BadName
            | Self::CannotStart => Severity::Error,
            Self::NeverEmitted | Self::Loop | Self::UnmatchedAuthorizer => Severity::Warning,
            Self::NeverSubscribed | Self::BufferedStream | Self::NoRoute | Self::GatewayOnly => {
                Severity::Note
            }
        }
    }
}

impl Finding {
    fn new(class: Class, message: String, places: Vec<Place>) -> Self {
        Self { class, severity: class.severity(), message, places, facts: Vec::new(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Runs all checks on these services and returns the findings by class.
pub(crate) fn check(services: &[Service]) -> Vec<Finding> {
    let mut findings = names::duplicates(services);
    findings.extend(routes::conflicts(services));
    findings.extend(events::mismatches(services));
    findings.extend(names::refused(services));
    findings.extend(flow::never_emitted(services));
    findings.extend(flow::loops(services));
    findings.extend(flow::never_subscribed(services));
    findings.extend(flow::never_answered(services));
    findings.extend(streams::buffered(services));
    findings.extend(authorizers::unmatched(services));
    findings.extend(unrouted::unrouted(services));
    findings.extend(gateway_only::gateway_only(services));
    findings
}
