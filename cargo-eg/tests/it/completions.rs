//! Tests completion in the shells themselves; zsh and fish only if they are installed.

use std::path::PathBuf;
use std::process::Command;

use crate::support::app::App;

/// Types each line and a tab, and prints the completed line.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; fpath=($FOLDERS $fpath); autoload -U compinit; compinit -u -D
    line() { print -r -- "LINE<$BUFFER>" }; zle -N line; bindkey "^X" line; stty -echo; print READY'
# Once in what was typed, and once when it is so.
zpty -r shell seen '*READY*' && zpty -r shell seen '*READY*'
for line in "$@"; do
    zpty -n -w shell "$line"$'\t\x18'
    zpty -r shell seen '*LINE<*>*'
    print -r -- "${${seen##*LINE<}%%>*}"
    zpty -n -w shell $'\x15'
done
zpty -d shell
"#;

fn script(app: &App, shell: &str) -> String {
    let script = app.eg(&["completions", shell]);
    assert_eq!((script.code, script.stderr.as_str()), (Some(0), ""), "{script:?}");
    script.stdout
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn is_installed(shell: &str) -> bool {
    Command::new(shell).arg("--version").output().is_ok()
}

#[test]
fn bash_completes_cargo_eg_and_leaves_cargo_alone() {
    let script = script(&App::new(), "bash");
    let complete = |words: &str, function: &str| {
        let program = format!(
            "_before() {{ COMPREPLY=(build test); }}\ncomplete -F _before cargo\nsource /dev/stdin <<'END'\n{script}\nEND\n\
             COMP_WORDS=({words})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n{function} \"${{COMP_WORDS[0]}}\" \"${{COMP_WORDS[COMP_CWORD]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        output(Command::new("bash").args(["--norc", "-c", &program]))
    };
    assert_eq!(complete("cargo eg dead-l", "_cargo_or_eg"), "dead-letters\n");
    assert_eq!(complete("cargo eg emit --sam", "_cargo_or_eg"), "--sample\n");
    assert_eq!(complete("cargo eg dead-letters ret", "_cargo_or_eg"), "retry\n");
    assert_eq!(complete("cargo bu", "_cargo_or_eg"), "build\ntest\n");
    assert_eq!(complete("cargo-eg check --den", "_cargo__eg"), "--deny\n");
}

#[test]
fn zsh_completes_cargo_eg_beside_cargos_own_completions() {
    let app = App::new();
    let script = script(&app, "zsh");
    assert!(script.starts_with("#compdef cargo-eg\n"), "{script}");
    if !is_installed("zsh") {
        return;
    }
    app.write("zfunc/_cargo-eg", &script);
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]));
    let cargos = PathBuf::from(sysroot.trim()).join("share/zsh/site-functions");
    let mut lines = vec![
        ("cargo-eg dead-l", "cargo-eg dead-letters "),
        ("cargo-eg emit --sam", "cargo-eg emit --sample "),
        ("cargo-eg dead-letters ret", "cargo-eg dead-letters retry "),
    ];
    // Cargo's function calls ours.
    if cargos.join("_cargo").exists() {
        lines.extend([
            ("cargo eg dead-l", "cargo eg dead-letters "),
            ("cargo eg check --den", "cargo eg check --deny="),
        ]);
    }
    let folders = format!("{} {}", app.path().join("zfunc").display(), cargos.display());
    let program = ZSH.replace("$FOLDERS", &folders);
    let (typed, expected): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
    let completed = output(Command::new("zsh").args(["-f", "-c", &program, "zsh"]).args(typed));
    assert_eq!(completed.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn fish_completes_cargo_eg_from_its_first_prompt() {
    let app = App::new();
    let script = script(&app, "fish");
    assert!(script.contains("complete -c cargo -n '__fish_seen_subcommand_from eg'"), "{script}");
    if !is_installed("fish") {
        return;
    }
    app.write("config/fish/conf.d/cargo-eg.fish", &script);
    let complete = |line: &str| {
        let mut fish = Command::new("fish");
        fish.args(["-c", "complete -C $argv[1]", line]).env("XDG_CONFIG_HOME", app.path().join("config"));
        let found = output(fish.env("HOME", app.path()));
        found.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(complete("cargo-eg dead-l"), ["dead-letters"]);
    assert_eq!(complete("cargo eg dead-l"), ["dead-letters"]);
    assert_eq!(complete("cargo eg emit --sam"), ["--sample"]);
    assert_eq!(complete("cargo eg dead-letters ret"), ["retry"]);
}

#[test]
fn other_shells_are_a_usage_error() {
    assert_eq!(App::new().eg(&["completions", "tcsh"]).code, Some(2));
}
