//! Status as text: pure functions of what a peer says of itself and of the time.

use std::time::{Duration, SystemTime};

use crate::clock::Timestamp;
use crate::grant::Capability;
use crate::status::{
    ChoreDetail, ChoreStatus, CycleStatus, LastRun, LimitInForce, LimitsInForce, RefusedFile,
    Setting, SignatureStatus, VersionStatus,
};

/// How much of a digest tells two builds of a chore apart at a glance, in characters.
pub(super) const DIGEST_CHARS: usize = 12;

/// What stands in a table where there is nothing.
const NOTHING: &str = "-";

/// RFC 3339 in UTC, to the millisecond. Times before 1970 show as 1970.
pub(super) fn rfc3339(time: Timestamp) -> String {
    let time = SystemTime::from(time.max(Timestamp::EPOCH));
    humantime::format_rfc3339_millis(time).to_string()
}

/// All chores: a row for each cycle, and below the table why what is refused is refused.
pub(super) fn chores(chores: &[ChoreStatus], now: Timestamp) -> String {
    let head = [
        "NAME", "STATE", "VERSION", "GEN", "DIGEST", "GRANTS", "CYCLE", "INTERVAL", "NOW", "LAST",
        "NEXT",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for chore in chores {
        let digest: String = chore.digest.chars().take(DIGEST_CHARS).collect();
        let generation = match chore.generation {
            0 => String::new(),
            generation => generation.to_string(),
        };
        let (name, state) = (plain(&chore.name), chore.state.clone());
        let (version, grants) = (plain(&chore.version), grants(&chore.grants));
        let mut of_chore = [name, state, version, generation, digest, grants].map(or_nothing);
        if chore.cycles.is_empty() {
            let none = std::iter::repeat_n(NOTHING.to_owned(), head.len() - of_chore.len());
            rows.push(of_chore.iter().cloned().chain(none).collect());
        }
        for cycle in &chore.cycles {
            let last = cycle.last.as_ref().map_or(NOTHING.to_owned(), |run| {
                format!("{} {}", run.outcome.word(), relative(run.started.plus(run.elapsed), now))
            });
            let next = cycle.next.map_or(NOTHING.to_owned(), |next| relative(next, now));
            let of_cycle =
                [plain(&cycle.name), cycle.interval.clone(), cycle.state.clone(), last, next];
            rows.push(of_chore.iter().cloned().chain(of_cycle).collect());
            // The next row is the same chore's next cycle.
            of_chore = [const { String::new() }; 6];
        }
    }
    let notes: Vec<String> = chores.iter().flat_map(|chore| notes(chore, now)).collect();
    let below = if notes.is_empty() { String::new() } else { format!("\n\n{}", notes.join("\n")) };
    format!("{}{below}", table(&rows))
}

/// What somebody had to grant, in short: "orders:settle,transport(2 nodes)".
fn grants(texts: &[String]) -> String {
    let mut short: Vec<(Capability, String)> = Vec::new();
    for text in texts {
        let name = text.split(':').next().unwrap_or_default();
        let Ok(capability) = name.parse::<Capability>() else { continue };
        let of_it = texts.iter().filter(|other| other.split(':').next() == Some(name)).count();
        let is_nodes = matches!(capability, Capability::Kademlia | Capability::Transport)
            && text.contains(':');
        let text = match (is_nodes, of_it) {
            (false, _) => text.clone(),
            (true, 1) => format!("{name}(1 node)"),
            (true, nodes) => format!("{name}({nodes} nodes)"),
        };
        if !capability.is_default() && short.iter().all(|(known, _)| *known != capability) {
            short.push((capability, text));
        }
    }
    short.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
}

/// What the table has no room for: why something is not loaded, not replaced, or watched.
fn notes(chore: &ChoreStatus, now: Timestamp) -> Vec<String> {
    let name = plain(&chore.name);
    let mut notes = Vec::new();
    if !chore.reason.is_empty() {
        notes.push(format!("{name}: {}", plain(&chore.reason)));
    }
    if let Some(refused) = &chore.refused {
        notes.push(format!("{name}: {}", refusal(refused)));
    }
    for cycle in &chore.cycles {
        notes.extend(
            overdue(cycle, now)
                .map(|late| format!("{name}: {} is overdue {late}", plain(&cycle.name))),
        );
        notes.extend(
            pause(cycle, now).map(|pause| format!("{name}: {} {pause}", plain(&cycle.name))),
        );
    }
    if chore.watched_runs_left > 0 {
        notes.push(format!(
            "{name}: new, {}: if one fails, the last good version is gone back to",
            watched(chore.watched_runs_left)
        ));
    }
    notes
}

/// "paused by alice 2h 3m ago, ends in 10m: satellite maintenance".
fn pause(cycle: &CycleStatus, now: Timestamp) -> Option<String> {
    let pause = cycle.pause.as_ref()?;
    let by = match pause.note.by.as_str() {
        "" => String::new(),
        by => format!(" by {}", plain(by)),
    };
    let ends = pause.until.map(|until| format!(", ends {}", relative(until, now)));
    let note = match pause.note.note.as_str() {
        "" => String::new(),
        note => format!(": {}", plain(note)),
    };
    let since = relative(pause.since, now);
    Some(format!("paused{by} {since}{}{note}", ends.unwrap_or_default()))
}

/// "for 5m 3s: a run should have begun, and nothing is in its way".
fn overdue(cycle: &CycleStatus, now: Timestamp) -> Option<String> {
    let late = rough(now.since(cycle.overdue?));
    let what = match cycle.running_since {
        Some(_) => "the run in progress should have ended",
        None => "a run should have begun, and nothing is in its way",
    };
    Some(format!("for {late}: {what}"))
}

fn watched(runs_left: u32) -> String {
    match runs_left {
        1 => "the next run is watched".to_owned(),
        runs => format!("the next {runs} runs are watched"),
    }
}

/// "order-sender.wasm (3d1f...) is refused: ...".
fn refusal(refused: &RefusedFile) -> String {
    let digest: String = refused.digest.chars().take(DIGEST_CHARS).collect();
    let version = [plain(&refused.version), digest];
    let version: Vec<String> = version.into_iter().filter(|text| !text.is_empty()).collect();
    let version =
        if version.is_empty() { String::new() } else { format!(" ({})", version.join(", ")) };
    let why = if refused.quarantined { "is in quarantine" } else { "is refused" };
    format!("{}{version} {why}: {}", plain(&refused.file), plain(&refused.reason))
}

/// "by key DC38F8D710E9BB71: timestamp:1795643589, file:a.wasm, hashed", or "none".
pub(super) fn signature(of: &SignatureStatus) -> String {
    match of {
        SignatureStatus { signed: false, .. } => "none".to_owned(),
        SignatureStatus { key, comment, .. } if comment.is_empty() => format!("by key {key}"),
        SignatureStatus { key, comment, .. } => {
            // minisign puts tabs between the parts of its own.
            format!("by key {key}: {}", plain(&comment.replace('\t', ", ")))
        }
    }
}

fn or_nothing(cell: String) -> String {
    if cell.is_empty() { NOTHING.to_owned() } else { cell }
}

/// One chore in full, with its settings, versions and limits.
pub(super) fn detail(detail: &ChoreDetail, now: Timestamp) -> String {
    let ChoreDetail { status, settings, versions, limits } = detail;
    let mut text = chore(status, now);
    let mut add = |head: &str, rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            let table = table(&rows).replace('\n', "\n  ");
            text.push_str(&format!("\n\n{head}\n  {table}"));
        }
    };
    add("settings", settings.iter().map(setting).collect());
    add("versions", versions.iter().map(|of| version(of, now)).collect());
    add("limits", limits.as_ref().map(limit_rows).unwrap_or_default());
    text
}

fn setting(setting: &Setting) -> Vec<String> {
    let value = match &setting.value {
        Some(value) => format!("{:?}", plain(value)),
        None if setting.is_set => "(a secret)".to_owned(),
        None => NOTHING.to_owned(),
    };
    vec![plain(&setting.name), value]
}

fn version(of: &VersionStatus, now: Timestamp) -> Vec<String> {
    let digest: String = of.digest.chars().take(DIGEST_CHARS).collect();
    let since = of.since.map_or(NOTHING.to_owned(), |since| relative(since, now));
    vec![
        of.is.clone(),
        or_nothing(plain(&of.version)),
        or_nothing(digest),
        since,
        plain(&of.reason),
    ]
}

fn limit_rows(limits: &LimitsInForce) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows: Vec<Vec<String>> = limits.by_key.iter().map(limit).collect();
    rows.extend(limits.timeouts.iter().map(|of| {
        let timeout = crate::units::format_duration(of.timeout);
        row(&format!("timeout of {}", plain(&of.cycle)), timeout)
    }));
    rows
}

/// What it is, and whether the chore's own config says so.
pub(super) fn limit(limit: &LimitInForce) -> Vec<String> {
    let mut row = vec![plain(&limit.key), plain(&limit.value)];
    row.extend(limit.overridden.then(|| "set in its config file".to_owned()));
    row
}

/// One chore, its cycles each by itself.
pub(super) fn chore(chore: &ChoreStatus, now: Timestamp) -> String {
    let mut lines = vec![format!("{} is {}", chore.name, chore.state)];
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("  {name:<10} {value}"));
        }
    };
    add("reason", plain(&chore.reason));
    add("about", plain(&chore.about));
    add("version", plain(&chore.version));
    add("digest", chore.digest.clone());
    if chore.generation > 0 {
        add("generation", chore.generation.to_string());
    }
    if chore.watched_runs_left > 0 {
        add("watched", format!("new, {}", watched(chore.watched_runs_left)));
    }
    add("grants", chore.grants.join(", "));
    add("signature", chore.signature.as_ref().map(signature).unwrap_or_default());
    add("refused", chore.refused.as_ref().map(refusal).unwrap_or_default());
    for cycle in &chore.cycles {
        lines.push(format!("\ncycle {} is {}", plain(&cycle.name), cycle.state));
        let mut add = |name: &str, value: String| lines.push(format!("  {name:<10} {value}"));
        add("interval", cycle.interval.clone());
        if let Some(pause) = pause(cycle, now) {
            add("pause", pause);
        }
        add("runs", cycle.iteration.to_string());
        add("failures", format!("{} since the last success", cycle.failures));
        if let Some(next) = cycle.next {
            add("next", format!("{} ({next})", relative(next, now)));
        }
        if let Some(overdue) = overdue(cycle, now) {
            add("overdue", overdue);
        }
        if let Some(last) = &cycle.last {
            let began = relative(last.started, now);
            add("last", format!("run {}, {began} ({})", last.run, last.started));
            add("", run(last));
        }
    }
    lines.join("\n")
}

/// How a run ended: "succeeded in 12ms", or what went wrong.
pub(super) fn run(run: &LastRun) -> String {
    let ended = format!("{} after {}", run.outcome.word(), elapsed(run.elapsed));
    match run.outcome.message() {
        "" => ended,
        message => format!("{ended}: {}", plain(message)),
    }
}

/// Columns as wide as they must be. The first row is the head.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// "in 4m 10s", "now" or "2h 3m ago".
pub(super) fn relative(time: Timestamp, now: Timestamp) -> String {
    let (ahead, behind) = (time.since(now), now.since(time));
    if ahead.max(behind) < Duration::from_secs(1) {
        "now".to_owned()
    } else if behind.is_zero() {
        format!("in {}", rough(ahead))
    } else {
        format!("{} ago", rough(behind))
    }
}

/// The two largest units that are not zero, seconds the smallest.
pub(super) fn rough(duration: Duration) -> String {
    let text = humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// With a unit that fits: "850µs", "12ms", "3.2s", "4m 10s".
pub(super) fn elapsed(duration: Duration) -> String {
    if duration >= Duration::from_secs(60) {
        rough(duration)
    } else if duration >= Duration::from_secs(1) {
        format!("{duration:.1?}")
    } else {
        format!("{duration:.0?}")
    }
}

/// Text of a guest or a peer, without what would move a terminal's cursor or begin a new line.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            plain.extend(character.escape_default());
        } else {
            plain.push(character);
        }
    }
    plain
}
