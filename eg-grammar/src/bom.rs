//! Skips the mark that some programs write before text in UTF-8.

/// The byte order mark in UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();

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
    text.strip_prefix(MARK).unwrap_or(text)
}
