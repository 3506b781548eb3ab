//! `chore top`: all cycles of a running peer in one table, which stays up to date until somebody quits.

mod screen;
mod table;

use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::keys::Keys;
use super::output::Out;
use super::run::Stop;
use super::{Error, ink, show};
use crate::clock::Timestamp;
use crate::control::{Client, ClientError};
use crate::error::chain;
use crate::limits::TOP_EVERY_MIN;
use crate::peer::Home;
use crate::status::PeerStatus;
use screen::Screen;
use table::{Sort, View};

#[derive(Args)]
pub(super) struct Asked {
    /// How often the table is renewed, such as 1s
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    every: Duration,
    /// What it is sorted by at first; the keys below the table change it
    #[arg(long, value_enum, default_value_t = Sort::Name)]
    sort: Sort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Sort(Sort),
    Reverse,
    Quit,
}

impl Key {
    fn of(byte: u8) -> Option<Key> {
        match byte.to_ascii_lowercase() {
            b'q' => Some(Key::Quit),
            b'r' => Some(Key::Reverse),
            letter => Sort::of(char::from(letter)).map(Key::Sort),
        }
    }
}

pub(super) async fn top(out: &Out, home: &Home, asked: Asked) -> Result<u8, Error> {
    // Without a peer, nothing of the terminal is touched.
    let status = Client::connect(home).await?.status().await?;
    if out.json || !Screen::is_possible() {
        return Err(Error::NoTerminal);
    }
    let mut stop = Stop::new()?;
    let resized = signal(SignalKind::window_change());
    let mut resized =
        resized.map_err(|source| Error::System { operation: "wait for signals", source })?;
    let mut keys = Keys::read(Key::of)?;
    let mut ticks = interval(asked.every.max(TOP_EVERY_MIN));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut view = View { sort: asked.sort, reversed: false };
    let mut last = Last { status, problem: String::new() };
    let mut screen = Screen::open()?;
    loop {
        let (width, height) = screen.size();
        let frame =
            table::frame(&last.status, &last.problem, view, (width, height), Timestamp::now());
        screen.draw(&if ink::is_wanted(&std::io::stdout()) {
            ink::coloured(&frame)
        } else {
            frame
        })?;
        tokio::select! {
            _ = ticks.tick() => last.renew(home).await,
            _ = resized.recv() => {}
            _ = stop.signal() => return Ok(0),
            key = keys.next() => match key {
                Key::Quit => return Ok(0),
                Key::Reverse => view.reversed = !view.reversed,
                Key::Sort(sort) => view.sort = sort,
            },
        }
    }
}

/// What the peer said last, and why it says nothing since.
struct Last {
    status: PeerStatus,
    problem: String,
}

impl Last {
    async fn renew(&mut self, home: &Home) {
        let asked = async { Client::connect(home).await?.status().await };
        let asked: Result<PeerStatus, ClientError> = asked.await;
        match asked {
            Ok(status) => (self.status, self.problem) = (status, String::new()),
            Err(err) => self.problem = show::plain(&chain(&err)),
        }
    }
}
