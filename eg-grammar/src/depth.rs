//! Measures how deeply JSON is nested, without recursion, so that an emitter cannot exhaust a receiver's stack. It
//! checks nothing else about the JSON.

use crate::Mistake;
use crate::limits::JSON_DEPTH;

/// Returns whether the JSON text nests objects and arrays more than `limit` levels deep; see
/// [`JSON_DEPTH`](crate::limits::JSON_DEPTH). The result is meaningless for bytes that are not JSON.
///
/// ```
/// let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
/// assert!(!eg_grammar::is_nested_deeper(nested(127).as_bytes(), 127));
/// assert!(eg_grammar::is_nested_deeper(nested(128).as_bytes(), 127));
/// ```
#[must_use]
pub fn is_nested_deeper(json: &[u8], limit: usize) -> bool {
    // Most JSON has too few brackets to be deep. Counting them is much faster than finding the strings.
    // In pieces whose count fits into a byte, the processor counts many at a time.
    let opens = |byte: &u8| u8::from(*byte == b'{') + u8::from(*byte == b'[');
    let count = |piece: &[u8]| usize::from(piece.iter().map(opens).sum::<u8>());
    let brackets: usize = json.chunks(usize::from(u8::MAX)).map(count).sum();
    brackets > limit && reaches_deeper(json, limit)
}

/// Returns the message about JSON for which [`is_too_deep`] is true.
///
/// ```
/// assert_eq!(eg_grammar::too_deep().to_string(), "the JSON is nested more than 127 levels deep");
/// ```
#[must_use]
pub fn too_deep() -> Mistake {
    Mistake::new(format!("the JSON is nested more than {JSON_DEPTH} levels deep"))
}

/// Returns whether the JSON text nests objects and arrays more than [`JSON_DEPTH`] levels deep.
#[must_use]
pub fn is_too_deep(json: &[u8]) -> bool {
    is_nested_deeper(json, JSON_DEPTH)
}

fn reaches_deeper(json: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for (json, expected) in [
            (nested(JSON_DEPTH), false),
            (nested(JSON_DEPTH + 1), true),
            (nested(1_000_000), true),
            (format!("[{}]", vec!["{}"; 1000].join(",")), false),
            (format!("\"{}\"", "[".repeat(1000)), false),
            (format!("\"\\\"{}\"", "[".repeat(1000)), false),
            (format!("\"\\\\\"{}", nested(JSON_DEPTH + 1)), true),
        ] {
            assert_eq!(
                is_nested_deeper(json.as_bytes(), JSON_DEPTH),
                expected,
                "{}",
                &json[..json.len().min(40)]
            );
        }
    }
}
