//! Reads from a template which gateway calls the functions of the stack, and what for. Registering them is left to `registration`.

use std::collections::BTreeMap;
use std::error::Error;

use eg_sdk::manifest::Manifest;
use serde_json::{Map, Value, json};

use crate::exit::{Exit, Failure};
use crate::project::deploy::Gateway;
use crate::template::{GATEWAY, REGISTERED, joined};

/// Returns the gateway that the outputs of a stack name; `None` if it has none.
///
/// # Errors
/// If an address is not valid.
pub(crate) fn named<'a>(output: impl Fn(&str) -> Option<&'a str>) -> Result<Option<Gateway>, eg_sdk::Error> {
    output(GATEWAY.url)
        .map(|url| Gateway::new(url, output(GATEWAY.config_url), output(GATEWAY.space)))
        .transpose()
}

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
            let message = format!("cannot read the registrations of functions from the template: {error}");
            Failure::new(Exit::Failed, message).hint("use the version of `cargo eg` that deployed the stack")
        };
        let gateway =
            named(|name| template["Outputs"][name]["Value"].as_str()).map_err(|error| unreadable(&error))?;
        let Some(gateway) = gateway else { return Ok(None) };
        let mut services: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let template = &*joined(template);
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
