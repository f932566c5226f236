//! Paths of routes: their spellings, what they match, and which of two is more specific. `routes` finds the route of a
//! request.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::Mistake;

/// A valid path of a route: literal segments, parameters that match one segment each, and at the end perhaps a
/// wildcard that matches the rest.
///
/// Both the spelling of code (`/users/{id}`, `/files/{*rest}`) and that of the gateway (`/users/:id`, `/files/*rest`)
/// can be parsed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// In the spelling of code.
    code: String,
}

/// One segment of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment<'a> {
    /// Matches itself.
    Literal(&'a str),
    /// Matches any one segment; the name that the value gets.
    Parameter(&'a str),
    /// Matches the rest of the path; the name that the rest gets.
    Wildcard(&'a str),
}

/// How parameters and wildcards are written in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `{id}` and `{*rest}`: attributes, `eg.toml` and axum.
    Code,
    /// `:id` and `*rest`: subscriptions at the gateway.
    Gateway,
    /// `{id}` and `{rest+}`: routes of AWS's API Gateway.
    ApiGateway,
}

impl Path {
    /// The path `/`.
    #[must_use]
    pub fn root() -> Self {
        Self { code: "/".to_owned() }
    }

    /// The path in a spelling.
    #[must_use]
    pub fn spelled(&self, spelling: Spelling) -> String {
        Spelling::Code.respell(&self.code, spelling)
    }

    /// Checks that the path has no parameters. The gateway compares the path of an async subscription literally, so a
    /// parameter would never match.
    ///
    /// # Errors
    /// When it has one.
    pub fn check_literal(&self) -> Result<(), Mistake> {
        match self.parameters().next() {
            None => Ok(()),
            Some(name) => Err(Mistake::new(format!(
                "async subscriptions match their path literally, so `{name}` cannot be a parameter"
            ))),
        }
    }

    /// The segments. `/` has one, which is empty; so does a path that ends in `/` at its end.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        Spelling::Code.segments(&self.code)
    }

    /// Whether both paths match the same requests, whatever their parameters are called.
    #[must_use]
    pub fn matches_like(&self, other: &Self) -> bool {
        Spelling::Code.matches_like(&self.code, &other.code)
    }

    /// The path with a value for each of its parameters.
    pub fn fill<'a>(&'a self, value: impl Fn(&str) -> &'a str) -> String {
        // Every parameter has a value, so the path has one, too.
        Spelling::Code.fill(&self.code, |name| Some(value(name))).unwrap_or_default()
    }

    /// The names of the parameters and the wildcard, in their order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments().filter_map(Segment::name)
    }
}

/// Writes the spelling of code.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)
    }
}

impl FromStr for Path {
    type Err = Mistake;

    fn from_str(path: &str) -> Result<Self, Mistake> {
        let Some(rest) = path.strip_prefix('/') else {
            return Err(Mistake::new(format!("a path starts with `/`: \"/{path}\"")));
        };
        let mut names = Vec::new();
        let mut code = String::new();
        let mut pieces = rest.split('/').peekable();
        while let Some(piece) = pieces.next() {
            let segment = Segment::parse(piece)?;
            if matches!(segment, Segment::Wildcard(_)) && pieces.peek().is_some() {
                let message = format!("`{piece}` matches the rest of the path, so nothing can follow it");
                return Err(Mistake::new(message));
            }
            if let Some(name) = segment.name() {
                if names.contains(&name) {
                    return Err(Mistake::new(format!("two parameters are called `{name}`")));
                }
                names.push(name);
            }
            code.push('/');
            Spelling::Code.push(segment, &mut code);
        }
        Ok(Self { code })
    }
}

impl<'a> Segment<'a> {
    /// Reads a segment in the spelling of code or of the gateway.
    fn parse(piece: &'a str) -> Result<Self, Mistake> {
        let gateway = Spelling::Gateway.read(piece);
        let segment = if gateway.name().is_some() { gateway } else { Spelling::Code.read(piece) };
        if let Some(name) = segment.name() {
            let valid = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !valid {
                let message =
                    format!("`{piece}`: the name of a parameter consists of letters, digits and `_`");
                return Err(Mistake::new(message));
            }
            return Ok(segment);
        }
        if piece.contains(['{', '}']) {
            return Err(Mistake::new(format!("`{piece}`: a parameter is a whole segment, like `/{{id}}`")));
        }
        match piece.chars().find(|c| !is_path_char(*c)) {
            Some(c) => {
                Err(Mistake::new(format!("`{piece}`: {c:?} is not allowed in a path; percent-encode it")))
            }
            None => Ok(segment),
        }
    }

    /// The name of a parameter or wildcard.
    #[must_use]
    pub fn name(self) -> Option<&'a str> {
        match self {
            Self::Literal(_) => None,
            Self::Parameter(name) | Self::Wildcard(name) => Some(name),
        }
    }

    /// Whether both match the same segments, whatever their parameters are called.
    #[must_use]
    pub fn matches_like(self, other: Segment<'_>) -> bool {
        match (self, other) {
            (Self::Literal(one), Segment::Literal(two)) => one == two,
            (Self::Parameter(_), Segment::Parameter(_)) | (Self::Wildcard(_), Segment::Wildcard(_)) => true,
            _ => false,
        }
    }

    /// A literal comes first, then a parameter, then a wildcard.
    fn rank(self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Parameter(_) => 1,
            Self::Wildcard(_) => 2,
        }
    }
}

impl Spelling {
    /// Reads one segment. Every text is some segment: use [`Path`] to check what a user wrote.
    #[must_use]
    pub fn read(self, piece: &str) -> Segment<'_> {
        let braced = || piece.strip_prefix('{')?.strip_suffix('}');
        let (wildcard, parameter) = match self {
            Self::Code => (braced().and_then(|inner| inner.strip_prefix('*')), braced()),
            Self::Gateway => (piece.strip_prefix('*'), piece.strip_prefix(':')),
            Self::ApiGateway => (braced().and_then(|inner| inner.strip_suffix('+')), braced()),
        };
        match (wildcard, parameter) {
            (Some(name), _) => Segment::Wildcard(name),
            (None, Some(name)) => Segment::Parameter(name),
            (None, None) => Segment::Literal(piece),
        }
    }

    /// The segments of a path. `/` has one, which is empty; so does a path that ends in `/` at its end.
    pub fn segments(self, path: &str) -> impl Iterator<Item = Segment<'_>> {
        path.strip_prefix('/').unwrap_or(path).split('/').map(move |piece| self.read(piece))
    }

    /// A path of this spelling in another one.
    #[must_use]
    pub fn respell(self, path: &str, other: Self) -> String {
        let mut respelled = String::with_capacity(path.len() + 2);
        for segment in self.segments(path) {
            respelled.push('/');
            other.push(segment, &mut respelled);
        }
        respelled
    }

    /// The path with a value for each of its parameters; `None` when `value` has none for one of them.
    pub fn fill<'a>(self, path: &'a str, value: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
        let mut filled = String::with_capacity(path.len());
        for segment in self.segments(path) {
            filled.push('/');
            filled.push_str(match segment {
                Segment::Literal(text) => text,
                Segment::Parameter(name) | Segment::Wildcard(name) => value(name)?,
            });
        }
        Some(filled)
    }

    /// Whether two paths match the same requests, whatever their parameters are called.
    #[must_use]
    pub fn matches_like(self, one: &str, two: &str) -> bool {
        let (mut one, mut two) = (self.segments(one), self.segments(two));
        loop {
            match (one.next(), two.next()) {
                (None, None) => return true,
                (Some(one), Some(two)) if one.matches_like(two) => {}
                _ => return false,
            }
        }
    }

    /// Whether a route's path matches the path of a request. A parameter matches one segment, a wildcard all that are
    /// left; neither matches nothing.
    #[must_use]
    pub fn matches(self, route: &str, path: &str) -> bool {
        let mut rest = Some(path.strip_prefix('/').unwrap_or(path));
        for segment in self.segments(route) {
            let Some(given) = rest else { return false };
            let (value, after) =
                given.split_once('/').map_or((given, None), |(value, after)| (value, Some(after)));
            match segment {
                Segment::Wildcard(_) => return !given.is_empty(),
                Segment::Literal(text) if text != value => return false,
                Segment::Parameter(_) if value.is_empty() => return false,
                Segment::Literal(_) | Segment::Parameter(_) => rest = after,
            }
        }
        rest.is_none()
    }

    /// Which of two paths takes a request that both match: the lesser one. Segment by segment from the left, a literal
    /// comes before a parameter, and a parameter before a wildcard.
    #[must_use]
    pub fn compare(self, one: &str, two: &str) -> Ordering {
        self.segments(one).map(Segment::rank).cmp(self.segments(two).map(Segment::rank))
    }

    /// One segment as it is written.
    #[must_use]
    pub fn write(self, segment: Segment<'_>) -> String {
        let mut piece = String::new();
        self.push(segment, &mut piece);
        piece
    }

    fn push(self, segment: Segment<'_>, path: &mut String) {
        let (before, name, after) = match (self, segment) {
            (_, Segment::Literal(text)) => ("", text, ""),
            (Self::Code, Segment::Wildcard(name)) => ("{*", name, "}"),
            (Self::Gateway, Segment::Parameter(name)) => (":", name, ""),
            (Self::Gateway, Segment::Wildcard(name)) => ("*", name, ""),
            (Self::ApiGateway, Segment::Wildcard(name)) => ("{", name, "+}"),
            (Self::Code | Self::ApiGateway, Segment::Parameter(name)) => ("{", name, "}"),
        };
        path.extend([before, name, after]);
    }
}

/// Whether a literal segment may contain `c`: `pchar` of RFC 3986 §3.3 without `*`, which begins a wildcard.
fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~%!$&'()+,;=@:".contains(c)
}

#[cfg(test)]
mod tests;
