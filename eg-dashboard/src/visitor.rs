//! Who sent a request, as the pages need to know. `access` finds out.

use eg_sdk::EventGateway;

/// Who sent a request.
pub(crate) struct Visitor {
    /// The client of the gateway, in the space of the page and with the visitor's key.
    pub(crate) gateway: EventGateway,
    /// The token of the visitor's forms. Pages from elsewhere cannot read it.
    pub(crate) token: String,
    /// Whether the visitor's key allows no change.
    pub(crate) reads_only: bool,
    /// Whether the visitor has a session, and so can end it.
    pub(crate) logged_in: bool,
}
