//! The grammar of paths: `/users/{id}`, `/files/{*rest}`, and the gateway's own `:id` and `*rest`.

/// A valid path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq)]
enum Segment {
    Static(String),
    Param(String),
    Wildcard(String),
}

impl Path {
    /// Reads `path`; the error says which piece is wrong and what it should be.
    pub(crate) fn parse(path: &str) -> Result<Self, String> {
        let Some(rest) = path.strip_prefix('/') else {
            return Err(format!("a path starts with `/`: \"/{path}\""));
        };
        let mut segments = Vec::new();
        let pieces: Vec<&str> = rest.split('/').collect();
        for (at, piece) in pieces.iter().enumerate() {
            let segment = Segment::parse(piece)?;
            if matches!(segment, Segment::Wildcard(_)) && at + 1 != pieces.len() {
                return Err(format!("`{piece}` matches the rest of the path, so nothing can follow it"));
            }
            if let Some(name) = segment.name()
                && segments.iter().filter_map(Segment::name).any(|other| other == name)
            {
                return Err(format!("two parameters are called `{name}`"));
            }
            segments.push(segment);
        }
        Ok(Self { segments })
    }

    /// The names of the parameters, in their order.
    pub(crate) fn params(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(Segment::name)
    }

    /// The gateway's spelling: `/users/:id`.
    pub(crate) fn gateway(&self) -> String {
        self.spell(|segment| match segment {
            Segment::Static(text) => text.clone(),
            Segment::Param(name) => format!(":{name}"),
            Segment::Wildcard(name) => format!("*{name}"),
        })
    }

    /// axum's spelling: `/users/{id}`.
    pub(crate) fn axum(&self) -> String {
        self.spell(|segment| match segment {
            Segment::Static(text) => text.clone(),
            Segment::Param(name) => format!("{{{name}}}"),
            Segment::Wildcard(name) => format!("{{*{name}}}"),
        })
    }

    fn spell(&self, segment: impl Fn(&Segment) -> String) -> String {
        self.segments.iter().map(|s| format!("/{}", segment(s))).collect()
    }
}

impl Segment {
    fn parse(piece: &str) -> Result<Self, String> {
        let braced = piece.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        if let Some(name) =
            braced.and_then(|inner| inner.strip_prefix('*')).or_else(|| piece.strip_prefix('*'))
        {
            return name_of(piece, name).map(Self::Wildcard);
        }
        if let Some(name) = braced.or_else(|| piece.strip_prefix(':')) {
            return name_of(piece, name).map(Self::Param);
        }
        if piece.contains(['{', '}']) {
            return Err(format!("`{piece}`: a parameter is a whole segment, like `/{{id}}`"));
        }
        match piece.chars().find(|c| !is_path_char(*c)) {
            Some(c) => Err(format!("`{piece}`: {c:?} cannot stand in a path; percent-encode it")),
            None => Ok(Self::Static(piece.to_owned())),
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Static(_) => None,
            Self::Param(name) | Self::Wildcard(name) => Some(name),
        }
    }
}

fn name_of(piece: &str, name: &str) -> Result<String, String> {
    let valid = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if valid {
        Ok(name.to_owned())
    } else {
        Err(format!("`{piece}`: the name of a parameter consists of letters, digits and `_`"))
    }
}

/// `pchar` of RFC 3986 §3.3, without the `:` and `*` that begin parameters elsewhere.
fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~%!$&'()+,;=@:".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (path, gateway, axum) in [
            ("/", "/", "/"),
            ("/users", "/users", "/users"),
            ("/users/{id}", "/users/:id", "/users/{id}"),
            ("/users/:id", "/users/:id", "/users/{id}"),
            ("/files/{*rest}", "/files/*rest", "/files/{*rest}"),
            ("/files/*rest", "/files/*rest", "/files/{*rest}"),
            ("/a/{b}/c/", "/a/:b/c/", "/a/{b}/c/"),
        ] {
            let parsed = Path::parse(path).unwrap();
            assert_eq!((parsed.gateway().as_str(), parsed.axum().as_str()), (gateway, axum), "{path}");
        }
    }

    #[test]
    fn mistakes_name_the_piece() {
        for (path, piece) in [
            ("users", "\"/users\""),
            ("", "\"/\""),
            ("/{*rest}/more", "`{*rest}`"),
            ("/{id}/{id}", "`id`"),
            ("/{}", "`{}`"),
            ("/{user id}", "`{user id}`"),
            ("/{id}.json", "`{id}.json`"),
            ("/a b", "' '"),
            ("/a?b=1", "'?'"),
        ] {
            let message = Path::parse(path).unwrap_err();
            assert!(message.contains(piece), "{path}: {message}");
        }
    }
}
