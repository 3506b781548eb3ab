//! Keeps handing orders in, and tells what becomes of them, until it is stopped.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::super::Error as CliError;
use super::super::output::Out;
use super::super::show;
use super::{Error, SENDER};
use crate::clock::Timestamp;
use crate::planet::Planet;
use crate::status::LastRun;

/// How often orders are handed in, and how many: few enough to follow with the eye.
const EVERY: Duration = Duration::from_secs(1);
const ORDERS_EACH: usize = 3;

/// Ends only when nobody reads any more; otherwise the caller drops it.
pub(super) async fn watch(out: &Out, planet: &Planet) -> Result<u8, CliError> {
    out.tell("orders come every second and are sent every five; end with Ctrl-C\n")?;
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let satellites = planet.satellites().len();
    let mut handed_in = 0_usize;
    let mut told = None;
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

fn last_run(planet: &Planet) -> Option<LastRun> {
    let status = planet.node(0).handle().status();
    let sender = status.chores.into_iter().find(|chore| chore.name == SENDER)?;
    sender.cycles.into_iter().find_map(|cycle| cycle.last)
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
