//! Colours, where they help and are wanted: on a terminal, unless somebody says otherwise. Text is
//! made without them, and coloured as it is printed.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::ColorChoice;

/// What was typed. A process has one wish.
static WISH: OnceLock<ColorChoice> = OnceLock::new();

const BOLD: &str = "\u{1b}[1m";
const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const PLAIN: &str = "\u{1b}[0m";

/// Words for states and outcomes, and how they look where a cell of a table begins.
const WORDS: [(&[&str], &str); 3] = [
    (
        &[
            "failed",
            "trapped",
            "out-of-memory",
            "out-of-cpu",
            "timed-out",
            "host-failed",
            "interrupted",
            "overdue",
            "refused",
            "problem",
            "error:",
            "ERROR",
        ],
        RED,
    ),
    (
        &[
            "warning",
            "cancelled",
            "paused",
            "backing-off",
            "skipped",
            "unloaded",
            "winding-down",
            "WARN",
        ],
        YELLOW,
    ),
    (&["succeeded", "loaded", "running", "ok"], GREEN),
];

/// What `--color` says.
pub(super) fn wish(choice: ColorChoice) {
    // The first is the command line's.
    let _ = WISH.set(choice);
}

/// Whether to colour what goes there.
pub(super) fn is_wanted(stream: &impl IsTerminal) -> bool {
    let choice = WISH.get().copied().unwrap_or(ColorChoice::Auto);
    decide(choice, stream.is_terminal(), |name| std::env::var_os(name))
}

/// What was typed counts most, then the variables that programs agree on, then the terminal.
fn decide(
    choice: ColorChoice,
    is_terminal: bool,
    variable: impl Fn(&str) -> Option<OsString>,
) -> bool {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    let is = |name, word: &str| variable(name).is_some_and(|value| value == word);
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if is_set("NO_COLOR") => false,
        ColorChoice::Auto if is_set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0") => true,
        ColorChoice::Auto if is("CLICOLOR", "0") || is("TERM", "dumb") => false,
        ColorChoice::Auto => is_terminal,
    }
}

/// The same text, with colours for the words of states and outcomes that begin a cell, and a bold
/// head of a table.
pub(super) fn coloured(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            result.push('\n');
        }
        if is_head(line) {
            result.extend([BOLD, line, PLAIN]);
        } else {
            cells(line, &mut result);
        }
    }
    result
}

/// Nothing but capitals, in several columns.
fn is_head(line: &str) -> bool {
    line.contains("  ") && line.chars().all(|c| c == ' ' || c == '%' || c.is_ascii_uppercase())
}

fn cells(line: &str, result: &mut String) {
    let mut rest = line;
    while !rest.is_empty() {
        let gap = rest.len() - rest.trim_start_matches(' ').len();
        let (before, cell) = rest.split_at(gap);
        result.push_str(before);
        let end = cell.find("  ").unwrap_or(cell.len());
        let (cell, after) = cell.split_at(end);
        rest = after;
        let word = cell.split(' ').next().unwrap_or_default();
        match WORDS.iter().find(|(words, _)| words.contains(&word)) {
            Some((_, ink)) => result.extend([ink, word, PLAIN, &cell[word.len()..]]),
            None => result.push_str(cell),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_decides_whether_there_are_colours() {
        use ColorChoice::{Always, Auto, Never};
        type Variables = &'static [(&'static str, &'static str)];
        let table: [(ColorChoice, bool, Variables, bool); 12] = [
            (Auto, true, &[], true),
            (Auto, false, &[], false),
            (Always, false, &[("NO_COLOR", "1")], true),
            (Never, true, &[("CLICOLOR_FORCE", "1")], false),
            (Auto, true, &[("NO_COLOR", "1")], false),
            (Auto, true, &[("NO_COLOR", "")], true),
            (Auto, true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false),
            (Auto, false, &[("CLICOLOR_FORCE", "1")], true),
            (Auto, false, &[("CLICOLOR_FORCE", "0")], false),
            (Auto, true, &[("CLICOLOR", "0")], false),
            (Auto, true, &[("TERM", "dumb")], false),
            (Auto, true, &[("TERM", "xterm")], true),
        ];
        for (choice, is_terminal, variables, expected) in table {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            assert_eq!(decide(choice, is_terminal, variable), expected, "{choice} {variables:?}");
        }
    }

    #[test]
    fn words_that_begin_a_cell_are_coloured_and_nothing_moves() {
        let text = "NAME  STATE\na     failed 1m ago  succeeded\nloaded\nit failed  x";
        let expected = format!(
            "{BOLD}NAME  STATE{PLAIN}\na     {RED}failed{PLAIN} 1m ago  {GREEN}succeeded{PLAIN}\n\
             {GREEN}loaded{PLAIN}\nit failed  x"
        );
        assert_eq!(coloured(text), expected);
        let bare = [BOLD, RED, GREEN, PLAIN].iter().fold(coloured(text), |t, i| t.replace(i, ""));
        assert_eq!(bare, text);
    }
}
