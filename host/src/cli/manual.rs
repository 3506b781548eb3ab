//! What the program says of itself: examples for each command, completions for shells, and manual
//! pages. All are made of the one definition of the command line.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, ValueEnum};

use super::output::Out;
use super::{Cli, Error};
use crate::name::nearest;

/// Widest line of help.
const WIDTH: usize = 100;

const EXIT_CODES: &str = "\
Exit codes:
  0    done, and all is well
  1    failed, or what was asked for is not well: the run failed, the file was refused
  2    the command line is not understood
  3    the peer stopped itself, because a chore with the failure policy stop-peer has failed
  130  ended by SIGINT or SIGTERM where that is no regular end

With --json, each line of standard output is JSON; errors are text on standard error.";

/// For each command: what to type, and what it is for.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    ("setup", &[("chore --home ~/chore-home setup", "make a home there")]),
    (
        "run",
        &[
            ("chore run", "in the home that CHORE_HOME names, or the default"),
            ("CHORE_LOG=debug chore --home ~/chore-home run", "with more in the log"),
        ],
    ),
    (
        "ls",
        &[
            ("chore ls", "for people"),
            ("chore ls --json", "for programs: a list with an object for each chore"),
        ],
    ),
    ("status", &[("chore status order-sender", "versions, grants, cycles, the last run")]),
    (
        "trigger",
        &[
            ("chore trigger order-sender", "begin a run"),
            ("chore trigger order-sender --wait", "and exit with 1 if it fails"),
        ],
    ),
    (
        "pause",
        &[
            (
                "chore pause order-sender --for 2h --note \"satellite maintenance\"",
                "let it rest for a while, and say why",
            ),
            ("chore pause 'order-*'", "each whose name begins so"),
            ("chore pause --all", "every chore"),
        ],
    ),
    ("restart", &[("chore restart order-sender", "end a pause, or forget about failures")]),
    ("cancel", &[("chore cancel order-sender --cycle main", "ask one cycle's run to wind down")]),
    (
        "interval",
        &[
            ("chore interval order-sender 10m", "run it every ten minutes"),
            ("chore interval order-sender off", "run it only when it is triggered"),
            ("chore interval --all 1h", "every chore, each hour"),
        ],
    ),
    (
        "log-level",
        &[
            ("chore log-level order-sender debug --for 10m", "look closer, for a while"),
            ("chore log-level order-sender default", "as its config says"),
            ("chore log-level peer warn", "less of the peer, and of chores without a level"),
        ],
    ),
    (
        "why",
        &[
            ("chore why order-sender", "when the next run comes, and why then"),
            ("chore why order-sender --at 10:00", "why there was a run then, or none"),
        ],
    ),
    (
        "history",
        &[
            ("chore history order-sender --outcome failed", "its runs that failed"),
            ("chore history --before 90m --limit 100", "what was before that"),
            ("chore history --run 1234", "one run in full, with what it logged"),
        ],
    ),
    (
        "logs",
        &[
            ("chore logs order-sender -n 20", "what it logged last"),
            ("chore logs -f", "what all chores log, as they do"),
        ],
    ),
    (
        "top",
        &[
            ("chore top", "all cycles at a glance, always up to date"),
            ("chore top --sort state --every 5s", "what goes wrong first"),
        ],
    ),
    (
        "reload",
        &[
            ("chore reload", "look at the chores directory now, and wait"),
            ("chore reload order-sender --force", "try again what went back"),
            ("chore reload --all", "wait for all, and say what became of each"),
        ],
    ),
    ("unload", &[("chore unload order-sender --note \"not needed here\"", "close it for good")]),
    ("load", &[("chore load order-sender", "bring it back")]),
    ("go-back", &[("chore go-back order-sender", "the version before, from the peer's copy")]),
    (
        "token",
        &[
            ("chore token new alice", "make one, which is printed this once"),
            ("chore token ls", "whose there are"),
        ],
    ),
    (
        "orders",
        &[
            ("chore orders count", "how many there are"),
            ("chore orders unsent --limit 10", "what waits longest"),
        ],
    ),
    (
        "doctor",
        &[
            ("chore doctor", "everything that a peer needs"),
            ("chore doctor --live", "whether it runs and answers, for a health check"),
        ],
    ),
    ("repair", &[("chore repair", "after `chore doctor` found a damaged database")]),
    (
        "new",
        &[
            ("chore new hello && cd hello && chore build", "from nothing to a component"),
            ("chore new report --lang python --template periodic-report", "in Python"),
        ],
    ),
    ("build", &[("chore build chores/order-sender", "to target/chore/order-sender.wasm")]),
    (
        "dev",
        &[
            ("chore new hello && cd hello && chore dev", "see it run while you write it"),
            ("chore dev --home ~/chore-home", "in the peer that runs there"),
        ],
    ),
    (
        "check",
        &[
            ("chore check target/chore/hello.wasm", "by itself"),
            ("chore check target/chore/hello.wasm --home ~/chore-home", "as that peer sees it"),
        ],
    ),
    (
        "sign",
        &[
            ("chore sign target/chore/hello.wasm", "to target/chore/hello.wasm.minisig"),
            ("chore sign a.wasm b.wasm --key ~/keys/team.key --comment \"release 7\"", "both"),
        ],
    ),
    (
        "keys",
        &[
            ("chore keys new", "make one, with a password"),
            ("chore keys show", "and what to write so that a peer trusts it"),
        ],
    ),
    (
        "demo",
        &[
            ("chore demo", "until Ctrl-C"),
            ("chore demo --orders 1000 --forged 7 --json", "and check the sum"),
        ],
    ),
    (
        "completions",
        &[
            (
                "chore completions bash > ~/.local/share/bash-completion/completions/chore",
                "for bash; zsh takes it as _chore in a folder of its fpath",
            ),
            ("chore completions fish > ~/.config/fish/completions/chore.fish", "for fish"),
        ],
    ),
    (
        "man",
        &[
            ("chore man | man -l -", "read it"),
            ("chore man history", "the page of one command"),
            ("chore man --into ~/.local/share/man/man1", "all pages, for `man chore-history`"),
        ],
    ),
    ("version", &[("chore version", "which one this is")]),
];

/// The whole command line, with examples and exit codes in its help.
pub(super) fn definition() -> Command {
    let with_examples = |command: Command, (name, examples): &(&str, &[(&str, &str)])| {
        command.mut_subcommand(*name, |command| command.after_help(shown(examples)))
    };
    let command = EXAMPLES.iter().fold(Cli::command(), with_examples);
    command.max_term_width(WIDTH).after_help(EXIT_CODES)
}

fn shown(examples: &[(&str, &str)]) -> String {
    let lines = examples.iter().map(|(line, what)| format!("  {line}\n      {what}"));
    format!("Examples:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// What a shell reads to complete commands, options and their values.
pub(super) fn completions(out: &Out, shell: Shell) -> Result<u8, Error> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition(), "chore", &mut script);
    out.raw(&String::from_utf8_lossy(&script))?;
    Ok(0)
}

#[derive(Args)]
pub(super) struct ManAsked {
    /// The page of this command; without it, of the program
    #[arg(conflicts_with = "into")]
    command: Option<String>,
    /// Write the pages of the program and of every command there
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

pub(super) fn man(out: &Out, asked: &ManAsked) -> Result<u8, Error> {
    let pages = pages()?;
    if let Some(folder) = &asked.into {
        let failed = |operation, path: &PathBuf| {
            let path = path.clone();
            move |source| Error::File { operation, path, source }
        };
        fs::create_dir_all(folder).map_err(failed("create directory", folder))?;
        for (name, page) in &pages {
            let path = folder.join(format!("{name}.1"));
            fs::write(&path, page).map_err(failed("write", &path))?;
        }
        out.tell(&format!("wrote {} pages to {}", pages.len(), folder.display()))?;
        return Ok(0);
    }
    let wanted = match &asked.command {
        Some(command) => format!("chore-{command}"),
        None => "chore".to_owned(),
    };
    match pages.iter().find(|(name, _)| *name == wanted) {
        Some((_, page)) => out.raw(page)?,
        None => {
            let command = asked.command.clone().unwrap_or_default();
            let known = pages.iter().filter_map(|(name, _)| name.strip_prefix("chore-"));
            let nearest = nearest(&command, known).map(str::to_owned);
            return Err(Error::NoCommand { command, nearest });
        }
    }
    Ok(0)
}

/// Each with its name, the program's first.
fn pages() -> Result<Vec<(String, String)>, Error> {
    let mut command = definition();
    command.build();
    let version = env!("CARGO_PKG_VERSION");
    let page = |command: Command, name: String| {
        let mut page = Vec::new();
        let made =
            clap_mangen::Man::new(command.name(name.clone()).version(version)).render(&mut page);
        made.map_err(|source| Error::System { operation: "make a manual page", source })?;
        Ok((name, String::from_utf8_lossy(&page).into_owned()))
    };
    let commands: Vec<Command> = command.get_subcommands().cloned().collect();
    let commands = commands.into_iter().filter(|command| command.get_name() != "help").map(|of| {
        let name = format!("chore-{}", of.get_name());
        page(of, name)
    });
    let mut pages = vec![page(command.clone(), "chore".to_owned())?];
    pages.extend(commands.collect::<Result<Vec<_>, Error>>()?);
    Ok(pages)
}
