//! Commands to copy: for `curl`, and for `cargo eg`.

use eg_grammar::shell_word;

use crate::place;

/// Returns the command that sends an event with `curl`.
pub(crate) fn curl(events_url: &str, space: &str, event: &str) -> String {
    let url = events_url.trim_end_matches('/');
    let path = if space == "default" { String::new() } else { format!("spaces/{}/", place::escaped(space)) };
    format!(
        "curl -X POST {} -H 'content-type: application/cloudevents+json' -d {}",
        shell_word(&format!("{url}/{path}")),
        shell_word(event)
    )
}

/// Returns the command `cargo eg` with these words, for a space.
pub(crate) fn cargo_eg(space: &str, words: &[&str]) -> String {
    let space: &[&str] = if space == "default" { &[] } else { &["--space", space] };
    let words = ["cargo", "eg"].iter().chain(words).chain(space);
    words.map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_the_shell() {
        let command = curl("http://localhost:4000/", "a b", "{\"a\":\"'; rm -rf ~\"}");
        assert_eq!(
            command,
            r#"curl -X POST http://localhost:4000/spaces/a%20b/ -H 'content-type: application/cloudevents+json' -d '{"a":"'\''; rm -rf ~"}'"#
        );
        let emit = ["emit", "--event", "it's $HOME", "--sample"];
        assert_eq!(cargo_eg("default", &emit), r"cargo eg emit --event 'it'\''s $HOME' --sample");
        assert_eq!(cargo_eg("a b", &["show", "1"]), "cargo eg show 1 --space 'a b'");
        assert_eq!(cargo_eg("it's\u{202e}", &["events"]), r"cargo eg events --space $'it\'s\u202e'");
    }
}
