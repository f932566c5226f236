//! Lists the outputs of a template: what programs outside of the stack need to know. Each is exported as `<stack>-<name>`.

use super::api::url_id;
use super::names::{arn, attribute, in_stack, pascal, reference, sub};
use super::queues::{Queues, failures_id};
use super::{API, Application, SOCKETS, Tree, archive, authorizers, domain, map, tables, websockets};
use crate::needs;

/// The names of the outputs that say where the gateway of a stage is.
pub(crate) struct GatewayOutputs {
    pub(crate) url: &'static str,
    /// Absent if it follows from the URL.
    pub(crate) config_url: &'static str,
    /// Absent for the default space.
    pub(crate) space: &'static str,
}

pub(crate) const GATEWAY: GatewayOutputs =
    GatewayOutputs { url: "GatewayUrl", config_url: "GatewayConfigUrl", space: "GatewaySpace" };

/// Returns the outputs.
pub(super) fn outputs(application: &Application<'_>, queues: &Queues) -> Vec<(String, Tree)> {
    let mut outputs = Vec::new();
    let mut add = |name: String, description: &str, value: Tree| {
        let export = map! { "Name" => in_stack(&name) };
        outputs.push((name, map! { "Description" => description, "Value" => value, "Export" => export }));
    };
    if let Some(gateway) = &application.stage.gateway {
        add(GATEWAY.url.to_owned(), "Where requests and events go", gateway.url.as_str().into());
        if let Some(url) = &gateway.config_url {
            add(GATEWAY.config_url.to_owned(), "The Config API of the gateway", url.as_str().into());
        }
        if let Some(space) = &gateway.space {
            add(GATEWAY.space.to_owned(), "The space of the gateway", space.as_str().into());
        }
    }
    let has_api = application.stage.gateway.is_none();
    if has_api && application.functions().any(|(_, function)| function.events().any(needs::is_route)) {
        let url = format!("https://${{{API}}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}");
        add(format!("{API}Url"), "Where requests go", sub(&url));
    }
    for (name, description, value) in domain::outputs(application) {
        add(name, description, value);
    }
    if application.has_sockets() {
        add(format!("{SOCKETS}Url"), "Where clients connect", websockets::client_url());
    }
    for (manifest, function) in application.functions() {
        let id = pascal(&function.id);
        if has_api && function.streams() {
            let description = format!("Where {} streams its answers", function.id);
            add(url_id(&id), &description, attribute(&url_id(&id), "FunctionUrl"));
        }
        let is_for_other_apis = function.is_authorizer() && !authorizers::is_named(manifest, function);
        if function.is_invoked() || is_for_other_apis {
            let description = format!("The function {}, for whatever invokes it", function.id);
            add(authorizers::arn_output(function), &description, arn(&id));
        }
    }
    if application.has_bus() {
        add("EventBusName".to_owned(), "The bus of the events", application.bus());
    }
    for (name, description, value) in archive::outputs(application) {
        add(name.to_owned(), description, value);
    }
    for (queue, id) in queues {
        add(format!("{id}Url"), &format!("Where messages for queue {queue} go"), reference(id));
    }
    for (name, table) in &application.stage.tables {
        let output = format!("{}TableName", pascal(name));
        add(output, &format!("Table {name}"), tables::name_of(name, table));
    }
    for manifest in application.services_with_failures() {
        let id = failures_id(&manifest.service);
        let description = format!("The queue for what functions of {} fail to handle", manifest.service);
        add(format!("{id}Url"), &description, reference(&id));
    }
    outputs
}
