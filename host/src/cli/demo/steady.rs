//! Keeps handing orders in, and tells what becomes of them, until it is stopped.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::super::Error as CliError;
use super::super::output::Out;
use super::super::show;
use super::super::show::DIGEST_CHARS;
use super::{Error, SENDER};
use crate::clock::Timestamp;
use crate::planet::Planet;
use crate::status::{ChoreStatus, LastRun};

/// How often orders are handed in, and how many: few enough to follow with the eye.
const EVERY: Duration = Duration::from_secs(1);
const ORDERS_EACH: usize = 3;

/// Where the commands in the README build it.
const COMPONENT: &str = "target/wasm32-wasip2/chore/order_sender.wasm";

/// Ends only when nobody reads any more; otherwise the caller drops it.
pub(super) async fn watch(out: &Out, planet: &Planet) -> Result<u8, CliError> {
    let chores = planet.node(0).home().chores();
    out.tell("orders come every second and are sent every five; end with Ctrl-C")?;
    out.tell(&format!(
        "another order sender takes over at once, if you build one from chores/{SENDER} and:\n  \
         cp {COMPONENT} {}/{SENDER}.wasm\n",
        chores.display()
    ))?;
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let satellites = planet.satellites().len();
    let mut handed_in = 0_usize;
    let mut told = None;
    let mut shown = Shown::of(planet);
    for round in 0_usize.. {
        ticks.tick().await;
        let satellite = round % satellites;
        let orders = planet.issue(satellite, 0, ORDERS_EACH, Timestamp::now())?;
        let taken = planet.hand_in(0, orders).await;
        handed_in += taken.iter().filter(|outcome| outcome.is_ok()).count();
        match taken.into_iter().find_map(Result::err) {
            None => out.tell(&format!(
                "{}  handed in {ORDERS_EACH} orders of satellite-{satellite}, {handed_in} so far",
                Timestamp::now()
            ))?,
            Some(reason) => {
                out.tell(&format!("the node did not take all orders: {}", show::plain(&reason)))?;
            }
        }
        let now = Shown::of(planet);
        for line in now.news(&shown) {
            out.tell(&format!("{}  {line}", Timestamp::now()))?;
        }
        shown = now;
        if let Some(run) = last_run(planet).filter(|run| Some(run.iteration) != told) {
            told = Some(run.iteration);
            out.tell(&report(planet, &run).await?)?;
        }
        if out.closed() {
            break;
        }
    }
    Ok(0)
}

/// What is told when it changes.
#[derive(Default, PartialEq, Eq)]
struct Shown {
    build: String,
    generation: u64,
    refused: String,
}

impl Shown {
    fn of(planet: &Planet) -> Shown {
        let Some(sender) = sender(planet) else { return Shown::default() };
        let digest = sender.digest.get(..DIGEST_CHARS).unwrap_or_default();
        let refused = sender.refused.map(|refused| format!("{}: {}", refused.file, refused.reason));
        Shown {
            build: format!("{} ({digest})", sender.version),
            generation: sender.generation,
            refused: refused.unwrap_or_default(),
        }
    }

    fn news(&self, before: &Shown) -> Vec<String> {
        let mut news = Vec::new();
        if self.generation != before.generation {
            news.push(format!(
                "{SENDER} {} took over from {}, generation {}",
                self.build, before.build, self.generation
            ));
        }
        if self.refused != before.refused && !self.refused.is_empty() {
            news.push(format!("not taken over: {}", show::plain(&self.refused)));
        }
        news
    }
}

fn sender(planet: &Planet) -> Option<ChoreStatus> {
    let status = planet.node(0).handle().status();
    status.chores.into_iter().find(|chore| chore.name == SENDER)
}

fn last_run(planet: &Planet) -> Option<LastRun> {
    sender(planet)?.cycles.into_iter().find_map(|cycle| cycle.last)
}

/// How a run ended, what each satellite has accepted by now, and what waits.
async fn report(planet: &Planet, run: &LastRun) -> Result<String, CliError> {
    let mut parts = Vec::new();
    for satellite in planet.satellites() {
        let name = || satellite.name().to_owned();
        let settlement =
            satellite.handle().settlement().ok_or(Error::NoService(name(), "settlement"))?;
        let totals = settlement.totals().await.map_err(|err| Error::Totals(name(), err))?;
        parts.push(format!("{} accepted {} in all", name(), totals.accepted));
    }
    let node = planet.node(0);
    let orders = node.handle().orders().ok_or(Error::NoService(node.name().into(), "orders"))?;
    let waiting = orders.counts().await.map_err(Error::Orders)?.unsent;
    Ok(format!(
        "{}  run {} of {SENDER} {}; {}; {waiting} waiting",
        Timestamp::now(),
        run.iteration,
        show::run(run),
        parts.join(", ")
    ))
}
