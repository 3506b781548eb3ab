//! That the program says the truth of itself: examples are understood, every command has one, and the
//! page in `docs/` is what the definition says.

#![allow(clippy::unwrap_used)]

use super::*;

/// Set to write the page anew.
const UPDATE: &str = "UPDATE";

/// What does so.
const COMMAND: &str = "UPDATE=1 cargo test -p chore-host --lib cli::manual";

const HEAD: &str = "\
# The command line

What `chore --help` and `chore COMMAND --help` say, made of the definition of the command line by
`UPDATE=1 cargo test -p chore-host --lib cli::manual`, and compared with it by a test. `chore man` is the same as
manual pages, `chore completions` teaches it to a shell.
";

/// As a shell splits it, without what is after `>` and `|`.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '"' | '\'' => quoted = !quoted,
            ' ' if !quoted => {
                words.extend(Some(std::mem::take(&mut word)).filter(|w| !w.is_empty()))
            }
            '>' | '|' if !quoted => break,
            c => word.push(c),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

#[test]
fn every_command_has_examples_that_are_understood() {
    let command = definition();
    for known in command.get_subcommands() {
        let name = known.get_name();
        let found = EXAMPLES.iter().find(|(command, _)| *command == name);
        let (_, examples) = found.unwrap_or_else(|| panic!("no example of {name}"));
        for (line, what) in *examples {
            assert!(!what.is_empty() && line.chars().count() < WIDTH, "{line}");
            let mut shows = false;
            for part in line.split("&&") {
                let words = words(part);
                let words: Vec<_> =
                    words.into_iter().skip_while(|word| word.contains('=')).collect();
                if words[0] != "chore" {
                    continue;
                }
                shows |= words.iter().any(|word| word == name);
                let parsed = definition().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{part}: {}", parsed.err().unwrap());
            }
            assert!(shows, "{line} does not show {name}");
        }
    }
}

/// The help of a command and of those in it.
fn section(command: &Command, path: &str, page: &mut String) {
    let help = command.clone().bin_name(path).term_width(WIDTH).render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    page.push_str(&format!("\n## {path}\n\n```text\n{}\n```\n", lines.join("\n").trim_end()));
    for inside in command.get_subcommands().filter(|inside| inside.get_name() != "help") {
        section(inside, &format!("{path} {}", inside.get_name()), page);
    }
}

#[test]
fn the_page_is_what_the_program_says() {
    let mut command = definition();
    command.build();
    let mut page = HEAD.to_owned();
    section(&command, "chore", &mut page);
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/cli.md is not what the program says: {COMMAND}");
    for part in ["Exit codes:", "Examples:", "--json", "--color"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn every_command_has_a_page_and_completions_know_it() {
    let pages = pages().unwrap();
    let command = definition();
    let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    assert_eq!(pages.len(), names.len() + 1);
    for name in &names {
        let (_, page) = pages.iter().find(|(page, _)| *page == format!("chore-{name}")).unwrap();
        assert!(page.contains(".SH NAME") && page.contains("Examples:"), "{name}: {page}");
    }
    assert!(pages[0].1.contains("Exit codes:"));
    for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish]
    {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut definition(), "chore", &mut script);
        let script = String::from_utf8(script).unwrap();
        for word in names.iter().chain(&["out-of-memory", "periodic-report", "never"]) {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}
