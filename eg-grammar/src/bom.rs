//! Removes the byte order mark that some programs write before text in UTF-8. Callers decide where one is allowed.

/// The byte order mark.
const MARK: &str = "\u{feff}";

/// Returns `text` without the byte order mark before it. No JSON parser expects one (RFC 8259 §8.1), but editors and
/// shells on Windows write it.
///
/// ```
/// use eg_grammar::without_bom;
///
/// assert_eq!(without_bom(b"\xEF\xBB\xBF{}"), b"{}");
/// assert_eq!(without_bom(b"{}"), b"{}");
/// ```
#[must_use]
pub fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(MARK.as_bytes()).unwrap_or(text)
}

/// Returns `text` without the byte order mark before it, like [`without_bom`].
#[must_use]
pub fn text_without_bom(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}
