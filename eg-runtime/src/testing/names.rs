//! Messages about names that the functions of a test do not have.

use eg_grammar::did_you_mean;

/// Says that nothing of this kind has this name, and lists those that exist.
pub(super) fn unknown(kind: &str, name: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!("no function has a {kind}");
    }
    let mut names: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
    names.sort_unstable();
    names.dedup();
    format!(
        "no function has the {kind} `{name}`{}; the {kind}s are {}",
        did_you_mean(name, known),
        names.join(", ")
    )
}
