//! Texts with `*` for any characters, as EventBridge's operator `wildcard` has them.

use crate::Mistake;

/// A text in which `*` stands for any number of characters; `\*` and `\\` are the characters themselves.
///
/// ```
/// use eg_grammar::Wildcard;
///
/// let pictures: Wildcard = "pictures/*.png".parse().unwrap();
/// assert!(pictures.matches("pictures/2026/cat.png") && !pictures.matches("pictures/cat.gif"));
/// assert!("a**b".parse::<Wildcard>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcard {
    /// What is before the first `*`, between two, and after the last.
    pieces: Vec<String>,
}

impl std::str::FromStr for Wildcard {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let mut pieces = vec![String::new()];
        let mut after_star = false;
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let star = c == '*';
            if star && after_star {
                return Err(Mistake::new(format!(
                    "{text:?} has `**`: one `*` stands for any number of characters"
                )));
            }
            after_star = star;
            let literal = match c {
                '*' => {
                    pieces.push(String::new());
                    continue;
                }
                '\\' => chars.next().filter(|next| matches!(next, '*' | '\\')).ok_or_else(|| {
                    Mistake::new(format!(
                        "{text:?} has a `\\` before neither `*` nor `\\`: write `\\\\` for the character"
                    ))
                })?,
                c => c,
            };
            if let Some(piece) = pieces.last_mut() {
                piece.push(literal);
            }
        }
        Ok(Self { pieces })
    }
}

impl Wildcard {
    /// Returns whether the whole text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.pieces.as_slice() else {
            return self.pieces.first().is_some_and(|only| only == text);
        };
        // The earliest place for each piece leaves the most for those after it.
        let rest = middle.iter().try_fold(text.strip_prefix(first.as_str()), |rest, piece| {
            let rest = rest?;
            rest.find(piece.as_str()).map(|at| rest.get(at + piece.len()..))
        });
        rest.flatten().is_some_and(|rest| rest.ends_with(last.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (wildcard, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("a", "a", true),
            ("*", "", true),
            ("*", "anything", true),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*b*b*", "b", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            (r"\\*", r"\x", true),
            (r"*\*", "a*", true),
            ("ü*", "über", true),
        ] {
            let found = wildcard.parse::<Wildcard>().map(|wildcard| wildcard.matches(text));
            assert_eq!(found, Ok(expected), "{text} {wildcard}");
        }
    }

    #[test]
    fn what_event_bridge_refuses_is_refused() {
        for wildcard in ["**", "a**b", r"a\b", r"a\"] {
            assert!(wildcard.parse::<Wildcard>().is_err(), "{wildcard}");
        }
        assert!(r"*\**".parse::<Wildcard>().is_ok());
    }
}
