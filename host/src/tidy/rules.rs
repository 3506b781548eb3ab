//! Each rule of the house: from text to complaints. It opens no file.

use std::collections::{BTreeMap, BTreeSet};

use super::code::code_only;

pub const FILE_LINES_MAX: usize = 800;
pub const FUNCTION_LINES_MAX: usize = 70;

/// What no room of floor 0 may say, because it has no clock, no task, no wasm, no file, no socket.
const IMPURE: [&str; 6] =
    ["Instant::now", "SystemTime::now", "tokio::", "wasmtime::", "std::fs", "std::net"];

/// Addresses are plain values, though they live beside the sockets.
const ADDRESSES: [&str; 9] = [
    "AddrParseError",
    "IpAddr",
    "Ipv4Addr",
    "Ipv6Addr",
    "SocketAddr",
    "SocketAddrV4",
    "SocketAddrV6",
    // In a list of them.
    "self",
    "",
];

/// The one function that asks for the time lives beside the type; only the shell calls it. And this
/// test itself reads files.
const IMPURE_ALLOWED: [(&str, &str); 3] =
    [("clock", "SystemTime::now"), ("tidy", "std::fs"), ("tidy", "std::net")];

/// Where the compiler lets `unsafe` pass: generated bindings, what they ask of a guest, and the one
/// place that loads compiled code, with its argument. Guests of tests are hostile anyway.
const UNSAFE_ALLOWED: [&str; 5] = [
    "guest-sdk/src/bindings.rs",
    "guest-sdk/src/lib.rs",
    "host/src/bindings.rs",
    "host/src/runtime/compile.rs",
    "tests/src/disk/vfs.rs",
];

/// A file with Rust in it.
#[derive(Clone)]
pub struct Source {
    /// From the root of the workspace, with "/" between its parts.
    pub path: String,
    pub text: String,
}

impl Source {
    /// The room that a file of the host belongs to; `None` for `lib.rs` and other crates.
    fn room(&self) -> Option<&str> {
        let path = self.path.strip_prefix("host/src/")?;
        let first = path.split('/').next()?;
        let room = first.strip_suffix(".rs").unwrap_or(first);
        (room != "lib").then_some(room)
    }

    /// A file that only tests are made of: `tests.rs`, or one in a folder `tests` below `src`.
    fn is_test(&self) -> bool {
        let Some((_, inside)) = self.path.split_once("/src/") else { return false };
        inside.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    fn says(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// Which room is on which floor.
pub struct Floors(BTreeMap<String, u32>);

impl Floors {
    /// Reads lines such as `//! floor 2  bindings capability` from the fence "text" of a crate's
    /// documentation.
    pub fn parse(lib: &str) -> Result<Floors, String> {
        let mut floors = BTreeMap::new();
        let doc = lib.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
        let fence = doc.skip_while(|line| *line != "```text").skip(1);
        for line in fence.take_while(|line| !line.starts_with("```")) {
            let mut words = line.split_whitespace();
            let floor = match (words.next(), words.next().map(str::parse::<u32>)) {
                (Some("floor"), Some(Ok(floor))) => floor,
                _ => return Err(format!("host/src/lib.rs: \"{line}\" is not \"floor N  rooms\"")),
            };
            for room in words {
                if floors.insert(room.to_owned(), floor).is_some() {
                    return Err(format!("host/src/lib.rs: {room} is on two floors"));
                }
            }
        }
        if floors.is_empty() {
            return Err("host/src/lib.rs: its documentation lists no floors".to_owned());
        }
        Ok(Floors(floors))
    }

    /// Every room of the host is on a floor, and every room on a floor is there.
    pub fn rooms_are_listed(&self, sources: &[Source]) -> Vec<String> {
        let rooms: BTreeSet<&str> = sources.iter().filter_map(Source::room).collect();
        let listed: BTreeSet<&str> = self.0.keys().map(String::as_str).collect();
        let unlisted = rooms.difference(&listed);
        let gone = listed.difference(&rooms);
        let unlisted = unlisted.map(|room| format!("host/src/{room}: on no floor of lib.rs"));
        unlisted.chain(gone.map(|room| format!("host/src/lib.rs: {room} is no room"))).collect()
    }

    /// A room mentions only rooms on its own floor and below.
    pub fn imports_go_down(&self, source: &Source) -> Vec<String> {
        let Some(floor) = source.room().and_then(|room| self.0.get(room)) else {
            return Vec::new();
        };
        let upward = |(line, room): (usize, String)| {
            let above = self.0.get(&room).filter(|above| *above > floor)?;
            Some(source.says(line, &format!("{room} is on floor {above}, above floor {floor}")))
        };
        mentions(&source.path, &source.text).into_iter().filter_map(upward).collect()
    }

    /// A room on floor 0 does nothing but compute. What only its tests do does not count.
    pub fn is_pure(&self, source: &Source) -> Vec<String> {
        let Some(room) = source.room().filter(|room| self.0.get(*room) == Some(&0)) else {
            return Vec::new();
        };
        if source.is_test() {
            return Vec::new();
        }
        let mut complaints = Vec::new();
        for (number, line) in without_tests(&code_only(&source.text)) {
            for word in IMPURE {
                if is_impure(line, word) && !IMPURE_ALLOWED.contains(&(room, word)) {
                    complaints.push(source.says(number, &format!("{word} on floor 0")));
                }
            }
        }
        complaints
    }
}

fn is_impure(line: &str, word: &str) -> bool {
    let mut places = line.match_indices(word);
    places.any(|(at, _)| {
        let of_a_word = |c: char| c.is_alphanumeric() || c == '_';
        if line[..at].ends_with(of_a_word) {
            return false;
        }
        let after = &line[at + word.len()..];
        if word != "std::net" {
            return word.ends_with(':') || !after.starts_with(of_a_word);
        }
        let names = after.trim_start_matches(':');
        let names = names.strip_prefix('{').unwrap_or(names);
        let names = names.split(['}', ';']).next().unwrap_or_default();
        let name = |name: &str| {
            let end = name.find(|c| !of_a_word(c)).unwrap_or(name.len());
            name[..end].to_owned()
        };
        let mut all = names.split(',').map(|part| name(part.trim()));
        !after.starts_with("::") || all.any(|name| !ADDRESSES.contains(&name.as_str()))
    })
}

/// The rooms that a file names after `crate::`, each with its line.
fn mentions(path: &str, text: &str) -> Vec<(usize, String)> {
    let code = code_only(text);
    let mut found = Vec::new();
    // The program names the library from outside.
    for prefix in ["crate::", "chore_host::"] {
        for (at, _) in code.match_indices(prefix) {
            let is_longer = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if !is_longer {
                let line = 1 + code[..at].matches('\n').count();
                let after = &code[at + prefix.len()..];
                found.extend(first_parts(after).into_iter().map(|room| (line, room)));
            }
        }
    }
    // The parent of a file beside `lib.rs` is the crate. What is indented is in a module inside.
    if path.strip_prefix("host/src/").is_some_and(|name| !name.contains('/')) {
        let lines = code.lines().enumerate();
        found.extend(lines.flat_map(|(number, line)| {
            let after =
                ["use super::", "pub use super::"].iter().find_map(|u| line.strip_prefix(u));
            let parts = after.map(first_parts).unwrap_or_default();
            parts.into_iter().map(move |room| (number + 1, room))
        }));
    }
    found
}

/// Of `a::b` the a; of `{a, b::{c, d}, e}` a, b and e.
fn first_parts(after: &str) -> Vec<String> {
    let word = |text: &str| {
        let text = text.trim_start().trim_start_matches("r#");
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        text[..end].to_owned()
    };
    let Some(list) = after.trim_start().strip_prefix('{') else { return vec![word(after)] };
    let (mut depth, mut begins, mut parts) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                parts.push(word(&list[begins..at]));
                begins = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

pub fn begins_with_its_purpose(source: &Source) -> Option<String> {
    let first = source.text.lines().next().unwrap_or_default();
    let says = first.strip_prefix("//!").is_some_and(|rest| !rest.trim().is_empty());
    (!says).then(|| source.says(1, "begins without a `//!` that says what it is for"))
}

/// The lint denies it everywhere else; this sees to it that nobody allows it somewhere new.
pub fn is_safe(source: &Source) -> Option<String> {
    let path = source.path.as_str();
    if UNSAFE_ALLOWED.contains(&path) || path.starts_with("tests/guests/") {
        return None;
    }
    let code = code_only(&source.text);
    let line = code.lines().position(|line| line.contains("unsafe_code"))?;
    Some(source.says(line + 1, "allows unsafe code, which belongs in one place"))
}

pub fn is_short(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines > FILE_LINES_MAX).then(|| {
        source.says(lines, &format!("has {lines} lines, at most {FILE_LINES_MAX} are allowed"))
    })
}

/// Functions of tests may be tables of any length.
pub fn functions_are_short(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let code = code_only(&source.text);
    let lines = without_tests(&code);
    let mut complaints = Vec::new();
    for (index, (number, line)) in lines.iter().enumerate() {
        let Some(name) = function(line) else { continue };
        let length = block_lines(&lines[index..]);
        if length > FUNCTION_LINES_MAX {
            let what =
                format!("fn {name} has {length} lines, at most {FUNCTION_LINES_MAX} are allowed");
            complaints.push(source.says(*number, &what));
        }
    }
    complaints
}

/// The name, if a function begins on this line.
fn function(line: &str) -> Option<&str> {
    let at = match line.trim_start().strip_prefix("fn ") {
        Some(rest) => line.len() - rest.len(),
        None => line.find(" fn ")? + 4,
    };
    let name = &line[at..];
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    // A pointer to a function, `fn (…)` or `fn(…)`, has no name.
    (end > 0).then_some(&name[..end])
}

/// Lines up to the brace that closes the first one, or to the `;` of a function without a body.
fn block_lines(lines: &[(usize, &str)]) -> usize {
    let mut depth = 0_i32;
    // A `;` in an array's type ends nothing.
    let mut brackets = 0_i32;
    for (index, (_, line)) in lines.iter().enumerate() {
        for c in line.chars() {
            match c {
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets -= 1,
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            let ended = (c == '}' && depth == 0) || (c == ';' && depth == 0 && brackets == 0);
            if ended {
                return index + 1;
            }
        }
    }
    lines.len()
}

/// The numbered lines that are in no `mod tests { … }`.
fn without_tests(code: &str) -> Vec<(usize, &str)> {
    let lines: Vec<(usize, &str)> = code.lines().enumerate().map(|(n, l)| (n + 1, l)).collect();
    let mut kept = Vec::new();
    let mut index = 0;
    while let Some(numbered) = lines.get(index) {
        if numbered.1.trim_start().starts_with("mod tests {") {
            index += block_lines(&lines[index..]);
        } else {
            kept.push(*numbered);
            index += 1;
        }
    }
    kept
}

/// Every guest is named by a host test, so that none is dead weight.
pub fn guests_are_tested(guests: &BTreeSet<String>, sources: &[Source]) -> Vec<String> {
    let tests: Vec<&Source> = sources
        .iter()
        .filter(|source| {
            ["tests/src/", "tests/tests/", "tests/benches/"]
                .iter()
                .any(|t| source.path.starts_with(t))
        })
        .collect();
    let of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    let named = |name: &str| {
        // In strings too, but not in a comment that says the test will come.
        tests.iter().flat_map(|test| test.text.lines()).any(|line| {
            let line = line.split("//").next().unwrap_or_default();
            line.match_indices(name).any(|(at, _)| {
                let (before, after) = (&line[..at], &line[at + name.len()..]);
                !before.ends_with(of_a_word) && !after.starts_with(of_a_word)
            })
        })
    };
    // By its folder, or as a peer calls it.
    let chore = |guest: &str| format!("guest-{}", guest.replace('_', "-"));
    let untested = guests.iter().filter(|guest| !named(guest) && !named(&chore(guest)));
    untested.map(|guest| format!("tests/guests/{guest}: no test names it")).collect()
}
