//! Makes text from outside safe to show: in a terminal, it can neither move the cursor nor change what other text
//! says. Which text needs it is left to the callers.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns `text` on one line and without control characters: they become escapes as in Rust (`\n`, `\u{1b}`).
/// Characters that reorder or hide the text around them become escapes, too.
///
/// ```
/// use eg_grammar::printable;
///
/// assert_eq!(printable("user.created"), "user.created");
/// assert_eq!(printable("done\r\u{1b}[2Jüber\tall"), r"done\r\u{1b}[2Jüber\tall");
/// ```
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_unsafe, as_in_rust)
}

/// Like [`printable`], but keeps line ends and tabs: for messages that have several lines.
#[must_use]
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, is_unsafe_in_lines, as_in_rust)
}

/// Like [`printable_lines`], for JSON text: the escapes are those of JSON, so the text keeps its meaning. JSON itself
/// requires escapes only for characters below U+0020.
///
/// ```
/// use eg_grammar::printable_json;
///
/// assert_eq!(printable_json("{\"name\":\"\u{9b}2J\"}\n"), "{\"name\":\"\\u009b2J\"}\n");
/// ```
#[must_use]
pub fn printable_json(json: &str) -> Cow<'_, str> {
    escaped(json, is_unsafe_in_lines, |c, safe| {
        let mut units = [0; 2];
        for unit in c.encode_utf16(&mut units) {
            let _ = write!(safe, "\\u{unit:04x}");
        }
    })
}

/// Returns `word` as a shell reads it as one word: in quotes if it needs them. A word with characters that [`printable_lines`] escapes
/// is `$'…'` with escapes, which bash, zsh and ksh read.
///
/// ```
/// use eg_grammar::shell_word;
///
/// assert_eq!(shell_word("user.created"), "user.created");
/// assert_eq!(shell_word("it's 5 €"), r"'it'\''s 5 €'");
/// assert_eq!(shell_word("it's\u{202e}"), r"$'it\'s\u202e'");
/// ```
#[must_use]
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if !word.contains(is_unsafe_in_lines) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let text = escaped(
        word,
        |c| is_unsafe_in_lines(c) || matches!(c, '\'' | '\\'),
        |c, safe| {
            let _ = match c {
                '\'' | '\\' => write!(safe, "\\{c}"),
                // Four digits are all that a shell takes, so what follows is text.
                _ => write!(safe, "\\u{:04x}", u32::from(c)),
            };
        },
    );
    format!("$'{text}'")
}

/// Replaces each character that `must_go` by what `escape` writes for it.
fn escaped(text: &str, must_go: impl Fn(char) -> bool, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(&must_go) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if must_go(c) {
            escape(c, &mut safe);
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Escapes a character as in Rust.
fn as_in_rust(c: char, safe: &mut String) {
    safe.extend(c.escape_default());
}

fn is_unsafe_in_lines(c: char) -> bool {
    is_unsafe(c) && !matches!(c, '\n' | '\t')
}

/// Terminals obey control characters (Unicode's class Cc, with C1 such as U+009B). The others are Unicode's separators
/// of lines and paragraphs, its marks that change the direction of the text, and the byte order mark.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let check = |text: &str, line: &str, lines: &str| {
            assert_eq!((&*printable(text), &*printable_lines(text)), (line, lines));
        };
        check("größe → 7 €", "größe → 7 €", "größe → 7 €");
        check("a\tb\nc", r"a\tb\nc", "a\tb\nc");
        check("a\rb", r"a\rb", r"a\rb");
        check("\u{1b}]0;title\u{7}", r"\u{1b}]0;title\u{7}", r"\u{1b}]0;title\u{7}");
        check("\u{9b}2J\u{7f}\0", r"\u{9b}2J\u{7f}\u{0}", r"\u{9b}2J\u{7f}\u{0}");
        check("abc\u{202e}txt.exe", r"abc\u{202e}txt.exe", r"abc\u{202e}txt.exe");
        for c in (0..=0x10_ffff).filter_map(char::from_u32).filter(|c| c.is_control()) {
            assert!(!printable(&c.to_string()).contains(c), "{c:?}");
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let check = |json: &str, expected: &str| assert_eq!(printable_json(json), expected);
        check("{\"a\":\"größe\\n\"}\n", "{\"a\":\"größe\\n\"}\n");
        check("[\"\u{7f}\u{9b}1m\u{202e}\u{feff}\"]", r#"["\u007f\u009b1m\u202e\ufeff"]"#);
        for c in (0..=0x10_ffff).filter_map(char::from_u32).filter(|c| is_unsafe_in_lines(*c)) {
            assert!(!printable_json(&c.to_string()).contains(c), "{c:?}");
        }
    }

    #[test]
    fn harmless_text_is_not_copied() {
        assert!(matches!(printable("user.created"), Cow::Borrowed(_)));
    }
}
