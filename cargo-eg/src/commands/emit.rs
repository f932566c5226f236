//! `cargo eg emit`: sends one event to a gateway, one message to a local queue, or one record to the readers of a stream.

use std::collections::BTreeMap;

use eg_grammar::{HTTP_REQUEST, list, nearest};
use eg_sdk::history::Delivery;
use eg_sdk::manifest::EventSchema;
use eg_sdk::{CloudEvent, Data, EventGateway, Receipt, Settings};
use serde_json::{Value, json};

use super::app::Loaded;
use super::data::Payload;
use super::history::{client, similar_registered_type};
use super::stage::is_on_aws;
use super::{deployed, json_line, print, print_answer, queue, stream};
use crate::check::schema;
use crate::cli;
use crate::exit::{Exit, Failure, warn};
use crate::project::sample;
use crate::project::services::Service;
use crate::state::running::{Running, is_local};
use crate::state::schemas;

pub(crate) async fn run(arguments: cli::Emit) -> Result<(), Failure> {
    let data = match (&arguments.data, &arguments.event) {
        (Some(given), _) => Some(Payload::read(given)?),
        (None, Some(ty)) => Some(Payload::of(&sampled(ty).await?)?),
        (None, None) => None,
    };
    // The command line requires one of the two, and a payload.
    let Some(data) = data else { return Err(Failure::new(Exit::Usage, "there is no payload to emit")) };
    if let Some(name) = &arguments.stream {
        return stream::send(&arguments, name, &data.text).await;
    }
    match (&arguments.queue, &arguments.event) {
        (Some(name), _) => queue::send(&arguments, name, &data.text).await,
        (None, Some(ty)) => emit(&arguments, ty, data.into_data()).await,
        (None, None) => Err(Failure::new(
            Exit::Usage,
            "nothing to emit: name an event type with --event, a queue with --queue, or a stream with --stream",
        )),
    }
}

async fn emit(arguments: &cli::Emit, ty: &str, data: Data) -> Result<(), Failure> {
    let mut event = CloudEvent::of_type(ty, arguments.source.clone(), data);
    if let Some(id) = &arguments.id {
        event = event.with_id(id.clone());
    }
    if let Some(subject) = &arguments.subject {
        event = event.with_subject(subject.clone());
    }
    if is_on_aws(&arguments.aws, None)? {
        return deployed::emit(arguments, event).await;
    }
    let settings = arguments.gateway.settings();
    let gateway = EventGateway::with_settings(settings.clone())?;
    for (mistakes, functions) in misfits(&settings, ty, event.data.as_bytes()) {
        let functions: Vec<&str> = functions.iter().map(String::as_str).collect();
        warn(&format!("the payload is not the `{ty}` of {}: {mistakes}", list(&functions)));
    }
    if arguments.sync {
        return request(arguments, &gateway, event).await;
    }
    let receipt = gateway.emit(event).await?;
    if receipt.duplicate {
        return duplicate(arguments, ty, &receipt);
    }
    let asks = is_local(&settings.url) || arguments.gateway.config_url.is_some();
    let deliveries = if asks { deliveries(settings, &receipt.id, &arguments.source, ty).await } else { None };
    if arguments.json {
        let mut answer = json!({"event": ty, "id": receipt.id, "duplicate": false});
        if let Some(deliveries) = &deliveries {
            let goes_to =
                |delivery: &Delivery| json!({"function": delivery.function_id, "state": delivery.state});
            answer["deliveries"] = deliveries.iter().map(goes_to).collect();
        }
        return print(&json_line(&answer)?);
    }
    print(&format!("Event emitted: {ty}\nid: {}\n", receipt.id))?;
    match deliveries.as_deref() {
        None => {}
        Some([]) => {
            eprintln!("no function is subscribed to it{}", similar_registered_type(&gateway, ty).await);
        }
        Some(deliveries) => deliveries.iter().for_each(|delivery| eprintln!("{}", recipient(delivery))),
    }
    Ok(())
}

/// Reports that the gateway had accepted the event before.
fn duplicate(arguments: &cli::Emit, ty: &str, receipt: &Receipt) -> Result<(), Failure> {
    let Receipt { id, conflict, .. } = receipt;
    if arguments.json {
        return print(&json_line(&json!({"event": ty, "id": id, "duplicate": true, "conflict": conflict}))?);
    }
    if *conflict {
        warn("the event with this id has another payload: give each event an id of its own");
    }
    eprintln!(
        "the gateway has accepted an event with this id and source before, so it stored nothing; \
         `cargo eg show {id} --source {}` shows that event",
        arguments.source
    );
    print(&format!("Duplicate: {ty}\nid: {id}\n"))
}

/// Compares a payload with the schemas of the app that runs here, if the event goes to that app's gateway. Returns the
/// mistakes, each with the functions whose schema finds them.
fn misfits(settings: &Settings, ty: &str, payload: &[u8]) -> BTreeMap<String, Vec<String>> {
    let running = std::env::current_dir().ok().and_then(|folder| Running::with_state(&folder));
    let Some((_, state)) = running.filter(|(running, _)| running.events == settings.url) else {
        return BTreeMap::new();
    };
    let Ok(payload) = serde_json::from_slice(payload) else { return BTreeMap::new() };
    let mut misfits: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for EventSchema { schema, emitted_by, received_by, .. } in schemas::read(&state, ty) {
        let facts = schema::misfits(&payload, &schema);
        if !facts.is_empty() {
            let facts: Vec<String> =
                facts.iter().map(|fact| format!("{} {}", fact.path, fact.problem)).collect();
            let functions = if received_by.is_empty() { emitted_by } else { received_by };
            misfits.entry(facts.join("; ")).or_default().extend(functions);
        }
    }
    misfits
}

/// Emits the event and waits for the answer of the function.
async fn request(
    arguments: &cli::Emit,
    gateway: &EventGateway,
    event: CloudEvent<Data>,
) -> Result<(), Failure> {
    let (ty, id) = (event.ty().to_owned(), event.id().to_owned());
    let answer = gateway.request_at(&arguments.path, event).await?;
    let text = String::from_utf8_lossy(&answer.body);
    if arguments.json {
        let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_else(|_| Value::from(&*text));
        let content_type = answer.content_type.as_deref();
        let answer = json!({"event": ty, "id": id, "status": answer.status, "contentType": content_type, "body": body});
        return print(&json_line(&answer)?);
    }
    eprintln!("answered with status {}", answer.status);
    print_answer(&answer.body)
}

/// Returns the deliveries of the event; `None` if the gateway does not report them.
async fn deliveries(settings: Settings, id: &str, source: &str, ty: &str) -> Option<Vec<Delivery>> {
    let gateway = client(settings).ok()?;
    let found = gateway.history().event(id, Some(source), Some(ty)).await.ok()??;
    Some(found.deliveries)
}

fn recipient(delivery: &Delivery) -> String {
    match &delivery.mismatch {
        Some(mismatch) => {
            format!("not to {}: its filter on {} does not match", delivery.function_id, mismatch.clause)
        }
        None => format!("to {}", delivery.function_id),
    }
}

/// Returns a sample payload from the schema that the local services have for this type.
async fn sampled(ty: &str) -> Result<Value, Failure> {
    let schema_in = |services: &[Service]| {
        services.iter().find_map(|service| service.manifest.schemas_of(ty).next().cloned())
    };
    // A similar type of the app that runs here is likely to be meant, so nothing else is built.
    let is_similar = |services: &[Service]| {
        let types = services.iter().flat_map(|service| &service.manifest.events);
        nearest(ty, types.map(|event| event.ty.as_str())).is_some()
    };
    let fits = |services: &[Service]| schema_in(services).is_some() || is_similar(services);
    let loaded = Loaded::running(fits).await?;
    if let Some(schema) = schema_in(&loaded.services) {
        return Ok(sample::of(&schema));
    }
    let mut known: Vec<&str> = loaded
        .services
        .iter()
        .flat_map(|service| &service.manifest.events)
        .map(|event| event.ty.as_str())
        .filter(|ty| *ty != HTTP_REQUEST)
        .collect();
    known.sort_unstable();
    known.dedup();
    let failure = Failure::new(
        Exit::NotFound,
        format!("no service here has a schema for `{ty}`, so there is no sample payload"),
    );
    Err(match (nearest(ty, known.iter().copied()), known.as_slice()) {
        (Some(near), _) => failure.hint(format!("did you mean `{near}`?")),
        (None, []) => failure.hint("write the payload with --data"),
        (None, known) => failure
            .hint(format!("write the payload with --data; event types with a schema: {}", known.join(", "))),
    })
}
