//! `cargo eg emit --stream`: calls the functions of the local app that read a stream with one record, each independently of
//! the others, as Lambda does. Nothing is kept: a record that fails is not sent again.

use eg_grammar::{StreamKind, nearest};
use eg_sdk::manifest::{Function, Trigger};
use serde_json::{Value, json};

use super::app::Loaded;
use super::invoke::{call, reason};
use super::{json_line, print};
use crate::cli;
use crate::exit::{Exit, Failure};
use crate::project::records;
use crate::project::services::Service;

pub(super) async fn send(arguments: &cli::Emit, name: &str, data: &str) -> Result<(), Failure> {
    let loaded = Loaded::running(|_| true).await?;
    let mut readers: Vec<(&Function, StreamKind)> = Vec::new();
    for (function, kind, stream) in streams(&loaded.services) {
        // A function may read streams of several kinds with one name.
        if stream == name && !readers.iter().any(|(known, of)| known.id == function.id && *of == kind) {
            readers.push((function, kind));
        }
    }
    if readers.is_empty() {
        return Err(unknown(name, &loaded.services));
    }
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    let (mut reached, mut failures) = (Vec::new(), Vec::new());
    for (function, kind) in readers {
        let batch = records::batch(kind, name, &data, arguments.key.as_deref())
            .map_err(|mistake| Failure::new(Exit::Usage, mistake))?;
        let answer = call(&arguments.lambda.url(), &function.id, batch.to_string()).await?;
        match failed(answer.failed, &answer.result) {
            Some(why) => failures.push(format!("function {} failed: {why}", function.id)),
            None => reached.push(function.id.as_str()),
        }
    }
    if !failures.is_empty() {
        let failure = Failure::new(Exit::Function, failures.join("; "));
        return Err(match reached.as_slice() {
            [] => failure,
            reached => failure.hint(format!("handled by {}", reached.join(", "))),
        });
    }
    if arguments.json {
        return print(&json_line(&json!({"stream": name, "functions": reached}))?);
    }
    print(&format!("Record handled: {name}\n"))?;
    reached.iter().for_each(|id| eprintln!("by {id}"));
    Ok(())
}

/// Returns all functions that read a stream, each with the stream's kind and name.
fn streams(services: &[Service]) -> impl Iterator<Item = (&Function, StreamKind, &str)> {
    let functions = services.iter().flat_map(|service| &service.manifest.functions);
    functions.flat_map(|function| {
        function.triggers.iter().filter_map(move |trigger| match trigger {
            Trigger::Stream { stream, source, .. } => Some((function, *source, stream.as_str())),
            _ => None,
        })
    })
}

/// Returns why the record was not handled, from the function's answer.
fn failed(failed: bool, result: &[u8]) -> Option<String> {
    if failed {
        return Some(reason(result));
    }
    let answer: Value = serde_json::from_slice(result).unwrap_or_default();
    answer["batchItemFailures"].as_array().filter(|failures| !failures.is_empty())?;
    let reasons = answer["errors"].as_object().into_iter().flat_map(|errors| errors.values());
    let why = reasons.filter_map(Value::as_str).next().unwrap_or("it reports the record as failed");
    Some(why.to_owned())
}

fn unknown(name: &str, services: &[Service]) -> Failure {
    let mut known: Vec<&str> = streams(services).map(|(_, _, stream)| stream).collect();
    known.sort_unstable();
    known.dedup();
    let failure = Failure::new(Exit::NotFound, format!("no function here reads the stream `{name}`"));
    match (nearest(name, known.iter().copied()), known.as_slice()) {
        (Some(near), _) => failure.hint(format!("did you mean `{near}`?")),
        (None, []) => failure.hint("a function reads one with `#[stream(dynamodb(\"orders\"))]`"),
        (None, known) => failure.hint(format!("the streams are {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_the_answer_of_a_function() {
        assert_eq!(failed(false, br#"{"batchItemFailures":[]}"#), None);
        let reported = br#"{"batchItemFailures":[{"itemIdentifier":"1"}],"errors":{"1":"no stock"}}"#;
        assert_eq!(failed(false, reported).as_deref(), Some("no stock"));
        let unknown = br#"{"batchItemFailures":[{"itemIdentifier":{"partition":"a-0","offset":1}}]}"#;
        assert_eq!(failed(false, unknown).as_deref(), Some("it reports the record as failed"));
        assert_eq!(
            failed(true, br#"{"errorType":"Panic","errorMessage":"oh"}"#).as_deref(),
            Some("Panic: oh")
        );
    }
}
