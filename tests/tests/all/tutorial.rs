//! The tutorial, done as its reader does it: every command typed, every change made, and all that it
//! shows compared. And every link of every page, followed.

mod links;
mod page;
mod reader;
mod shown;

use std::fs;

use page::{INTERRUPT, Step};
use testplanet::{chore_program, workspace};

/// What stands between two headings of a page.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, after) = text.split_once(&format!("\n{heading}\n")).expect("the heading");
    after.split("\n## ").next().unwrap_or_default()
}

#[test]
fn the_peer_of_the_readme_runs() {
    let text = fs::read_to_string(workspace().join("README.md")).unwrap();
    let text = section(&text, "## Run a peer");
    // As a person does, but without optimisation, and where the tests build.
    let program = chore_program();
    let target = program.ancestors().nth(2).unwrap().display();
    let text = text.replace("cargo build --release", "cargo build").replace("/release", "/debug");
    let text = text.replace("target/chore/", &format!("{target}/chore/"));
    let mut reader = reader::Reader::new();
    for (_, step) in page::steps(&text) {
        reader.does(&step);
    }
    let sender =
        "... INFO run succeeded chore=order-sender cycle=\"main\" iteration=1 elapsed=...\n";
    for step in [Step::LookAtPeer, Step::See(sender.to_owned()), Step::Press(INTERRUPT)] {
        reader.does(&step);
    }
}

/// Each of these pages works from its first line to its last.
fn works(page: &str) {
    let text = fs::read_to_string(workspace().join(page)).unwrap();
    let mut reader = reader::Reader::new();
    for (line, step) in page::steps(&text) {
        eprintln!("{page}:{line}");
        reader.does(&step);
    }
}

#[test]
fn the_tutorial_works() {
    works("docs/tutorial.md");
}

#[test]
fn the_page_for_operators_works() {
    works("docs/operating.md");
}
