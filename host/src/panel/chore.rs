//! The page of one chore: why each cycle runs or does not, what the chore is made of, and what
//! became of its runs.

use futures::future::join_all;
use maud::{Markup, html};
use serde::Deserialize;

use super::look::{self, Tone, chip};
use super::{Page, actions, history, plot, run, words};
use crate::clock::Timestamp;
use crate::control::Controls;
use crate::limits::{
    PANEL_CYCLES_PER_PAGE, PANEL_EVENTS, PANEL_HISTORY_ENTRIES, PANEL_LOG_RUNS, PANEL_PLOT_RUNS,
    PANEL_PLOT_RUNS_MIN,
};
use crate::peer::ControlError;
use crate::record::{Entry, Query, RunRecord};
use crate::status::{ChoreDetail, ChoreStatus, CycleStatus, VersionStatus};

const CAPTION: &str = "Runs, skipped slots and events, the newest first";

/// What is asked after `?`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    cycle: String,
    outcome: String,
    /// Nanoseconds since the Unix epoch.
    before: Option<i64>,
    /// Of cycles, from 1.
    page: usize,
}

impl Asked {
    fn query(&self, chore: &str) -> Query {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Query {
            chore: Some(chore.to_owned()),
            cycle: given(&self.cycle),
            outcome: given(&self.outcome),
            before: self.before.map(|before| Timestamp::from_nanos(before).into()),
            limit: PANEL_HISTORY_ENTRIES,
            ..Query::default()
        }
    }
}

pub(super) async fn page<C: Controls>(
    controls: &C,
    name: &str,
    asked: &Asked,
    now: Timestamp,
) -> Result<Page, ControlError> {
    let found = controls.status().chores.into_iter().find(|chore| chore.name == name);
    let detail = controls.chore(name);
    // A file whose name is no chore's is shown, but has no more to tell.
    let (chore, detail) = match (found, detail) {
        (None, Ok(_)) => {
            return Err(ControlError::UnknownChore { name: name.into(), nearest: None });
        }
        (None, Err(err)) => return Err(err),
        (Some(chore), detail) => (chore.clone(), detail.unwrap_or_else(|_| chore.into())),
    };
    let pages = chore.cycles.len().div_ceil(PANEL_CYCLES_PER_PAGE).max(1);
    let page = asked.page.clamp(1, pages);
    let cycles = chore.cycles.iter().skip((page - 1) * PANEL_CYCLES_PER_PAGE);
    let cycles: Vec<&CycleStatus> = cycles.take(PANEL_CYCLES_PER_PAGE).collect();
    let whys = whys(controls, name, &cycles).await?;
    let plotted = chore.cycle(Some(&*asked.cycle).filter(|cycle| !cycle.is_empty())).to_owned();
    let runs = runs(controls, name, &plotted).await?;
    let entries = controls.history(asked.query(name)).await?;
    let query = Query {
        chore: Some(name.to_owned()),
        events: true,
        limit: PANEL_EVENTS,
        ..Query::default()
    };
    let events = controls.history(query).await?;
    let main = html! {
        nav.path aria-label="Where this is" { a href="/" { "Chores" } " › " (chore.name) }
        (head(&chore, now))
        div.top {
            section aria-labelledby="cycles" {
                h2 #cycles { "Cycles" }
                @if chore.cycles.is_empty() { p.faint { "None while it is not loaded." } }
                div.grid {
                    @for (cycle, why) in cycles.iter().zip(&whys) {
                        (card(&chore, cycle, why, now))
                    }
                }
                @if pages > 1 { (pager(page, pages)) }
            }
            (made_of(&chore, &detail))
        }
        (plots(&plotted, &runs))
        section.live-log aria-labelledby="log" {
            h2 #log { "Log of cycle " (plotted) }
            (log(&plotted, &runs, now))
        }
        (history_section(&chore, asked, &entries, now))
        section aria-labelledby="done" {
            h2 #done { "What was done" }
            (history::events(&events, false, now))
        }
    };
    Ok(Page { title: chore.name.clone(), chore: Some(chore.name), main })
}

async fn whys<C: Controls>(
    controls: &C,
    name: &str,
    cycles: &[&CycleStatus],
) -> Result<Vec<String>, ControlError> {
    let why = |cycle: &CycleStatus| {
        let cycle = cycle.name.clone();
        async move { controls.why(name, Some(&cycle), None).await.map(|why| why.because) }
    };
    join_all(cycles.iter().map(|cycle| why(cycle))).await.into_iter().collect()
}

/// Of one cycle, the newest first.
async fn runs<C: Controls>(
    controls: &C,
    name: &str,
    cycle: &str,
) -> Result<Vec<RunRecord>, ControlError> {
    let query = Query {
        chore: Some(name.to_owned()),
        cycle: Some(cycle.to_owned()),
        runs: true,
        limit: PANEL_PLOT_RUNS,
        ..Query::default()
    };
    let entries = controls.history(query).await?.into_iter();
    let runs = entries.filter_map(|entry| match entry {
        Entry::Run(run) => Some(run),
        Entry::Skip(_) | Entry::Event(_) => None,
    });
    Ok(runs.collect())
}

fn head(chore: &ChoreStatus, now: Timestamp) -> Markup {
    let left = chore.watched_runs_left as usize;
    let problems = look::of_one(chore, now);
    html! {
        div.head {
            div {
                h1 { (chore.name) " " (look::of_chore(chore)) }
                p.lead {
                    @if !chore.version.is_empty() { "Version " (chore.version) }
                    @if chore.generation > 0 { ", generation " (chore.generation) }
                    @if left > 0 { ", new: " (words::count(left, "run", "runs")) " still watched" }
                }
                @if !chore.about.is_empty() { p.about { (chore.about) } }
            }
            div.actions.whole {
                (actions::of_chore(chore))
            }
        }
        section.problems aria-label="Problems" data-say {
            @if !problems.is_empty() {
                ul {
                    @for problem in problems {
                        li {
                            (chip(problem.tone, problem.word)) " "
                            @if let Some(cycle) = &problem.cycle { span.aside { (cycle) } }
                            p.message { (problem.sentence) }
                        }
                    }
                }
            } @else if chore.state != "loaded" { p.message { (chore.reason) } }
        }
    }
}

fn card(chore: &ChoreStatus, cycle: &CycleStatus, why: &str, now: Timestamp) -> Markup {
    html! {
        article.card id={ "cycle:" (cycle.name) } {
            h3 { (cycle.name) " " (look::of_cycle(cycle)) }
            p.why { (sentence(why)) }
            dl.facts {
                div {
                    dt { "Interval" }
                    dd {
                        (cycle.interval)
                        @if cycle.overridden { span.aside { " changed by hand" } }
                    }
                }
                div { dt { "Next run" } dd { (look::next_run(cycle, now)) } }
                div { dt { "Last run" } dd { (look::last_run(cycle.last.as_ref(), now)) } }
                div { dt { "Runs" } dd { (cycle.iteration) } }
                div { dt { "Failures in a row" } dd { (cycle.failures) } }
            }
            (actions::of_cycle(chore, cycle))
        }
    }
}

/// As the first of its line, with an end.
fn sentence(why: &str) -> String {
    let mut chars = why.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if why.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

fn pager(page: usize, pages: usize) -> Markup {
    html! {
        nav.pager aria-label="Pages of cycles" {
            @if page > 1 { a rel="prev" href={ "?page=" (page - 1) } { "Previous" } }
            span { "Page " (page) " of " (pages) }
            @if page < pages { a rel="next" href={ "?page=" (page + 1) } { "Next" } }
        }
    }
}

fn plots(cycle: &str, runs: &[RunRecord]) -> Markup {
    let runs: Vec<&RunRecord> = runs.iter().filter(|run| run.outcome.is_some()).collect();
    let longest = runs.iter().filter_map(|run| run.elapsed).max().unwrap_or_default();
    let most = runs.iter().map(|run| run.usage.memory_bytes).max().unwrap_or_default();
    let columns = runs.len().clamp(PANEL_PLOT_RUNS_MIN, PANEL_PLOT_RUNS as usize);
    let took = |run: &RunRecord| {
        let elapsed = run.elapsed.unwrap_or_default();
        (elapsed.as_secs_f64(), words::duration(elapsed))
    };
    let memory = |run: &RunRecord| {
        let bytes = run.usage.memory_bytes;
        (bytes as f64, words::size(bytes))
    };
    let figure = |title: &str, most: &str, picture: Markup| {
        html! {
            figure {
                figcaption { (title) }
                div.plot {
                    div.scale aria-hidden="true" { span { (most) } span { "0" } }
                    (picture)
                }
            }
        }
    };
    html! {
        section aria-labelledby="plots" {
            h2 #plots { "Runs of cycle " (cycle) }
            @if runs.is_empty() { p.faint { "No run has ended yet." } }
            @else {
                p.aside {
                    "The last " (words::count(runs.len(), "run", "runs"))
                    ", the newest at the right. A marked column failed."
                }
                div.figures {
                    (figure("Duration", &words::duration(longest),
                        plot::bars(&runs, columns, "tall", &plot::durations_label(&runs), took)))
                    (figure("Most memory", &words::size(most),
                        plot::bars(&runs, columns, "tall",
                            &format!("memory of each run, at most {}", words::size(most)), memory)))
                }
            }
        }
    }
}

/// The last lines of the newest runs, the oldest first as in a file. The script adds what comes.
fn log(cycle: &str, runs: &[RunRecord], now: Timestamp) -> Markup {
    let newest: Vec<&RunRecord> = runs.iter().take(PANEL_LOG_RUNS).collect();
    let silent = newest.iter().all(|run| run.log.is_empty());
    html! {
        @if silent { p.faint { "The last runs logged nothing." } }
        ol.log #lines data-cycle=(cycle) tabindex="0" aria-labelledby="log" hidden[silent] {
            @for record in newest.iter().rev().filter(|record| !record.log.is_empty()) {
                li.of { a href={ "/runs/" (record.run) } { "run " (record.run) }
                    " " (words::moment(record.started, now)) }
                @for text in &record.log { (run::line(text)) }
            }
        }
    }
}

fn history_section(
    chore: &ChoreStatus,
    asked: &Asked,
    entries: &[Entry],
    now: Timestamp,
) -> Markup {
    let older = entries.last().filter(|_| entries.len() >= PANEL_HISTORY_ENTRIES as usize);
    let path = words::chore_path(&chore.name);
    let (cycle, outcome) = (words::encode(&asked.cycle), words::encode(&asked.outcome));
    let option = |value: &str, label: &str, chosen: &str| {
        html! {
            option value=(value) selected[value == chosen] { (label) }
        }
    };
    html! {
        section aria-labelledby="history" {
            h2 #history { "History" }
            form.filter method="get" action={ (path) "#history" } {
                label {
                    "Cycle"
                    select name="cycle" {
                        (option("", "all", &asked.cycle))
                        @for known in &chore.cycles {
                            (option(&known.name, &known.name, &asked.cycle))
                        }
                    }
                }
                label {
                    "Outcome"
                    select name="outcome" {
                        (option("", "all", &asked.outcome))
                        @for word in Query::OUTCOMES { (option(word, word, &asked.outcome)) }
                    }
                }
                button type="submit" { "Show" }
            }
            @if entries.is_empty() { p.faint { "Nothing in the ledger." } }
            @else { (history::table(CAPTION, entries, now)) }
            nav.pager aria-label="Pages of history" {
                @if asked.before.is_some() {
                    a href={ (path) "?cycle=" (cycle) "&outcome=" (outcome) "#history" } {
                        "Newest"
                    }
                }
                @if let Some(older) = older {
                    a rel="next" href={ (path) "?cycle=" (cycle) "&outcome=" (outcome)
                        "&before=" (older.at().as_nanos()) "#history" } { "Older" }
                }
            }
        }
    }
}

fn made_of(chore: &ChoreStatus, detail: &ChoreDetail) -> Markup {
    html! {
        div.made-of {
            section aria-labelledby="versions" {
                h2 #versions { "Versions" }
                @if detail.versions.is_empty() { p.faint { "None." } }
                ul.versions {
                    @for (version, roles) in by_build(&detail.versions) {
                        li {
                            b { @if version.version.is_empty() { "unknown" }
                                @else { (version.version) } }
                            " " code title=(version.digest) { (words::digest(&version.digest)) }
                            @for role in roles { " " (chip(tone_of_role(role), role)) }
                        }
                    }
                }
                @if let Some(button) = actions::go_back(chore, detail) { (button) }
            }
            section aria-labelledby="grants" {
                h2 #grants { "Grants and limits" }
                @if chore.grants.is_empty() { p.faint { "Nothing is granted." } }
                @else { ul.grants { @for grant in &chore.grants { li { code { (grant) } } } } }
                @if let Some(limits) = &detail.limits {
                    dl.facts {
                        @for limit in &limits.by_key {
                            div {
                                dt { (limit.key) }
                                dd {
                                    (limit.value)
                                    @if limit.overridden { span.faint { " set by its config" } }
                                }
                            }
                        }
                    }
                }
            }
            section aria-labelledby="settings" {
                h2 #settings { "Settings" }
                (settings(detail))
            }
        }
    }
}

/// Each build once, with all that it is.
fn by_build(versions: &[VersionStatus]) -> Vec<(&VersionStatus, Vec<&str>)> {
    let mut builds: Vec<(&VersionStatus, Vec<&str>)> = Vec::new();
    for version in versions {
        let same = |known: &&mut (&VersionStatus, Vec<&str>)| {
            (&known.0.version, &known.0.digest) == (&version.version, &version.digest)
        };
        match builds.iter_mut().find(same) {
            Some((_, roles)) => roles.push(&version.is),
            None => builds.push((version, vec![&version.is])),
        }
    }
    builds
}

fn tone_of_role(role: &str) -> Tone {
    match role {
        "running" | "good" => Tone::Good,
        "quarantined" | "refused" => Tone::Bad,
        _ => Tone::Quiet,
    }
}

fn settings(detail: &ChoreDetail) -> Markup {
    html! {
        @if detail.settings.is_empty() { p.faint { "It reads none." } }
        @else {
            dl.settings {
                @for setting in &detail.settings {
                    dt { code { (setting.name) } span.aside { " " (setting.kind) } }
                    dd {
                        @match (&setting.value, setting.kind.as_str()) {
                            (Some(value), _) => code { (value) },
                            (None, "secret") => span.faint { "hidden" },
                            (None, _) => span.faint { "not set" },
                        }
                        @if !setting.help.is_empty() { small { (setting.help) } }
                    }
                }
            }
        }
    }
}
