//! Measures how deeply JSON is nested, without recursion, so that an emitter cannot exhaust a receiver's stack. Checks
//! nothing else about the JSON.

/// The deepest nesting that the gateway accepts, the limit of common parsers.
pub(crate) const MAX: usize = 128;

/// Returns whether the JSON text nests objects and arrays deeper than [`MAX`]. The result is meaningless for bytes
/// that are not JSON.
pub(crate) fn exceeded(json: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > MAX {
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
            (nested(MAX), false),
            (nested(MAX + 1), true),
            (nested(1_000_000), true),
            (format!("[{}]", vec!["{}"; 1000].join(",")), false),
            (format!("\"{}\"", "[".repeat(1000)), false),
            (format!("\"\\\"{}\"", "[".repeat(1000)), false),
            (format!("\"\\\\\"{}", nested(MAX + 1)), true),
        ] {
            assert_eq!(exceeded(json.as_bytes()), expected, "{}", &json[..json.len().min(40)]);
        }
    }
}
