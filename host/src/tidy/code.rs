//! Rust's text with comments and literals blanked out, so that what is left can be searched and its
//! braces counted. Lines and columns stay where they are.

/// Comments, strings and characters become spaces; everything else stays.
pub fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    let mut previous = ' ';
    while let Some(first) = rest.chars().next() {
        let length = match literal(rest, previous) {
            Some(length) => {
                // A word must not grow together with the next one.
                code.extend(rest[..length].chars().map(|c| if c == '\n' { c } else { ' ' }));
                previous = ' ';
                length
            }
            None => {
                code.push(first);
                previous = first;
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    code
}

/// The length of the comment, string or character that `rest` begins with.
fn literal(rest: &str, previous: char) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if let Some(text) = rest.strip_prefix('"') {
        return Some(1 + until_quote(text, '"'));
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    // A prefix of a string, unless it is the end of a longer word.
    if previous.is_alphanumeric() || previous == '_' {
        return None;
    }
    let letters = rest.find(|c| !matches!(c, 'r' | 'b' | 'c')).unwrap_or(rest.len());
    if letters == 0 || letters > 2 {
        return None;
    }
    let (prefix, after) = rest.split_at(letters);
    let hashes = after.find(|c| c != '#').unwrap_or(after.len());
    let body = after[hashes..].strip_prefix('"')?;
    let start = letters + hashes + 1;
    if prefix.contains('r') {
        let close = format!("\"{}", "#".repeat(hashes));
        return Some(start + body.find(&close).map_or(body.len(), |at| at + close.len()));
    }
    (hashes == 0).then(|| start + until_quote(body, '"'))
}

/// Nested ones count.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(next) = rest[at..].chars().next() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += next.len_utf8();
        }
    }
    rest.len()
}

/// The length up to and with the quote that ends it.
fn until_quote(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    body.len()
}

/// `None` for a lifetime or a label.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest[1..].chars();
    let first = chars.next()?;
    if first == '\\' {
        return Some(1 + until_quote(&rest[1..], '\''));
    }
    (chars.next() == Some('\'')).then(|| 2 + first.len_utf8())
}
