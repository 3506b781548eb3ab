//! The names in a query to Prometheus: which metrics it asks for, and which labels. It reads just so
//! much of the language as our own queries have, and refuses what it does not know.

use std::collections::BTreeSet;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub metrics: BTreeSet<String>,
    pub labels: BTreeSet<String>,
}

/// Functions and aggregations, and words between values.
const FUNCTIONS: [&str; 13] = [
    "changes",
    "count",
    "delta",
    "histogram_quantile",
    "increase",
    "max",
    "min_over_time",
    "rate",
    "sum",
    "time",
    "vector",
    "avg",
    "min",
];
const BETWEEN: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// Words that a list of labels follows.
const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Sign(char),
}

pub fn names(expression: &str) -> Result<Names, String> {
    let tokens = tokens(expression)?;
    let mut names = Names::default();
    // What the innermost bracket holds: labels, or more of the expression.
    let mut brackets: Vec<(char, bool)> = Vec::new();
    let mut list = false;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign(open @ ('(' | '{')) => {
                brackets.push((*open, *open == '{' || std::mem::take(&mut list)));
            }
            Token::Sign(close @ (')' | '}')) => {
                let expected = if *close == ')' { '(' } else { '{' };
                if brackets.pop().map(|(open, _)| open) != Some(expected) {
                    return Err(format!("{close} closes nothing in {expression}"));
                }
            }
            Token::Sign(_) => {}
            Token::Word(word) if brackets.last().is_some_and(|(_, labels)| *labels) => {
                names.labels.insert(word.clone());
            }
            Token::Word(word) if LISTS.contains(&word.as_str()) => list = true,
            Token::Word(word) if BETWEEN.contains(&word.as_str()) => {}
            Token::Word(word) => {
                let called = matches!(tokens.get(index + 1), Some(Token::Sign('(')))
                    // As in `sum by (chore) (...)`.
                    || matches!(tokens.get(index + 1), Some(Token::Word(next)) if LISTS.contains(&next.as_str()));
                match called {
                    true if FUNCTIONS.contains(&word.as_str()) => {}
                    true => return Err(format!("no function {word} is known: {expression}")),
                    false => drop(names.metrics.insert(word.clone())),
                }
            }
        }
    }
    match brackets.is_empty() {
        true => Ok(names),
        false => Err(format!("a bracket is open in {expression}")),
    }
}

/// Words and brackets, without what says nothing of names: strings, numbers, durations, signs.
fn tokens(expression: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = expression.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => {
                if !rest.by_ref().any(|c| c == '"') {
                    return Err(format!("a string is open in {expression}"));
                }
            }
            '[' => {
                if !rest.by_ref().any(|c| c == ']') {
                    return Err(format!("a range is open in {expression}"));
                }
            }
            '(' | ')' | '{' | '}' => tokens.push(Token::Sign(c)),
            c if c.is_ascii_digit() => {
                while rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '.').is_some() {}
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let mut word = c.to_string();
                while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
            ' ' | '\n' | ',' | '+' | '-' | '*' | '/' | '=' | '!' | '~' | '>' | '<' => {}
            c => return Err(format!("{c:?} is not known in {expression}")),
        }
    }
    Ok(tokens)
}

#[test]
fn names_are_found() {
    let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
    for (expression, metrics, labels) in [
        ("up == 0", &["up"][..], &[][..]),
        (
            "sum by (chore) (rate(a_total{outcome!=\"x y\"}[5m])) / 2.5e3",
            &["a_total"],
            &["chore", "outcome"],
        ),
        ("a and on (chore) b > 1", &["a", "b"], &["chore"]),
        (
            "histogram_quantile(0.9, sum(rate(d_bucket[5m])) by (le, cycle))",
            &["d_bucket"],
            &["cycle", "le"],
        ),
    ] {
        let expected = Names { metrics: set(metrics), labels: set(labels) };
        assert_eq!(names(expression), Ok(expected), "{expression}");
    }
    for broken in ["sum(a", "a)", "a{b=\"c}", "nope(a)", "a[5m", "a ; b"] {
        assert!(names(broken).is_err(), "{broken}");
    }
}
