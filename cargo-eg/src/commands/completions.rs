//! `cargo eg completions`: prints completion scripts for `cargo-eg …` and, where the shell supports it, for `cargo eg
//! …`.

use clap::CommandFactory as _;
use clap_complete::{generate, shells};

use super::print;
use crate::cli::{Cli, Completions, Shell};
use crate::exit::Failure;

const NAME: &str = "cargo-eg";

/// Completes `cargo eg` like `cargo-eg`, and leaves everything else to the completion that was installed before.
const BASH_CARGO: &str = r#"
_cargo_eg_before="$(complete -p cargo 2>/dev/null | sed -n 's/.*-F \([^ ]*\).*/\1/p')"
[[ "$_cargo_eg_before" == _cargo_or_eg ]] && _cargo_eg_before=""
_cargo_or_eg() {
    if [[ "$COMP_CWORD" -ge 2 && "${COMP_WORDS[1]}" == eg ]]; then
        COMP_WORDS=(cargo-eg "${COMP_WORDS[@]:2}")
        COMP_CWORD=$((COMP_CWORD - 1))
        _cargo__eg cargo-eg "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    elif [[ -n "$_cargo_eg_before" ]]; then
        "$_cargo_eg_before" "$@"
    fi
}
complete -o bashdefault -o default -F _cargo_or_eg cargo
"#;

/// Makes fish pass the command line of `cargo eg` to the completions of `cargo-eg`.
const FISH_CARGO: &str = r#"
complete -c cargo -n '__fish_seen_subcommand_from eg' -x -a '(set -l words (commandline -opc) (commandline -ct); complete -C "cargo-eg "(string join " " -- $words[3..]))'
"#;

pub(crate) fn run(arguments: &Completions) -> Result<(), Failure> {
    let mut command = Cli::command().bin_name(NAME);
    let mut script = Vec::new();
    match arguments.shell {
        Shell::Bash => {
            generate(shells::Bash, &mut command, NAME, &mut script);
            // Subcommands carry the name that their parent has in usage texts, `cargo eg`; the script expects the
            // name that it completes.
            let named = String::from_utf8_lossy(&script).replace("cargo__subcmd__eg__", "cargo__eg__");
            script = [named.as_bytes(), BASH_CARGO.as_bytes()].concat();
        }
        Shell::Zsh => generate(shells::Zsh, &mut command, NAME, &mut script),
        Shell::Fish => {
            generate(shells::Fish, &mut command, NAME, &mut script);
            script.extend_from_slice(FISH_CARGO.as_bytes());
        }
    }
    print(&String::from_utf8_lossy(&script))
}
