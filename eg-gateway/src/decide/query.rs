//! Reads the query of a request for its `http.request` event: an object of names and arrays of values.

use std::collections::HashMap;

use serde::{Serialize, Serializer};

/// The decoded query. A name without a value has the value `""`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, Vec<String>)>);

impl Query {
    /// Reads a query. The names have the order in which they appear; with `sorted`, that of the original.
    pub(crate) fn read(query: &str, sorted: bool) -> Self {
        let mut names: Vec<(String, Vec<String>)> = Vec::new();
        let mut places = HashMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = *places.entry(name.clone()).or_insert(names.len());
            match names.get_mut(place) {
                Some((_, values)) => values.push(value.into_owned()),
                None => names.push((name.into_owned(), vec![value.into_owned()])),
            }
        }
        if sorted {
            names.sort();
        }
        Self(names)
    }

    /// Returns the query as text.
    pub(crate) fn written(&self) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        for (name, values) in &self.0 {
            values.iter().for_each(|value| {
                text.append_pair(name, value);
            });
        }
        text.finish()
    }
}

impl Serialize for Query {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, values)| (name, values)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        for (query, json, sorted, written) in [
            ("", "{}", "{}", ""),
            ("b=2&a=1", r#"{"b":["2"],"a":["1"]}"#, r#"{"a":["1"],"b":["2"]}"#, "b=2&a=1"),
            ("b=1&a=1&b=2", r#"{"b":["1","2"],"a":["1"]}"#, r#"{"a":["1"],"b":["1","2"]}"#, "b=1&b=2&a=1"),
            (
                "x=1&x=2&y=%20z&empty",
                r#"{"x":["1","2"],"y":[" z"],"empty":[""]}"#,
                r#"{"empty":[""],"x":["1","2"],"y":[" z"]}"#,
                "x=1&x=2&y=+z&empty=",
            ),
        ] {
            let read = Query::read(query, false);
            assert_eq!(serde_json::to_string(&read).unwrap(), json, "{query}");
            assert_eq!(serde_json::to_string(&Query::read(query, true)).unwrap(), sorted, "{query}");
            assert_eq!(read.written(), written, "{query}");
        }
    }
}
