//! Reads documentation comments for the manifest.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// Returns the first paragraph of an item's documentation.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    // A block comment is one string with several lines.
    let lines: Vec<String> =
        lines.flat_map(|text| text.split('\n').map(trimmed).collect::<Vec<_>>()).collect();
    let paragraph: Vec<&str> =
        lines.iter().map(String::as_str).skip_while(|l| l.is_empty()).take_while(|l| !l.is_empty()).collect();
    paragraph.join(" ")
}

fn trimmed(line: &str) -> String {
    line.trim().trim_start_matches("* ").to_owned()
}
