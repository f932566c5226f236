//! Reads from a template which gateway calls the functions of the stack, and what for. Registering them is left to `registration`.

use std::collections::BTreeMap;
use std::error::Error;

use eg_sdk::manifest::Manifest;
use serde_json::{Map, Value, json};

use crate::exit::{Exit, Failure};
use crate::project::deploy::Gateway;
use crate::template::{GATEWAY, REGISTERED};

/// The gateway of a stack.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Registered {
    pub(crate) gateway: Gateway,
    /// The services whose functions it calls.
    pub(crate) manifests: Vec<Manifest>,
}

impl Registered {
    /// Reads a template. Returns `None` if no gateway calls its functions.
    ///
    /// # Errors
    /// If the template was made by a version that describes functions in another way.
    pub(crate) fn of(template: &Value) -> Result<Option<Self>, Failure> {
        let unreadable = |error: &dyn Error| {
            let message =
                format!("cannot read from the template what its gateway calls the functions for: {error}");
            Failure::new(Exit::Failed, message)
                .hint("use the version of `cargo eg` that has deployed the stack")
        };
        let output = |name: &str| template["Outputs"][name]["Value"].as_str();
        let Some(url) = output(GATEWAY.url) else { return Ok(None) };
        let gateway = Gateway::new(url, output(GATEWAY.config_url), output(GATEWAY.space))
            .map_err(|error| unreadable(&error))?;
        let mut services: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for resource in template["Resources"].as_object().into_iter().flat_map(Map::values) {
            let function = &resource["Metadata"][REGISTERED];
            if let Some(service) = function["service"].as_str() {
                services.entry(service.to_owned()).or_default().push(function.clone());
            }
        }
        let manifest = |(service, functions)| {
            serde_json::from_value(json!({"service": service, "version": "", "functions": functions}))
        };
        let manifests: Result<_, _> = services.into_iter().map(manifest).collect();
        let manifests = manifests.map_err(|error: serde_json::Error| unreadable(&error))?;
        Ok(Some(Self { gateway, manifests }))
    }
}
