//! What `chore top` draws: a pure function of what the peer said, the order, the size and the time.

use std::cmp::Ordering;
use std::time::Duration;

use clap::ValueEnum;

use super::show::{elapsed, plain, relative, rough, table};
use crate::clock::Timestamp;
use crate::status::{ChoreStatus, CycleStatus, PeerStatus};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Sort {
    Name,
    /// What goes wrong first.
    State,
    /// The next to run first.
    Next,
    /// The last that ended first.
    Last,
    /// What took longest first.
    Took,
    /// What used the most of a processor first.
    Cpu,
    /// What used the most memory first.
    Memory,
}

impl Sort {
    /// By the letter that asks for it.
    pub fn of(letter: char) -> Option<Sort> {
        Sort::value_variants().iter().copied().find(|sort| sort.letter() == letter)
    }

    fn letter(self) -> char {
        match self {
            Sort::Name => 'n',
            Sort::State => 's',
            Sort::Next => 'x',
            Sort::Last => 'l',
            Sort::Took => 't',
            Sort::Cpu => 'c',
            Sort::Memory => 'm',
        }
    }

    fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub sort: Sort,
    pub reversed: bool,
}

/// One line of the table: a cycle, or a chore without one.
struct Row<'a> {
    chore: &'a ChoreStatus,
    cycle: Option<&'a CycleStatus>,
}

/// As many lines as fit, none longer than fits.
pub(super) fn frame(
    status: &PeerStatus,
    problem: &str,
    view: View,
    (width, height): (usize, usize),
    now: Timestamp,
) -> String {
    let mut rows = rows(&status.chores);
    rows.sort_by(|a, b| {
        let order = order(a, b, view.sort);
        if view.reversed { order.reverse() } else { order }
    });
    let cells: Vec<Vec<String>> =
        std::iter::once(head()).chain(rows.iter().map(|row| cells(row, now))).collect();
    let table = table(&cells);
    let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
    // Above: what peer it is; below: what can be done.
    let room = height.saturating_sub(3).max(1);
    let hidden = lines.len().saturating_sub(room);
    lines.truncate(room);
    lines.push(summary(status, problem, view, now));
    lines.rotate_right(1);
    let more = if hidden > 0 { format!("{hidden} more lines; ") } else { String::new() };
    lines.resize(height.saturating_sub(1).max(lines.len()), String::new());
    let keys =
        Sort::value_variants().iter().map(|sort| format!("{} {}", sort.letter(), sort.word()));
    let keys = keys.collect::<Vec<_>>().join(", ");
    lines.push(format!("{more}sort: {keys}; r reverses, q quits"));
    let cut = |line: &String| line.chars().take(width).collect::<String>();
    lines.iter().map(cut).collect::<Vec<_>>().join("\n")
}

fn rows(chores: &[ChoreStatus]) -> Vec<Row<'_>> {
    fn of(chore: &ChoreStatus) -> impl Iterator<Item = Row<'_>> {
        let cycles = &chore.cycles;
        let alone = cycles.is_empty().then_some(Row { chore, cycle: None });
        alone.into_iter().chain(cycles.iter().map(move |cycle| Row { chore, cycle: Some(cycle) }))
    }
    chores.iter().flat_map(of).collect()
}

impl Row<'_> {
    fn names(&self) -> (&str, &str) {
        (&self.chore.name, self.cycle.map_or("", |cycle| &cycle.name))
    }

    fn ended(&self) -> Option<Timestamp> {
        let last = self.cycle?.last.as_ref()?;
        Some(last.started.plus(last.elapsed))
    }

    fn took(&self) -> Option<Duration> {
        Some(self.cycle?.last.as_ref()?.elapsed)
    }

    fn cpu(&self) -> Option<Duration> {
        Some(self.cycle?.last.as_ref()?.usage.cpu)
    }

    fn memory(&self) -> Option<u64> {
        Some(self.cycle?.last.as_ref()?.usage.memory_bytes)
    }

    fn next(&self) -> Option<Timestamp> {
        self.cycle?.next
    }

    /// The lower, the more somebody should look.
    fn rank(&self) -> (u8, u32) {
        let Some(cycle) = self.cycle else { return (1, 0) };
        let failures = u32::MAX - cycle.failures;
        match cycle.state.as_str() {
            // Nobody else will.
            _ if cycle.overdue.is_some() => (0, 0),
            _ if cycle.failures > 0 => (2, failures),
            "running" | "winding-down" => (3, 0),
            "paused" => (4, 0),
            _ => (5, 0),
        }
    }
}

/// What is not known comes last.
fn order(a: &Row<'_>, b: &Row<'_>, sort: Sort) -> Ordering {
    let greatest_first = |order: Ordering| order.reverse();
    let by = match sort {
        Sort::Name => Ordering::Equal,
        Sort::State => a.rank().cmp(&b.rank()),
        Sort::Next => match (a.next(), b.next()) {
            (Some(a), Some(b)) => a.cmp(&b),
            (a, b) => greatest_first(a.is_some().cmp(&b.is_some())),
        },
        Sort::Last => greatest_first(a.ended().cmp(&b.ended())),
        Sort::Took => greatest_first(a.took().cmp(&b.took())),
        Sort::Cpu => greatest_first(a.cpu().cmp(&b.cpu())),
        Sort::Memory => greatest_first(a.memory().cmp(&b.memory())),
    };
    by.then_with(|| a.names().cmp(&b.names()))
}

fn head() -> Vec<String> {
    let head =
        ["CHORE", "CYCLE", "STATE", "RUNS", "FAILED", "LAST", "TOOK", "CPU", "MEMORY", "NEXT"];
    head.map(str::to_owned).to_vec()
}

fn cells(row: &Row<'_>, now: Timestamp) -> Vec<String> {
    let dash = || "-".to_owned();
    let (name, cycle) = row.names();
    let Some(of) = row.cycle else {
        let mut cells = vec![plain(name), dash(), plain(&row.chore.state)];
        cells.resize(head().len(), dash());
        return cells;
    };
    let state = match of.running_since {
        Some(since) => format!("{} {}", of.state, elapsed(now.since(since))),
        None => of.state.clone(),
    };
    let state = match of.overdue {
        Some(since) => format!("overdue {}, {state}", rough(now.since(since))),
        None => state,
    };
    let last = of.last.as_ref().zip(row.ended());
    let last = last.map(|(run, ended)| format!("{} {}", run.outcome.word(), relative(ended, now)));
    let memory = row.memory().map(|bytes| bytesize::ByteSize(bytes).to_string());
    vec![
        plain(name),
        plain(cycle),
        state,
        of.iteration.to_string(),
        of.failures.to_string(),
        last.unwrap_or_else(dash),
        row.took().map_or_else(dash, elapsed),
        row.cpu().map_or_else(dash, elapsed),
        memory.unwrap_or_else(dash),
        row.next().map_or_else(dash, |next| relative(next, now)),
    ]
}

/// "chore 0.1.0, started 2h ago; chores: 3, not loaded: 1, failing cycles: 2, overdue: 1; by name".
fn summary(status: &PeerStatus, problem: &str, view: View, now: Timestamp) -> String {
    let chores = &status.chores;
    let loaded = chores.iter().filter(|chore| chore.state == "loaded").count();
    let cycles = chores.iter().flat_map(|chore| &chore.cycles);
    let failing = cycles.clone().filter(|cycle| cycle.failures > 0).count();
    let overdue = match cycles.filter(|cycle| cycle.overdue.is_some()).count() {
        0 => String::new(),
        count => format!(", overdue: {count}"),
    };
    let since = relative(status.started, now);
    let order = if view.reversed { ", reversed" } else { "" };
    let problem = [problem, &status.problem].into_iter().find(|text| !text.is_empty());
    let problem = problem.map(|text| format!(" | {}", plain(text))).unwrap_or_default();
    format!(
        "chore {}, started {since}; chores: {}, not loaded: {}, failing cycles: {failing}{overdue}; by {}{order}{problem}",
        plain(&status.version),
        chores.len(),
        chores.len() - loaded,
        view.sort.word(),
    )
}

#[cfg(test)]
mod tests;
