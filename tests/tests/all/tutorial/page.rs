//! What a page of Markdown tells its reader to do, in order. It does nothing itself.

/// One thing that a reader does or sees.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// A fence `sh`: types it.
    Type(String),
    /// A fence `text`: compares it with what is printed.
    See(String),
    /// Any other fence; its first line is a comment with a path: makes it all of that file.
    Replace { file: String, text: String },
    /// A fence `diff`: finds the lines with a space or "-", and makes them those with a space or "+".
    Change { file: String, from: String, to: String },
    /// "Press `q`", or "Press Ctrl-C": as the terminal gets it.
    Press(char),
    /// A line that begins with "In the peer's terminal": looks there.
    LookAtPeer,
}

/// Ctrl-C, as a terminal sends it.
pub const INTERRUPT: char = '\u{3}';

const PEERS_TERMINAL: &str = "In the peer's terminal";

/// The steps of a page, each with the number of its line.
pub fn steps(page: &str) -> Vec<(usize, Step)> {
    let mut steps = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        match line.strip_prefix("```") {
            Some(kind) => {
                let body = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
                let body: Vec<&str> = body.collect();
                let step = fence(kind, &body);
                let step = step.unwrap_or_else(|| panic!("line {}: nothing to do", number + 1));
                steps.push((number + 1, step));
            }
            None => steps.extend(prose(line).into_iter().map(|step| (number + 1, step))),
        }
    }
    steps
}

fn fence(kind: &str, body: &[&str]) -> Option<Step> {
    let text = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    match kind {
        "sh" => Some(Step::Type(text(body))),
        "text" => Some(Step::See(text(body))),
        "diff" => {
            let file = body.first()?.strip_prefix("--- ")?.to_owned();
            let side = |sign: char| {
                let kept = body[1..]
                    .iter()
                    .filter_map(|line| line.strip_prefix(sign).or_else(|| line.strip_prefix(' ')));
                text(&kept.collect::<Vec<_>>())
            };
            Some(Step::Change { file, from: side('-'), to: side('+') })
        }
        _ => {
            let comment = ["// ", "# "].iter().find_map(|mark| body.first()?.strip_prefix(mark));
            Some(Step::Replace { file: comment?.to_owned(), text: text(body) })
        }
    }
}

fn prose(line: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for (at, word) in line.match_indices("Press ") {
        let after = &line[at + word.len()..];
        match after.strip_prefix('`').and_then(|rest| rest.chars().next()) {
            Some(key) => steps.push(Step::Press(key)),
            None if after.starts_with("Ctrl-C") => steps.push(Step::Press(INTERRUPT)),
            None => panic!("which key? {line}"),
        }
    }
    if line.starts_with(PEERS_TERMINAL) {
        steps.push(Step::LookAtPeer);
    }
    steps
}

#[test]
fn a_page_says_what_to_do() {
    let page = "Type:\n\n```sh\ncd a\n```\n```text\nwell\n```\n```diff\n--- f\n a\n-b\n+c\n```\n\
                ```toml\n# g\nh = 1\n```\nPress `q`. Press Ctrl-C.\nIn the peer's terminal:\n";
    let file = |file: &str| file.to_owned();
    let expected = vec![
        (3, Step::Type("cd a\n".into())),
        (6, Step::See("well\n".into())),
        (9, Step::Change { file: file("f"), from: "a\nb\n".into(), to: "a\nc\n".into() }),
        (15, Step::Replace { file: file("g"), text: "# g\nh = 1\n".into() }),
        (19, Step::Press('q')),
        (19, Step::Press(INTERRUPT)),
        (20, Step::LookAtPeer),
    ];
    assert_eq!(steps(page), expected);
}
