//! Compares what a page shows with what was printed: digests, times and sizes are others on every
//! machine, `...` stands for anything, and a line of it for any lines.

/// What stands for anything.
const ANYTHING: &str = "...";

/// How long the shortest digest is, and the shortest id of a node.
const DIGEST_DIGITS: usize = 12;
const ID_CHARACTERS: usize = 40;

const TIMES: [&str; 7] = ["ns", "µs", "ms", "s", "m", "h", "d"];
const SIZES: [&str; 5] = ["B", "KiB", "MiB", "GiB", "kB"];

/// Whether all that was printed is what is shown.
pub fn is_all(shown: &str, printed: &str) -> bool {
    let lines = |text: &str| -> Vec<String> { text.trim_end().lines().map(plain).collect() };
    lines_fit(&lines(shown), &lines(printed))
}

/// The first line that is shown and was not printed, if there is one.
pub fn missing<'a>(shown: &'a str, printed: &str) -> Option<&'a str> {
    let printed: Vec<String> = printed.lines().map(plain).collect();
    shown.lines().find(|line| {
        let line = plain(line);
        !printed.iter().any(|printed| fits(&line, printed))
    })
}

fn lines_fit(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == ANYTHING => {
            (0..=printed.len()).any(|skipped| lines_fit(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, others)| fits(first, line) && lines_fit(rest, others)),
    }
}

/// Whether a line is the one that is shown, with anything where that has `...`.
fn fits(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split(ANYTHING);
    let Some(mut rest) = parts.next().and_then(|head| printed.strip_prefix(head)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Without colours, the width of columns, and what is other each time.
fn plain(line: &str) -> String {
    let line = without_colours(line);
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let word = word_plain(word);
        match words.last_mut() {
            // "94.2 KiB" and "59m 59s".
            Some(last) if is_number(last) && is_size(&word) => {
                let (before, after) = (last.starts_with('('), word.ends_with(')'));
                let (open, close) = (if before { "(" } else { "" }, if after { ")" } else { "" });
                *last = format!("{open}SIZE{close}");
            }
            Some(last) if last == "TIME" && word.starts_with("TIME") => *last = word,
            _ => words.push(word),
        }
    }
    words.join(" ").replace("TIME ago", "now")
}

fn is_number(word: &str) -> bool {
    word.trim_start_matches('(').starts_with(|c: char| c.is_ascii_digit())
}

fn is_size(word: &str) -> bool {
    SIZES.contains(&word.trim_end_matches(')'))
}

/// A word whose parts between punctuation are replaced one by one.
fn word_plain(word: &str) -> String {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | ':' | 'µ');
    let mut plain = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let length = rest.find(|c| !part(c)).unwrap_or(rest.len());
        let (head, tail) = rest.split_at(length);
        plain.push_str(&part_plain(head));
        let mark = tail.chars().next();
        plain.extend(mark);
        rest = &tail[mark.map_or(0, char::len_utf8)..];
    }
    plain
}

fn part_plain(part: &str) -> String {
    let core = part.trim_end_matches(['.', ':']);
    let end = &part[core.len()..];
    let is_hex = core.chars().all(|c| c.is_ascii_hexdigit()) && core.len() >= DIGEST_DIGITS;
    let is_id = core.chars().all(|c| c.is_ascii_alphanumeric()) && core.len() >= ID_CHARACTERS;
    let is_date = core.contains('T') && core.ends_with('Z') && core.starts_with("20");
    let number = core.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let is_time = number.len() < core.len() && TIMES.contains(&number);
    let stands = match () {
        () if is_hex => "DIGEST",
        () if is_id => "ID",
        () if is_date => "DATE",
        () if is_time => "TIME",
        () => core,
    };
    format!("{stands}{end}")
}

fn without_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    plain
}

#[test]
fn what_is_other_each_time_is_not_compared() {
    for (shown, printed, expected) in [
        ("a b\n", "a   b\n", true),
        ("a b\n", "a c\n", false),
        ("a\n", "a\nb\n", false),
        ("...\nb\n", "a\na\nb\n", true),
        ("...\nb\n", "a\n", false),
        ("a ... c", "a b b c", true),
        ("a ... c", "a b", false),
        ("run 2 succeeded after 849µs", "run 2 succeeded after 1.2ms", true),
        ("run 2 succeeded after 849µs", "run 3 succeeded after 849µs", false),
        ("in 59m 59s", "in 1h", true),
        ("wrote x (94.2 KiB)", "wrote x (101.7 KiB)", true),
        ("size 94.2 KiB", "size 1 MiB", true),
        ("size 94.2 KiB", "size 94.2", false),
        ("0.1.0 (64c6f89a17e6)", "0.1.0 (fa3c7282b807)", true),
        ("0.1.0 (64c6f89a17e6)", "0.2.0 (fa3c7282b807)", false),
        ("succeeded now", "succeeded 2s ago", true),
        ("at 2026-11-25T18:45:15Z x", "at 2027-01-25T18:45:15.123Z x", true),
        ("hello", "\u{1b}[1mhel\u{1b}[0mlo", true),
        ("elapsed=\"683.0µs\"", "elapsed=\"1.5ms\"", true),
    ] {
        assert_eq!(is_all(shown, printed), expected, "{shown} | {printed}");
    }
    assert_eq!(missing("a ...\nb\n", "x\nb\na c\n"), None);
    assert_eq!(missing("a ...\nb\n", "x\na c\n"), Some("b"));
}
