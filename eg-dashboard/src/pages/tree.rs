//! Renders JSON as a tree, and as indented text. Both keep the order of the members and the text of numbers, which
//! `serde_json::Value` does not.

use std::fmt;

use maud::{Markup, html};
use serde_json::value::RawValue;

use crate::show;

/// The maximum number of members of one object or array.
const MEMBERS: usize = 200;

/// The depth from which on the rest is shown as text.
const DEPTH: usize = 16;

/// The depth up to which objects and arrays are open at first.
const OPEN: usize = 2;

/// The maximum number of characters of a string.
const STRING: usize = 4_000;

/// A value of JSON, one level of it.
enum Node<'a> {
    Object(Vec<(String, &'a RawValue)>),
    Array(Vec<&'a RawValue>),
    String(String),
    /// A number, `true`, `false` or `null`, as written.
    Word(&'a str),
}

impl<'a> Node<'a> {
    fn of(json: &'a RawValue) -> Self {
        let text = json.get();
        match text.as_bytes().first() {
            Some(b'{') => {
                serde_json::from_str(text).map_or(Self::Word(text), |Members(members)| Self::Object(members))
            }
            Some(b'[') => serde_json::from_str(text).map_or(Self::Word(text), Self::Array),
            Some(b'"') => serde_json::from_str(text).map_or(Self::Word(text), Self::String),
            _ => Self::Word(text),
        }
    }
}

/// The members of an object in their order.
pub(crate) struct Members<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Returns the tree of a value.
pub(crate) fn tree(json: &RawValue) -> Markup {
    html! { div .tree { (value(json, 0)) } }
}

fn value(json: &RawValue, depth: usize) -> Markup {
    if depth >= DEPTH {
        return html! { code { (show::clipped(json.get(), STRING)) } };
    }
    match Node::of(json) {
        Node::Object(members) => html! {
            details open[depth < OPEN] {
                summary { span .quiet { "{ " (show::count(members.len(), "member")) " }" } }
                dl {
                    @for (name, member) in members.iter().take(MEMBERS) {
                        div { dt { (show::text(name)) } dd { (value(member, depth + 1)) } }
                    }
                }
                (rest(members.len()))
            }
        },
        Node::Array(items) => html! {
            details open[depth < OPEN] {
                summary { span .quiet { "[ " (show::count(items.len(), "item")) " ]" } }
                ol start="0" { @for item in items.iter().take(MEMBERS) { li { (value(item, depth + 1)) } } }
                (rest(items.len()))
            }
        },
        Node::String(text) => html! { span .string { (show::clipped(&text, STRING)) } },
        Node::Word(word) => html! { span .word { (show::text(word)) } },
    }
}

fn rest(members: usize) -> Markup {
    html! { @if members > MEMBERS { p .quiet { "and " (show::grouped((members - MEMBERS) as u64)) " more: see the raw event" } } }
}

/// Returns JSON text with a member per line. Leaves everything but white space as it is.
pub(crate) fn indented(json: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            text.push(c);
            continue;
        }
        match c {
            ' ' | '\n' | '\r' | '\t' => {}
            '{' | '[' => {
                text.push(c);
                while chars.next_if(char::is_ascii_whitespace).is_some() {}
                match chars.next_if(|c| matches!(c, '}' | ']')) {
                    Some(end) => text.push(end),
                    None => {
                        depth += 1;
                        line(&mut text, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut text, depth);
                text.push(c);
            }
            ',' => {
                text.push(c);
                line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            c => {
                in_string = c == '"';
                text.push(c);
            }
        }
    }
    text
}

fn line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indenting_changes_white_space_only() {
        for (json, expected) in [
            ("1e400", "1e400"),
            ("{}", "{}"),
            ("[ ]", "[]"),
            (
                r#"{"b":[1,{"a":"x, {y}: \"z\\"}],"a":{}}"#,
                "{\n  \"b\": [\n    1,\n    {\n      \"a\": \"x, {y}: \\\"z\\\\\"\n    }\n  ],\n  \"a\": {}\n}",
            ),
        ] {
            assert_eq!(indented(json), expected);
        }
    }

    #[test]
    fn a_tree_keeps_order_and_numbers() {
        let json =
            RawValue::from_string(r#"{"z":12345678901234567890123,"a":["<b>",null]}"#.to_owned()).unwrap();
        let html = tree(&json).into_string();
        let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text} is not in {html}"));
        assert!(
            at("<dt>z</dt>") < at("12345678901234567890123")
                && at("12345678901234567890123") < at("<dt>a</dt>")
        );
        assert!(at("&lt;b&gt;") < at("null"));
    }

    #[test]
    fn wide_and_deep_values_are_cut() {
        let wide = RawValue::from_string(format!("[{}0]", "0,".repeat(999))).unwrap();
        let html = tree(&wide).into_string();
        assert_eq!(html.matches("<li>").count(), 200);
        assert!(html.contains("and 800 more"));
        let deep = RawValue::from_string("[".repeat(100) + &"]".repeat(100)).unwrap();
        assert_eq!(tree(&deep).into_string().matches("<details").count(), 16);
    }
}
