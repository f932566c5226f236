//! Reads the dep-info file that cargo writes beside a binary: every file of the workspace and its path dependencies
//! that the build has read. Format: one Makefile rule, `binary: file file`; a space in a name follows a backslash.

use std::path::{Path, PathBuf};

/// Returns the files that the last build of `binary` has read, including folders that build scripts name. `None` if
/// there is no file or it has another format. Relative paths (`build.dep-info-basedir`) count from `root`.
pub(super) fn read(binary: &Path, root: &Path) -> Option<Vec<PathBuf>> {
    let text = std::fs::read_to_string(binary.with_extension("d")).ok()?;
    let files = parse(&text)?;
    Some(files.into_iter().map(|file| root.join(file)).collect())
}

fn parse(text: &str) -> Option<Vec<PathBuf>> {
    let rule = text.lines().next()?;
    let (_, files) = rule.split_once(": ")?;
    let mut names = vec![String::new()];
    let mut characters = files.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' if characters.next_if_eq(&' ').is_some() => names.last_mut()?.push(' '),
            ' ' => names.push(String::new()),
            c => names.last_mut()?.push(c),
        }
    }
    Some(names.into_iter().filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_separated_by_spaces() {
        let check = |text: &str, expected: Option<&[&str]>| {
            let expected: Option<Vec<PathBuf>> =
                expected.map(|names| names.iter().map(PathBuf::from).collect());
            assert_eq!(parse(text), expected, "{text:?}");
        };
        check("/t/users: /a/src/main.rs /a/note.log\n", Some(&["/a/src/main.rs", "/a/note.log"]));
        check("/my\\ t/users: /my\\ app/main.rs", Some(&["/my app/main.rs"]));
        check("/t/users: /a/back\\slash.rs", Some(&["/a/back\\slash.rs"]));
        check("/t/users: ", Some(&[]));
        check("", None);
        check("no rule", None);
    }
}
