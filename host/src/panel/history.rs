//! The table of a chore's history, and the list of what was done to it.

use maud::{Markup, html};

use super::look::{chip, of_outcome};
use super::{look, words};
use crate::clock::Timestamp;
use crate::record::{Entry, EventRecord, RunRecord, SkipRecord};

/// Every row is a card on a phone, and then a browser forgets that it is a row: so it is told.
pub(super) fn table(caption: &str, entries: &[Entry], now: Timestamp) -> Markup {
    html! {
        table.cards.history role="table" {
            caption { (caption) }
            thead role="rowgroup" {
                tr role="row" {
                    @for head in ["When", "Cycle", "What", "Took", "Processor", "Memory", "Why"] {
                        th role="columnheader" scope="col" { (head) }
                    }
                }
            }
            tbody role="rowgroup" {
                @for entry in entries {
                    @match entry {
                        Entry::Run(record) => (run(record, now)),
                        Entry::Skip(record) => (skip(record, now)),
                        Entry::Event(record) => (event(record, now)),
                    }
                }
            }
        }
    }
}

fn run(run: &RunRecord, now: Timestamp) -> Markup {
    let message = run.outcome.as_ref().map_or("", |outcome| outcome.message());
    html! {
        tr role="row" id={ "run:" (run.run) } {
            th role="rowheader" scope="row" {
                a href={ "/runs/" (run.run) } aria-label={ "Run " (run.run) } {
                    (words::moment(run.started, now))
                }
            }
            td role="cell" data-label="Cycle" { div { (run.cycle) } }
            td role="cell" data-label="What" { div {
                (of_outcome(run.outcome.as_ref()))
                @if !message.is_empty() { p.message { (message) } }
            } }
            td.number role="cell" data-label="Took" { div {
                @if let Some(elapsed) = run.elapsed { (words::duration(elapsed)) } @else { "–" }
            } }
            td.number role="cell" data-label="Processor" {
                div { (words::duration(run.usage.cpu)) }
            }
            td.number role="cell" data-label="Memory" {
                div { (words::size(run.usage.memory_bytes)) }
            }
            td role="cell" data-label="Why" { div { (reason(run)) } }
        }
    }
}

/// Why it ran, and who wanted it.
pub(super) fn reason(run: &RunRecord) -> Markup {
    html! { (run.reason) @if !run.by.is_empty() { " by " (run.by) } }
}

fn skip(skip: &SkipRecord, now: Timestamp) -> Markup {
    let slots = usize::try_from(skip.slots).unwrap_or(usize::MAX);
    html! {
        tr role="row" {
            th role="rowheader" scope="row" { (words::moment(skip.first, now)) }
            td role="cell" data-label="Cycle" { div { (skip.cycle) } }
            td role="cell" data-label="What" { div {
                (chip(look::Tone::Quiet, "skipped"))
                " " (words::count(slots, "slot", "slots"))
                @if skip.slots > 1 { " to " (words::moment(skip.last, now)) }
            } }
            td.number.none role="cell" { "–" }
            td.number.none role="cell" { "–" }
            td.number.none role="cell" { "–" }
            td role="cell" data-label="Why" { div { (skip.reason.word()) } }
        }
    }
}

fn event(event: &EventRecord, now: Timestamp) -> Markup {
    html! {
        tr role="row" {
            th role="rowheader" scope="row" { (words::moment(event.at, now)) }
            td role="cell" data-label="Cycle" { div { (cycle_of(event)) } }
            td role="cell" data-label="What" { div { b { (event.what) } (note(event)) } }
            td.number.none role="cell" { "–" }
            td.number.none role="cell" { "–" }
            td.number.none role="cell" { "–" }
            td role="cell" data-label="Why" { div { (by(&event.by)) } }
        }
    }
}

fn by(name: &str) -> Markup {
    html! { @if !name.is_empty() { "by " (name) } }
}

fn cycle_of(event: &EventRecord) -> &str {
    if event.cycle.is_empty() { "all" } else { &event.cycle }
}

fn note(event: &EventRecord) -> Markup {
    html! { @if !event.note.is_empty() { span.note { " “" (event.note) "”" } } }
}

/// Who did what, the newest first. With `chores`, names whose it is.
pub(super) fn events(entries: &[Entry], chores: bool, now: Timestamp) -> Markup {
    let events = entries.iter().filter_map(|entry| match entry {
        Entry::Event(event) => Some(event),
        Entry::Run(_) | Entry::Skip(_) => None,
    });
    let events: Vec<&EventRecord> = events.collect();
    html! {
        @if events.is_empty() { p.faint { "Nothing yet." } }
        ul.events {
            @for event in events {
                li {
                    (words::moment(event.at, now)) " "
                    b { (event.what) }
                    @if chores && !event.chore.is_empty() {
                        " " a href=(words::chore_path(&event.chore)) { (event.chore) }
                    }
                    @if !event.cycle.is_empty() { " cycle " (event.cycle) }
                    " " (by(&event.by)) (note(event))
                }
            }
        }
    }
}
