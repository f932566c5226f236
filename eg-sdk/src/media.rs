//! Parses media types and decides how to treat their payloads. Events are left to `structured` and `http`.

/// `type/subtype` without parameters.
pub(crate) fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// Returns whether payloads of this type are JSON: the subtype is `json` or ends in `+json` (HTTP binding §3.1).
pub(crate) fn is_json(media_type: &str) -> bool {
    let subtype = essence(media_type).split_once('/').map_or("", |(_, subtype)| subtype);
    let suffix = subtype.rsplit_once('+').map_or(subtype, |(_, suffix)| suffix);
    suffix.eq_ignore_ascii_case("json")
}

/// Returns whether payloads of this type are UTF-8 text.
#[cfg(feature = "http")]
pub(crate) fn is_utf8_text(media_type: &str) -> bool {
    let text = essence(media_type).get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/"));
    let charset = media_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    text && charset.is_none_or(|c| c.eq_ignore_ascii_case("utf-8") || c.eq_ignore_ascii_case("us-ascii"))
}

/// `type/subtype` with parameters (RFC 2046 §1, in the grammar of RFC 9110 §8.3.1).
pub(crate) fn is_media_type(value: &str) -> bool {
    let mut parts = split_parameters(value);
    let essence = parts.next().unwrap_or_default();
    let parameter = |part: &str| match part.trim_matches([' ', '\t']).split_once('=') {
        Some((name, value)) => is_token(name) && (is_token(value) || is_quoted(value)),
        None => part.trim_matches([' ', '\t']).is_empty(),
    };
    essence
        .trim_end_matches([' ', '\t'])
        .split_once('/')
        .is_some_and(|(ty, subtype)| is_token(ty) && is_token(subtype))
        && parts.all(parameter)
}

/// Splits at each `;` outside quotes.
fn split_parameters(value: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |c: char| {
        let boundary = c == ';' && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        boundary
    })
}

fn is_token(s: &str) -> bool {
    !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_quoted(s: &str) -> bool {
    let Some(inner) = s.strip_prefix('"').and_then(|s| s.strip_suffix('"')) else { return false };
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next().is_none_or(char::is_control) => return false,
            '"' => return false,
            c if c.is_control() && c != '\t' => return false,
            _ => {}
        }
    }
    true
}
