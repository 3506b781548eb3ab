//! The first page: what is wrong, every chore with its cycles, and the last hour of them.

use futures::future::join_all;
use maud::{Markup, html};
use serde::Deserialize;

use super::look::{self, Problem};
use super::{Page, actions, history, plot, words};
use crate::clock::Timestamp;
use crate::control::Controls;
use crate::limits::{
    PANEL_CHORES_PER_PAGE, PANEL_CYCLES_PER_CHORE, PANEL_EVENTS, PANEL_LANE_ENTRIES,
    PANEL_PROBLEMS, PANEL_SPARKLINE_RUNS,
};
use crate::peer::ControlError;
use crate::record::{Entry, Query, RunRecord};
use crate::status::{ChoreStatus, CycleStatus, PeerStatus};

/// What is asked after `?`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// Part of a name.
    q: String,
    /// A state, or "problems".
    show: String,
    /// From 1.
    page: usize,
}

impl Asked {
    fn link(&self, show: &str, page: usize) -> String {
        let (q, show) = (words::encode(&self.q), words::encode(show));
        format!("/?q={q}&show={show}&page={page}")
    }
}

/// One cycle that is shown, with what its ledger has of late, the newest first.
struct Lane<'a> {
    chore: &'a ChoreStatus,
    cycle: &'a CycleStatus,
    entries: Vec<Entry>,
    /// There are no more.
    all: bool,
}

impl Lane<'_> {
    fn runs(&self) -> Vec<&RunRecord> {
        let runs = self.entries.iter().filter_map(|entry| match entry {
            Entry::Run(run) => Some(run),
            Entry::Skip(_) | Entry::Event(_) => None,
        });
        runs.collect()
    }
}

pub(super) async fn page<C: Controls>(
    controls: &C,
    asked: &Asked,
    now: Timestamp,
) -> Result<Page, ControlError> {
    let peer = controls.status();
    let wanted = |chore: &&ChoreStatus| {
        chore.name.contains(&asked.q) && look::is_shown(chore, &asked.show, now)
    };
    let found: Vec<&ChoreStatus> = peer.chores.iter().filter(wanted).collect();
    let pages = found.len().div_ceil(PANEL_CHORES_PER_PAGE).max(1);
    let page = asked.page.clamp(1, pages);
    let begin = (page - 1) * PANEL_CHORES_PER_PAGE;
    let shown = &found[begin..found.len().min(begin + PANEL_CHORES_PER_PAGE)];
    let lanes = lanes(controls, shown).await?;
    let query = Query { events: true, limit: PANEL_EVENTS, ..Query::default() };
    let events = controls.history(query).await?;
    let problems = look::problems(&peer, now);
    let main = html! {
        h1 { "Chores" }
        (problem_list(&problems))
        (counts(&peer, asked, now))
        (table(shown, &lanes, found.len(), now))
        @if pages > 1 { (pager(asked, page, pages)) }
        (timeline(&lanes, now))
        section aria-labelledby="done" {
            h2 #done { "What was done" }
            (history::events(&events, true, now))
        }
    };
    let title = match problems.len() {
        0 => "All well".to_owned(),
        count => words::count(count, "problem", "problems"),
    };
    Ok(Page { title, chore: None, main })
}

async fn lanes<'a, C: Controls>(
    controls: &C,
    shown: &[&'a ChoreStatus],
) -> Result<Vec<Lane<'a>>, ControlError> {
    let cycles = shown.iter().flat_map(|chore| {
        chore.cycles.iter().take(PANEL_CYCLES_PER_CHORE).map(|cycle| (*chore, cycle))
    });
    let lane = |(chore, cycle): (&'a ChoreStatus, &'a CycleStatus)| async move {
        let query = Query {
            chore: Some(chore.name.clone()),
            cycle: Some(cycle.name.clone()),
            limit: PANEL_LANE_ENTRIES,
            ..Query::default()
        };
        let entries = controls.history(query).await?;
        let all = entries.len() < PANEL_LANE_ENTRIES as usize;
        Ok(Lane { chore, cycle, entries, all })
    };
    join_all(cycles.map(lane)).await.into_iter().collect()
}

fn problem_list(problems: &[Problem]) -> Markup {
    html! {
        section.problems aria-labelledby="problems" data-say {
            h2 #problems {
                @match problems.len() {
                    0 => "All is well",
                    count => (words::count(count, "problem", "problems")),
                }
            }
            @if !problems.is_empty() {
                ul {
                    @for problem in problems.iter().take(PANEL_PROBLEMS) { (one_problem(problem)) }
                }
            }
            @if problems.len() > PANEL_PROBLEMS {
                p.faint {
                    "The first " (PANEL_PROBLEMS) " are shown. "
                    a href="/?show=problems" { "All chores with problems" }
                }
            }
        }
    }
}

fn one_problem(problem: &Problem) -> Markup {
    html! {
        li {
            (look::chip(problem.tone, problem.word)) " "
            @if let Some(chore) = &problem.chore {
                a href=(words::chore_path(chore)) { (chore) }
                @if let Some(cycle) = &problem.cycle { span.aside { " " (cycle) } }
            }
            p.message { (problem.sentence) }
        }
    }
}

/// How many are in which state, each a link to those.
fn counts(peer: &PeerStatus, asked: &Asked, now: Timestamp) -> Markup {
    let shows = ["problems", "running", "paused", "failing", "loaded", "refused", "unloaded"];
    let count =
        |show: &str| peer.chores.iter().filter(|chore| look::is_shown(chore, show, now)).count();
    let current = |show: &str| (asked.show == show).then_some("true");
    html! {
        nav.counts aria-label="Which chores" {
            a href=(asked.link("", 1)) aria-current=[current("")] {
                b { (peer.chores.len()) } " all"
            }
            @for (show, count) in shows.map(|show| (show, count(show))) {
                @if count > 0 || asked.show == show {
                    a href=(asked.link(show, 1)) aria-current=[current(show)] {
                        b { (count) } " " (show)
                    }
                }
            }
            form method="get" action="/" role="search" {
                input type="hidden" name="show" value=(asked.show);
                input type="search" name="q" value=(asked.q) aria-label="Part of a chore's name"
                    placeholder="Name";
                button type="submit" { "Find" }
            }
        }
    }
}

fn table(shown: &[&ChoreStatus], lanes: &[Lane], found: usize, now: Timestamp) -> Markup {
    let heads = ["Chore", "Cycle", "State", "Next run", "Last run", "Recent", ""];
    html! {
        table.cards.chores role="table" {
            caption {
                @if found == shown.len() { (words::count(found, "chore", "chores")) }
                @else { (shown.len()) " of " (found) " chores" }
            }
            thead role="rowgroup" {
                tr role="row" {
                    @for head in heads {
                        th role="columnheader" scope="col" {
                            @if head.is_empty() { span.unseen { "Actions" } } @else { (head) }
                        }
                    }
                }
            }
            tbody role="rowgroup" {
                @for chore in shown {
                    @if chore.cycles.is_empty() { (without_cycles(chore)) }
                    @for lane in lanes.iter().filter(|lane| lane.chore.name == chore.name) {
                        (row(lane, now))
                    }
                    @if chore.cycles.len() > PANEL_CYCLES_PER_CHORE { (more_cycles(chore)) }
                }
            }
        }
        @if shown.is_empty() { p.faint { "No chore is like that." } }
    }
}

fn named(chore: &ChoreStatus) -> Markup {
    html! {
        th role="rowheader" scope="row" {
            a href=(words::chore_path(&chore.name)) { (chore.name) }
            @if !chore.version.is_empty() { span.aside { " " (chore.version) } }
        }
    }
}

fn without_cycles(chore: &ChoreStatus) -> Markup {
    html! {
        tr role="row" id={ "row:" (chore.name) ":" } {
            (named(chore))
            td.none role="cell" { "–" }
            td role="cell" data-label="State" { div { (look::of_chore(chore)) } }
            td role="cell" data-label="Why" colspan="4" { div { p.message { (chore.reason) } } }
        }
    }
}

fn more_cycles(chore: &ChoreStatus) -> Markup {
    let more = chore.cycles.len() - PANEL_CYCLES_PER_CHORE;
    html! {
        tr role="row" {
            td role="cell" colspan="7" {
                a href=(words::chore_path(&chore.name)) {
                    (words::count(more, "more cycle", "more cycles")) " of " (chore.name)
                }
            }
        }
    }
}

fn row(lane: &Lane, now: Timestamp) -> Markup {
    let Lane { chore, cycle, .. } = lane;
    let runs = lane.runs();
    let newest: Vec<&RunRecord> = runs.into_iter().take(PANEL_SPARKLINE_RUNS).collect();
    let label = plot::durations_label(&newest);
    let value = |run: &RunRecord| {
        let elapsed = run.elapsed.unwrap_or_default();
        (elapsed.as_secs_f64(), words::duration(elapsed))
    };
    html! {
        tr role="row" id={ "row:" (chore.name) ":" (cycle.name) } {
            (named(chore))
            td role="cell" data-label="Cycle" { div {
                (cycle.name) span.aside { " every " (cycle.interval) }
            } }
            td role="cell" data-label="State" { div {
                (look::of_cycle(cycle))
                @if cycle.failures > 0 {
                    " " (look::chip(look::Tone::Bad, &failures(cycle.failures)))
                }
                @if let Some(refused) = &chore.refused {
                    " " (look::chip(look::Tone::Warning,
                        if refused.quarantined { "quarantined" } else { "newer refused" }))
                }
                @if let Some(pause) = look::pause(cycle, now) { (pause) }
            } }
            td role="cell" data-label="Next run" { div { (look::next_run(cycle, now)) } }
            td role="cell" data-label="Last run" {
                div { (look::last_run(cycle.last.as_ref(), now)) }
            }
            td.recent role="cell" data-label="Recent" { div {
                (plot::bars(&newest, PANEL_SPARKLINE_RUNS, "spark", &label, value))
            } }
            td.act role="cell" { (actions::brief(chore, cycle)) }
        }
    }
}

fn failures(count: u32) -> String {
    words::count(count as usize, "failure", "failures")
}

fn pager(asked: &Asked, page: usize, pages: usize) -> Markup {
    html! {
        nav.pager aria-label="Pages" {
            @if page > 1 { a rel="prev" href=(asked.link(&asked.show, page - 1)) { "Previous" } }
            span { "Page " (page) " of " (pages) }
            @if page < pages { a rel="next" href=(asked.link(&asked.show, page + 1)) { "Next" } }
        }
    }
}

fn timeline(lanes: &[Lane], now: Timestamp) -> Markup {
    html! {
        section.timeline aria-labelledby="hour" {
            h2 #hour { "The last hour" }
            @for lane in lanes {
                div.track id={ "lane:" (lane.chore.name) ":" (lane.cycle.name) } {
                    span.whose { (lane.chore.name) span.aside { " " (lane.cycle.name) } }
                    (plot::lane(&lane.entries, lane.all, now))
                }
            }
            @if !lanes.is_empty() {
                div.track.axis aria-hidden="true" {
                    span.whose {}
                    div.ticks {
                        @for tick in ["−60m", "−45m", "−30m", "−15m", "now"] { span { (tick) } }
                    }
                }
            }
            p.legend {
                span { span.key.good {} "succeeded" }
                span { span.key.bad {} "failed" }
                span { span.key.warning {} "cancelled" }
                span { span.key.busy {} "running" }
                span { span.key.skip {} "skipped" }
                span.faint { "The newest " (PANEL_LANE_ENTRIES) " of each cycle are drawn." }
            }
        }
    }
}
