//! The frame of every page: landmarks, what the peer is, and the dialog that every action asks with.

use maud::{DOCTYPE, Markup, html};

use super::{Page, words};
use crate::clock::Timestamp;
use crate::status::PeerStatus;

/// Where the script hears of news.
const EVENTS: &str = "/api/v1/events";

pub(super) fn frame(peer: &PeerStatus, page: &Page, now: Timestamp) -> Markup {
    let events = match &page.chore {
        Some(chore) => format!("{EVENTS}?chore={}", words::encode(chore)),
        None => EVENTS.to_owned(),
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · Chore" }
                link rel="icon" href="/panel/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/panel/panel.css";
                script src="/panel/panel.js" defer {}
            }
            body data-events=(events) {
                a.jump href="#main" { "Skip to content" }
                (header(peer, now))
                noscript {
                    p.notice {
                        "Scripts are blocked: this is how it was at " (words::moment(now, now))
                        ". Reload the page for news. To act, use the command line, such as "
                        code { "chore pause NAME" } "."
                    }
                }
                p #said .unseen role="status" aria-live="polite" {}
                main #main tabindex="-1" data-now=(words::machine(now)) { (page.main) }
                footer { "Times are UTC." }
                (dialog())
            }
        }
    }
}

fn header(peer: &PeerStatus, now: Timestamp) -> Markup {
    html! {
        header {
            a.brand href="/" {
                img src="/panel/icon.svg" alt="" width="22" height="22";
                "Chore"
            }
            p.peer {
                "peer " code title=(peer.node) { (words::digest(&peer.node)) }
                span.wide { ", version " (peer.version) ", up " }
                span.wide { (words::duration(words::whole_seconds(now.since(peer.started)))) }
            }
            div.tools {
                span #live .live data-state="off" {
                    span.dot aria-hidden="true" {} span.word { "not live" }
                }
                button #token .script type="button" { "Token" }
            }
        }
    }
}

/// Why there is no page, in its place.
pub(super) fn refusal(is_peers: bool, why: &str) -> Page {
    let title = if is_peers { "The peer cannot answer" } else { "There is no such page" };
    let main = html! {
        h1 { (title) }
        p.lead { (why) }
        p { a href="/" { "All chores" } }
    };
    Page { title: title.to_owned(), chore: None, main }
}

/// The script fills it from the button that was pressed, and shows the fields that are needed.
fn dialog() -> Markup {
    html! {
        dialog #ask aria-labelledby="ask-title" aria-describedby="ask-what" {
            form method="dialog" {
                h2 #ask-title {}
                p #ask-what {}
                label data-field="for" hidden {
                    "For how long"
                    input name="for" autocomplete="off" placeholder="such as 30m or 2h";
                    small { "Empty: until somebody restarts it." }
                }
                label data-field="interval" hidden {
                    "New interval"
                    input name="interval" autocomplete="off" placeholder="such as 5m, or off";
                }
                label.check data-field="force" hidden {
                    input name="force" type="checkbox";
                    "Try also what is in quarantine"
                }
                label data-field="note" hidden {
                    "Note" input name="note" autocomplete="off" placeholder="why";
                    small { "For whoever looks next. It is kept in the ledger." }
                }
                label data-field="by" hidden {
                    "Your name" input name="by" autocomplete="username";
                }
                label data-field="token" hidden {
                    "Token" input name="token" type="password" autocomplete="off";
                    small {
                        "Made by " code { "chore token new" } ". Kept until this tab is closed."
                    }
                }
                p #ask-error .error role="alert" {}
                div.buttons {
                    button #ask-no type="button" { "Cancel" }
                    button #ask-yes .primary type="submit" {}
                }
            }
        }
    }
}
