//! Creates the OpenAPI 3.1 document of the Config API from the route table. The schemas come from the types that
//! `eg_sdk` sends and reads.

use std::collections::BTreeMap;

use eg_sdk::errors::ErrorBody;
use eg_sdk::schema::Shape;
use serde_json::{Map, Value, json};

use super::routes::{Component, Content, Operation, Parameter};

const DESCRIPTION: &str = "\
Configures an event gateway, and shows what happened to its events.

Every error has the body `{\"errors\":[{\"code\":\"…\",\"message\":\"…\"}]}`. Paths with a wrong number of slashes, and fixed path segments in \
the wrong case, redirect to the right path.

Where an access key is set, send it as `Authorization: Bearer <key>`. Where none is set, the API serves only clients on the \
gateway's own machine.";

/// Parameters in paths, and what they identify.
const PATH_PARAMETERS: [(&str, &str); 2] = [
    ("space", "The space that the resource belongs to, for example `default`."),
    ("id", "The id of the resource, percent-encoded."),
];

/// The body of every error.
const ERRORS: Component = Component::of::<ErrorBody>("Errors");

/// Returns the document for `operations`.
pub(super) fn document(operations: &[Operation]) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut schemas = BTreeMap::from([(ERRORS.name, schema(ERRORS.shape))]);
    for operation in operations {
        let contents = operation.doc.body.iter().chain(&operation.doc.answer);
        schemas.extend(contents.filter_map(Content::component).map(|used| (used.name, schema(used.shape))));
        let methods = paths.entry(&operation.path).or_insert_with(|| {
            let parameters =
                PATH_PARAMETERS.iter().filter(|(name, _)| operation.path.contains(&format!("{{{name}}}")));
            let parameters: Vec<Value> = parameters.map(|(name, doc)| path_parameter(name, doc)).collect();
            let shared =
                (!parameters.is_empty()).then(|| ("parameters".to_owned(), Value::Array(parameters)));
            shared.into_iter().collect()
        });
        methods.insert(operation.method.to_owned(), entry(operation));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Event Gateway Config API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "accessKey": { "type": "http", "scheme": "bearer" } },
        },
        "security": [{}, { "accessKey": [] }],
    })
}

/// Returns the operation object.
fn entry(operation: &Operation) -> Value {
    let doc = &operation.doc;
    let mut answer = json!({ "description": doc.status.canonical_reason().unwrap_or_default() });
    if let Some(content) = &doc.answer {
        answer["content"] = content.media();
    }
    let mut entry = json!({
        "operationId": doc.id,
        "summary": doc.summary,
        "tags": [operation.tag],
        "responses": {
            doc.status.as_str(): answer,
            "default": { "description": "Error", "content": Content::Json(ERRORS).media() },
        },
    });
    if !doc.query.is_empty() {
        entry["parameters"] = doc.query.iter().map(query_parameter).collect();
    }
    if let Some(body) = &doc.body {
        entry["requestBody"] =
            json!({ "required": !matches!(body, Content::OptionalJson(_)), "content": body.media() });
    }
    entry
}

fn path_parameter(name: &str, doc: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": doc, "schema": { "type": "string" } })
}

fn query_parameter(parameter: &Parameter) -> Value {
    let Parameter { name, doc, shape } = parameter;
    json!({ "name": name, "in": "query", "description": doc, "schema": schema(shape) })
}

impl Content {
    fn component(&self) -> Option<&Component> {
        match self {
            Self::Json(component) | Self::OptionalJson(component) | Self::List { items: component, .. } => {
                Some(component)
            }
            Self::Text(_) => None,
        }
    }

    /// Returns the media type object: media type → schema.
    fn media(&self) -> Value {
        match self {
            Self::Json(component) | Self::OptionalJson(component) => {
                json!({ "application/json": { "schema": component.reference() } })
            }
            Self::List { member, items } => {
                let list = json!({ "type": "array", "items": items.reference() });
                let object =
                    json!({ "type": "object", "properties": { *member: list }, "required": [member] });
                json!({ "application/json": { "schema": object } })
            }
            Self::Text(media_type) => json!({ *media_type: { "schema": { "type": "string" } } }),
        }
    }
}

impl Component {
    fn reference(&self) -> Value {
        json!({ "$ref": format!("#/components/schemas/{}", self.name) })
    }
}

/// Returns a shape as a JSON Schema.
fn schema(shape: &Shape) -> Value {
    serde_json::from_str(&shape.to_string()).expect("shapes are printed as JSON")
}
