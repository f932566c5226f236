//! Finds routes that stream behind a front door that does not: the HTTP API of the template sends answers whole.

use super::model::{Service, functions, place};
use super::{Class, Finding};

/// Returns the routes that stream.
pub(super) fn buffered(services: &[Service]) -> Vec<Finding> {
    let streamed = functions(services).flat_map(|function| {
        function.events().filter(|trigger| trigger.stream).map(move |at| (function, at))
    });
    streamed
        .map(|(function, trigger)| {
            let message = format!(
                "{} {} streams, and an HTTP API sends its answer whole, if it is not too large",
                trigger.method, trigger.path
            );
            Finding::new(Class::BufferedStream, message, vec![place(function, "")]).help(
                "clients that need the stream use the function's URL, which `cargo eg template` adds, or a REST API with \
                 `responseTransferMode: STREAM`",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::model::{services, texts};
    use super::*;

    #[test]
    fn streams_behind_an_http_api() {
        let given = services(&[("shop", &[("chat", &["GET /chat/{id}", "GET /status"], &[])])]);
        assert!(buffered(&given).is_empty());
        let mut given = given;
        let eg_sdk::manifest::Trigger::Event(route) = &mut given[0].functions[0].triggers[0] else {
            panic!("a route")
        };
        route.stream = true;
        let found = texts(&buffered(&given));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("GET /chat/{id} streams, and an HTTP API sends its answer whole"),
            "{found:?}"
        );
    }
}
