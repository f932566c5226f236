//! The JSON of a payload that describes its sender. `payload` copies it without reading it, because few functions need it;
//! `caller` reads it.

/// The service that sent the payload, which determines what the fields mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// An HTTP API or a function URL, with payload format 2.0.
    Format2,
    /// A REST or WebSocket API, or an HTTP API with payload format 1.0.
    Format1,
    LoadBalancer,
    Lattice1,
    Lattice2,
    /// One that says nothing about the client.
    Other,
}

/// The fields of a payload that describe its sender.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) by: Sender,
    /// The JSON of `requestContext`.
    pub(crate) context: Option<String>,
    /// The JSON of `stageVariables`.
    pub(crate) stage_variables: Option<String>,
}
