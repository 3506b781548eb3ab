//! Pictures of runs, as SVG without a script: bars of durations or memory, and a lane of time. What
//! they show is also in a table or in their label.

use std::time::Duration;

use maud::{Markup, html};

use super::look::{Tone, tone_of_outcome};
use super::words;
use crate::clock::Timestamp;
use crate::record::{Entry, RunRecord, SkipRecord};

/// What a lane shows.
pub(super) const LANE: Duration = Duration::from_secs(3600);

/// Units of a lane for each second, and the narrowest thing that can be seen on a phone.
const UNITS_PER_SECOND: f64 = 1.0;
const LANE_WIDTH_MIN: f64 = 14.0;

/// Units of a column of bars, and the height of all.
const COLUMN: usize = 10;
const HEIGHT: f64 = 100.0;
/// The lowest bar: a run of no time is a run.
const BAR_MIN: f64 = 4.0;

/// Bars of one quantity, the newest at the right, in `columns` columns. `runs` begins with the newest.
pub(super) fn bars(
    runs: &[&RunRecord],
    columns: usize,
    class: &str,
    label: &str,
    value: impl Fn(&RunRecord) -> (f64, String),
) -> Markup {
    let shown: Vec<_> = runs.iter().take(columns).map(|run| (*run, value(run))).collect();
    let max = shown.iter().map(|(_, (value, _))| *value).fold(f64::MIN_POSITIVE, f64::max);
    let bar = |index: usize, run: &RunRecord, value: f64, text: &str| {
        let x = (columns - 1 - index) * COLUMN;
        let height = (value / max * HEIGHT).clamp(BAR_MIN, HEIGHT);
        let tone = class_of(run);
        html! {
            a href={ "/runs/" (run.run) } tabindex="-1" {
                // Failures stand out by shape too: their column is marked from top to bottom.
                @if tone == "bad" { rect.column x=(x) y="0" width=(COLUMN) height=(HEIGHT) {} }
                rect.(tone) x=(x + 1) y=(rounded(HEIGHT - height)) width=(COLUMN - 2)
                    height=(rounded(height)) {
                    title { "run " (run.run) ": " (word(run)) ", " (text) }
                }
            }
        }
    };
    html! {
        svg.bars.(class) viewBox={ "0 0 " (columns * COLUMN) " " (HEIGHT) }
            preserveAspectRatio="none" role="img" aria-label=(label) {
            @for (index, (run, (value, text))) in shown.iter().enumerate() {
                (bar(index, run, *value, text))
            }
        }
    }
}

/// What the sparkline of a cycle says, in words.
pub(super) fn durations_label(runs: &[&RunRecord]) -> String {
    let bad = runs.iter().filter(|run| class_of(run) == "bad").count();
    let longest = runs.iter().filter_map(|run| run.elapsed).max().unwrap_or_default();
    let failures = if bad == 0 { "none failed".to_owned() } else { format!("{bad} failed") };
    let count = words::count(runs.len(), "run", "runs");
    format!("last {count}: {failures}, the longest took {}", words::duration(longest))
}

/// The last hour of one cycle. `entries` begins with the newest; `all` says that there are no more.
pub(super) fn lane(entries: &[Entry], all: bool, now: Timestamp) -> Markup {
    let begin = now.minus(LANE);
    let within = |from: Timestamp, to: Timestamp| {
        let seconds = |at: Timestamp| at.since(begin).as_secs_f64() * UNITS_PER_SECOND;
        let full = LANE.as_secs_f64() * UNITS_PER_SECOND;
        let (x, end) = (seconds(from).min(full - LANE_WIDTH_MIN), seconds(to).min(full));
        (rounded(x), rounded((end - x).max(LANE_WIDTH_MIN)))
    };
    let run = |run: &RunRecord| {
        let end = match (&run.outcome, run.elapsed) {
            (None, _) => now,
            (_, elapsed) => run.started.plus(elapsed.unwrap_or_default()),
        };
        let ((x, width), class) = (within(run.started, end), class_of(run));
        let (y, height) = if class == "bad" { (0, 20) } else { (5, 15) };
        (end >= begin).then(|| {
            html! {
                a href={ "/runs/" (run.run) } tabindex="-1" {
                    rect.(class) x=(x) y=(y) width=(width) height=(height) {
                        title { "run " (run.run) " at " (run.started) ": " (word(run)) }
                    }
                }
            }
        })
    };
    let skip =
        |skip: &SkipRecord| {
            let (x, width) = within(skip.first, skip.last);
            let slots = usize::try_from(skip.slots).unwrap_or(usize::MAX);
            (skip.last >= begin).then(|| html! {
            rect.skip x=(x) y="9" width=(width) height="10" {
                title {
                    (words::count(slots, "slot", "slots")) " skipped from " (skip.first) ": "
                    (skip.reason.word())
                }
            }
        })
        };
    let unknown = entries.last().filter(|oldest| !all && oldest.at() > begin);
    html! {
        svg.lane viewBox={ "0 0 " (LANE.as_secs()) " 20" } preserveAspectRatio="none" role="img"
            aria-label=(lane_label(entries, begin)) {
            @if let Some(oldest) = unknown {
                rect.unknown x="0" y="0" width=(within(begin, oldest.at()).1) height="20" {
                    title { "earlier runs are not drawn" }
                }
            }
            // The oldest first, so that what is new lies on top.
            @for entry in entries.iter().rev() {
                @match entry {
                    Entry::Run(record) => @if let Some(it) = run(record) { (it) },
                    Entry::Skip(record) => @if let Some(it) = skip(record) { (it) },
                    Entry::Event(_) => {},
                }
            }
        }
    }
}

fn lane_label(entries: &[Entry], begin: Timestamp) -> String {
    let (mut runs, mut failed, mut slots) = (0, 0, 0_u64);
    for entry in entries.iter().filter(|entry| entry.at() >= begin) {
        match entry {
            Entry::Run(run) => {
                runs += 1;
                failed += usize::from(class_of(run) == "bad");
            }
            Entry::Skip(skip) => slots = slots.saturating_add(skip.slots),
            Entry::Event(_) => {}
        }
    }
    let runs = words::count(runs, "run", "runs");
    format!("{runs} in the last hour, {failed} failed, {slots} slots skipped")
}

fn class_of(run: &RunRecord) -> &'static str {
    match run.outcome.as_ref().map(tone_of_outcome) {
        None => "busy",
        Some(Tone::Good) => "good",
        Some(Tone::Bad) => "bad",
        Some(_) => "warning",
    }
}

fn word(run: &RunRecord) -> &str {
    run.outcome.as_ref().map_or("running", |outcome| outcome.word())
}

/// Shorter pages: a tenth of a unit cannot be seen.
fn rounded(units: f64) -> f64 {
    (units * 10.0).round() / 10.0
}
