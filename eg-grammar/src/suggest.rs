//! Finds the word that was probably meant by a misspelt one ("did you mean"). Callers know the possible words.

/// Returns the candidate that was probably meant by `word`, or `None` if none is near. Ignores case.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = limit(word.chars().count());
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Returns a hint such as ``; did you mean `mode`?``, or an empty text if no candidate is near.
#[must_use]
pub fn did_you_mean(word: &str, candidates: &[&str]) -> String {
    nearest(word, candidates.iter().copied())
        .map_or_else(String::new, |candidate| format!("; did you mean `{candidate}`?"))
}

/// Returns the words as a list: `` `a`, `b` and `c` ``.
#[must_use]
pub fn list(words: &[&str]) -> String {
    joined(words, "and")
}

/// `` `a`, `b` or `c` ``.
pub(crate) fn choice(words: &[&str]) -> String {
    joined(words, "or")
}

fn joined(words: &[&str], last_word: &str) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {last_word} {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// Returns how many letters may differ between near words, of which the misspelt one has this many.
pub(crate) fn limit(letters: usize) -> usize {
    letters / 3 + 1
}

/// Returns how many letters to add, remove, replace or swap with their neighbour (optimal string alignment).
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let letters = |text: &str| text.chars().map(|c| c.to_ascii_lowercase()).collect::<Vec<_>>();
    let (a, b) = (letters(a), letters(b));
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_has_a_nearest_one() {
        let known = ["create_user", "get_user", "send_welcome_email"];
        for (word, expected) in [
            ("craete_user", Some("create_user")),
            ("create_users", Some("create_user")),
            ("Create_User", Some("create_user")),
            ("send_welcome_mail", Some("send_welcome_email")),
            ("x", None),
            ("announce", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
        assert_eq!(nearest("b", ["a", "c"]), Some("a"), "of equally near ones the first in the alphabet");
    }

    #[test]
    fn hints() {
        assert_eq!(did_you_mean("mdoe", &["name", "mode"]), "; did you mean `mode`?");
        assert_eq!(did_you_mean("volume", &["name", "mode"]), "");
    }

    #[test]
    fn lists() {
        assert_eq!(list(&[]), "");
        assert_eq!(list(&["a"]), "`a`");
        assert_eq!(list(&["a", "b", "c"]), "`a`, `b` and `c`");
        assert_eq!(choice(&["a", "b"]), "`a` or `b`");
    }
}
