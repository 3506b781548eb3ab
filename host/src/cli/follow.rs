//! `chore logs`: what chores logged in their runs, and how these ended: the last lines, and with `-f`
//! those that come, as they come.

mod told;

use clap::Args;
use futures::StreamExt;

use super::Error;
use super::output::Out;
use crate::control::{Client, ClientError, Events};
use crate::limits::{LEDGER_ENTRIES_AT_ONCE, LOGS_RECONNECT_EVERY};
use crate::name::nearest;
use crate::news::Event;
use crate::peer::Home;
use crate::record::Query;
use told::{Line, Told};

/// Lines that are shown unless more are asked for.
const SHOWN: u32 = 50;

/// Runs that are asked for at once while following: what the fastest cycle has while nobody hears it.
const RUNS_AT_ONCE: u32 = 1_000;

#[derive(Args)]
pub(super) struct Asked {
    /// Only this chore
    name: Option<String>,
    /// Go on with the lines that are logged from here on, as they are, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How many of the last lines to begin with
    #[arg(
        short = 'n', long, value_name = "N", default_value_t = SHOWN,
        value_parser = clap::value_parser!(u32).range(0..=10_000),
    )]
    lines: u32,
}

pub(super) async fn logs(out: &Out, home: &Home, asked: Asked) -> Result<u8, Error> {
    let mut follower = Follower { out, chore: asked.name, told: Told::default() };
    let mut client = Client::connect(home).await?;
    // Heard from before the ledger is asked: what happens in between is told by both, and shown once.
    let events = match asked.follow {
        true => Some(follower.events(Client::connect(home).await?).await?),
        false => None,
    };
    let lines = follower.ask(&mut client, LEDGER_ENTRIES_AT_ONCE).await?;
    if lines.is_empty() && !asked.follow {
        check_name(&mut client, home, follower.chore.as_deref()).await?;
    }
    follower.show(&lines[lines.len().saturating_sub(asked.lines as usize)..])?;
    match events {
        Some(events) => follower.follow(home, client, events).await,
        None => Ok(0),
    }
}

/// Shows lines as they come, each once.
struct Follower<'a> {
    out: &'a Out,
    chore: Option<String>,
    told: Told,
}

impl Follower<'_> {
    /// Until the reader goes away. A peer that goes away is waited for.
    async fn follow(
        mut self,
        home: &Home,
        mut client: Client,
        mut events: Events,
    ) -> Result<u8, Error> {
        while !self.out.closed() {
            match events.next().await {
                Some(Ok(Event::Lagged(_))) => {
                    // A peer that is gone by now ends the events, too.
                    if let Ok(lines) = self.ask(&mut client, RUNS_AT_ONCE).await {
                        self.show(&lines)?;
                    }
                }
                Some(Ok(event)) => {
                    let lines = self.hear(event);
                    self.show(&lines)?;
                }
                Some(Err(_)) | None => {
                    eprintln!("the peer is gone: waiting for it");
                    (client, events) = self.come_back(home).await?;
                }
            }
        }
        Ok(0)
    }

    /// When the peer is there again, with what the ledger has of the time between.
    async fn come_back(&mut self, home: &Home) -> Result<(Client, Events), Error> {
        loop {
            tokio::time::sleep(LOGS_RECONNECT_EVERY).await;
            let asked = async {
                let mut client = Client::connect(home).await?;
                let events = self.events(Client::connect(home).await?).await?;
                let lines = self.ask(&mut client, RUNS_AT_ONCE).await?;
                Ok::<_, ClientError>((client, events, lines))
            };
            if let Ok((client, events, lines)) = asked.await {
                self.show(&lines)?;
                return Ok((client, events));
            }
        }
    }

    /// A name that the peer does not know may come to be one; a pattern is refused never.
    async fn events(&self, client: Client) -> Result<Events, ClientError> {
        let pattern = self.chore.as_ref().map(|chore| format!("{chore}*"));
        client.events(pattern.as_deref()).await
    }

    fn hear(&mut self, event: Event) -> Vec<Line> {
        if self.chore.as_deref().is_some_and(|chore| event.chore() != chore) {
            return Vec::new();
        }
        match event {
            Event::Log(line) => self.told.line(line).into_iter().collect(),
            Event::Run(run) => self.told.end(&run),
            _ => Vec::new(),
        }
    }

    /// What the ledger has of runs that have ended since the last time.
    async fn ask(&mut self, client: &mut Client, limit: u32) -> Result<Vec<Line>, ClientError> {
        let chore = self.chore.clone();
        let query = Query { chore, runs: true, limit, ..Query::default() };
        Ok(self.told.entries(client.history(&query).await?.entries))
    }

    fn show(&self, lines: &[Line]) -> Result<(), Error> {
        lines.iter().try_for_each(|line| self.out.show(line, || line.text()))
    }
}

/// An unknown name is more often a slip than a chore that never ran.
async fn check_name(client: &mut Client, home: &Home, name: Option<&str>) -> Result<(), Error> {
    let Some(name) = name else { return Ok(()) };
    let chores = client.status().await?.chores;
    if chores.iter().any(|chore| chore.name == name) {
        return Ok(());
    }
    let nearest = nearest(name, chores.iter().map(|chore| chore.name.as_str()));
    let nearest = nearest.map(str::to_owned);
    Err(Error::NoChore { name: name.to_owned(), chores: home.chores(), nearest })
}
