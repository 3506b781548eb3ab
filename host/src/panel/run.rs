//! The page of one run: everything that the ledger has of it.

use maud::{Markup, html};

use super::history::reason;
use super::look::of_outcome;
use super::{Page, words};
use crate::clock::Timestamp;
use crate::control::Controls;
use crate::peer::ControlError;
use crate::record::RunRecord;

pub(super) async fn page<C: Controls>(
    controls: &C,
    run: u64,
    now: Timestamp,
) -> Result<Page, ControlError> {
    let run = controls.run(run).await?;
    let chore = words::chore_path(&run.chore);
    let main = html! {
        nav.path aria-label="Where this is" {
            a href="/" { "Chores" } " › " a href=(chore) { (run.chore) }
        }
        h1 { "Run " (run.run) " " (of_outcome(run.outcome.as_ref())) }
        p.lead data-say {
            (run.chore) ", cycle " (run.cycle) ", began " (words::ago(run.started, now))
        }
        @if let Some(message) = run.outcome.as_ref().map(|outcome| outcome.message()) {
            @if !message.is_empty() { pre.message { (message) } }
        }
        (facts(&run))
        @if !run.backtrace.is_empty() {
            section aria-labelledby="backtrace" {
                h2 #backtrace { "Backtrace" }
                p.faint { "Where it was, the innermost function first." }
                ol.log { @for frame in &run.backtrace { li.plain { (frame) } } }
            }
        }
        section aria-labelledby="log" {
            h2 #log { "Log" }
            (log(&run))
        }
    };
    Ok(Page { title: format!("Run {} of {}", run.run, run.chore), chore: Some(run.chore), main })
}

fn facts(run: &RunRecord) -> Markup {
    let late = run.started.since(run.slot.unwrap_or(run.due));
    html! {
        dl.facts {
            div { dt { "Why" } dd { (reason(run)) } }
            div { dt { "Due" } dd { (exact(run.due)) } }
            @if let Some(slot) = run.slot { div { dt { "Slot" } dd { (exact(slot)) } } }
            div {
                dt { "Began" }
                dd { (exact(run.started)) span.aside { " " (words::duration(late)) " late" } }
            }
            div {
                dt { "Took" }
                dd {
                    @if let Some(elapsed) = run.elapsed { (words::duration(elapsed)) } @else { "–" }
                }
            }
            div { dt { "Processor time" } dd { (words::duration(run.usage.cpu)) } }
            div { dt { "Most memory" } dd { (words::size(run.usage.memory_bytes)) } }
            div { dt { "Host calls" } dd { (run.usage.host_calls) } }
            div { dt { "Host bytes" } dd { (words::size(run.usage.host_bytes)) } }
            div { dt { "Run of the cycle" } dd { (run.iteration) } }
            div { dt { "Version" } dd { (run.version) } }
            div { dt { "Generation" } dd { (run.generation) } }
            div { dt { "Component" } dd { code { (run.digest) } } }
        }
    }
}

fn exact(at: Timestamp) -> Markup {
    let exact = words::machine(at);
    html! { time datetime=(exact) { (exact) } }
}

/// The lines that were kept of its log.
pub(super) fn log(run: &RunRecord) -> Markup {
    let dropped = run.log_lines.saturating_sub(run.log.len() as u64);
    html! {
        @if run.log.is_empty() { p.faint { "It logged nothing." } }
        @else {
            @if dropped > 0 {
                p.faint { "The last " (run.log.len()) " of " (run.log_lines) " lines." }
            }
            ol.log { @for text in &run.log { (line(text)) } }
        }
    }
}

/// One line, with its level as a class.
pub(super) fn line(text: &str) -> Markup {
    let level = match text.split_whitespace().next().map(str::to_ascii_lowercase).as_deref() {
        Some("error") => "bad",
        Some("warn") => "warning",
        Some("debug" | "trace") => "faint",
        _ => "plain",
    };
    html! { li.(level) { (text) } }
}
