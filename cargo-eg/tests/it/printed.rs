//! Runs the commands that `cargo eg new` and `cargo eg run` print, as they print them, and those of the guide's first page.

use crate::support::app::Transcript;
use crate::support::shell::Shell;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

/// The first build of a new service compiles everything that it depends on.
const FIRST_BUILD: Duration = Duration::from_secs(30 * 60);

/// Returns the indented lines below a heading.
fn below<'a>(text: &'a str, heading: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().skip_while(move |line| *line != heading).skip(1);
    lines.map_while(|line| line.strip_prefix("  "))
}

#[track_caller]
fn works(shell: &Shell, folder: &str, line: &str) -> Transcript {
    // curl shows an error of the server as a success, unless it is asked not to.
    let asked = line.replacen("curl ", "curl -sS --fail-with-body ", 1);
    let transcript = shell.line(folder, &asked);
    assert_eq!(transcript.code, Some(0), "{line}: {transcript:?}");
    transcript
}

#[tokio::test(flavor = "multi_thread")]
async fn what_new_and_run_print_works_as_it_is() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/first-steps.md"))
        .unwrap();
    let guide: Vec<&str> = page
        .split("```sh\n")
        .skip(1)
        .flat_map(|block| block.lines().take_while(|line| *line != "```"))
        .collect();
    let shell = Shell::new();
    let made = shell.eg("", &["new", "hello"]).stderr;
    shell.lock("hello");
    let next: Vec<&str> = below(&made, "next").collect();
    assert_eq!(next, ["cd hello", "cargo test", "cargo eg run"], "{made}");

    // Once in the folder of the app, once in a folder from which other commands do not find it.
    for (folder, arguments) in [("hello", &[][..]), ("", &["hello"])] {
        let mut run = shell.run_with(folder, arguments);
        let url = run.ready_within(FIRST_BUILD).await;
        let shown = run.stderr();
        let lines: Vec<&str> = below(&shown, "try").collect();
        assert_eq!(lines.len(), 3, "{shown}");
        for (line, begin) in lines.iter().zip(["curl -X POST ", "cargo eg emit ", "cargo eg logs "]) {
            assert!(line.starts_with(begin), "{line}");
        }
        for line in &lines[..2] {
            works(&shell, folder, line);
        }
        run.says("→ hello-announce delivered", 2).await;
        let log = works(&shell, folder, lines[2]).stdout;
        assert!(log.contains("hello-announce | name has been created\n"), "{log}");
        if folder == "hello" {
            let events = url("events").replace("http://", "");
            for line in below(&made, "then, in another terminal") {
                works(&shell, folder, &line.replace("localhost:4000", &events));
            }
            run.says("→ hello-announce delivered", 3).await;
            let letters = shell.eg(folder, &["dead-letters"]);
            assert_eq!(letters.stdout, "", "{letters:?}");

            // The first page of the guide has the same service.
            let (first, rest) = guide.split_at(4);
            assert_eq!(first, [&["cargo eg new hello"], &next[..]].concat());
            assert_eq!(rest.len(), 5, "{rest:?}");
            works(&shell, folder, &rest[0].replace("localhost:4000", &events));
            works(&shell, folder, rest[1]);
            run.says("→ hello-announce dead letter: rejected: ", 1).await;
            assert!(works(&shell, folder, rest[2]).stdout.contains("hello-announce"));
            assert_eq!(works(&shell, folder, rest[3]).stdout.lines().count(), 5);
            assert!(
                works(&shell, folder, rest[4]).stdout.contains("hello-announce: hello.created failed at ")
            );
        }
        run.signal(Signal::INT);
        assert_eq!(run.wait(), Some(0), "{}", run.stderr());
    }
}
