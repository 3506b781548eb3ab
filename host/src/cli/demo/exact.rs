//! Settles an exact number of orders, and checks what both sides say of it.

use std::time::{Duration, Instant};

use chore_proto::{Order, OrderLimit};
use futures::future::try_join_all;
use prost::Message;
use serde::Serialize;

use super::super::Error as CliError;
use super::super::output::Out;
use super::super::show;
use super::{Error, SENDER};
use crate::clock::Timestamp;
use crate::orders::{Counts, Info, Orders};
use crate::planet::Planet;
use crate::signing;
use crate::status::Triggered;

/// Longest from the last order that was handed in until none is unsent.
const SETTLE_MAX: Duration = Duration::from_secs(10 * 60);

/// Between a run that left orders unsent and the next trigger: a satellite may need a moment.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Orders that are signed and handed in at once.
const CHUNK: usize = 1_000;

/// What a program reads, as the last line.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Summary {
    /// Good orders that the uplink handed in; forged ones are not among them.
    enqueued: u64,
    /// What the satellites count.
    accepted: u64,
    /// What the storage node archived as such.
    rejected: u64,
    unsent: u64,
    /// From the first order that was handed in.
    seconds: f64,
}

pub(super) async fn settle(
    out: &Out,
    planet: &Planet,
    orders: u32,
    forged: u32,
) -> Result<u8, CliError> {
    let node = planet.node(0);
    let database =
        node.handle().orders().ok_or(Error::NoService(node.name().to_owned(), "orders"))?;
    let begun = Instant::now();
    let satellites = planet.satellites().len();
    for (satellite, count) in shares(orders as usize, satellites).enumerate() {
        let mut left = count;
        while left > 0 {
            let chunk = issue(planet, satellite, left.min(CHUNK)).await?;
            left -= chunk.len();
            planet.enqueue(0, chunk).await?;
        }
        out.tell(&format!("handed in {count} orders of satellite-{satellite}"))?;
    }
    for (satellite, count) in shares(forged as usize, satellites).enumerate() {
        forge(&database, issue(planet, satellite, count).await?).await?;
    }
    if forged > 0 {
        out.tell(&format!("slipped in {forged} orders with a broken signature"))?;
    }
    let counts = send(out, planet, &database).await?;
    let summary = Summary {
        enqueued: u64::from(orders),
        accepted: accepted(out, planet).await?,
        rejected: counts.rejected,
        unsent: counts.unsent,
        seconds: begun.elapsed().as_secs_f64(),
    };
    let wrong = mismatches(&summary, &counts, forged);
    for line in &wrong {
        out.tell(line)?;
    }
    let Summary { enqueued, accepted, rejected, unsent, seconds } = summary.clone();
    out.tell(&format!(
        "\n{enqueued} handed in, {accepted} accepted, {rejected} rejected, {unsent} unsent, \
         in {seconds:.1} s"
    ))?;
    if out.json {
        out.value(&summary)?;
    }
    Ok(if wrong.is_empty() { 0 } else { 1 })
}

/// `all` spread as evenly as it goes.
fn shares(all: usize, over: usize) -> impl Iterator<Item = usize> {
    (0..over).map(move |index| all / over + usize::from(index < all % over))
}

/// Signs off the async threads: a thousand orders keep one busy for a tenth of a second.
async fn issue(
    planet: &Planet,
    satellite: usize,
    count: usize,
) -> Result<Vec<(OrderLimit, Order)>, CliError> {
    let issue = planet.issuer(satellite, 0, count, Timestamp::now());
    Ok(tokio::task::spawn_blocking(issue).await.map_err(Error::Signer)??)
}

/// Breaks the signatures and puts the orders where only checked ones should be.
async fn forge(database: &Orders, orders: Vec<(OrderLimit, Order)>) -> Result<(), CliError> {
    let broken = |(limit, mut order): (OrderLimit, Order)| -> Result<Info, signing::Fault> {
        if let Some(last) = order.uplink_signature.last_mut() {
            *last ^= 1;
        }
        Ok(Info {
            satellite: signing::satellite(&limit)?,
            serial: limit.serial_number.clone(),
            expires: signing::expiration(&limit)?,
            limit: limit.encode_to_vec(),
            order: order.encode_to_vec(),
        })
    };
    let infos: Vec<Info> =
        orders.into_iter().map(broken).collect::<Result<_, _>>().map_err(Error::Forge)?;
    for chunk in infos.chunks(CHUNK) {
        // Together, because the database writes down together what comes together.
        try_join_all(chunk.iter().map(|info| database.enqueue(info.clone())))
            .await
            .map_err(Error::Orders)?;
    }
    Ok(())
}

/// Runs the sender until nothing is unsent, or the time is up.
async fn send(out: &Out, planet: &Planet, database: &Orders) -> Result<Counts, CliError> {
    let handle = planet.node(0).handle();
    let begun = Instant::now();
    loop {
        let left = SETTLE_MAX.saturating_sub(begun.elapsed());
        match tokio::time::timeout(left, handle.trigger(SENDER, None, true)).await {
            Ok(Ok(Triggered::Ended { run })) => {
                out.tell(&format!("run {} of {SENDER} {}", run.iteration, show::run(&run)))?
            }
            Ok(Ok(Triggered::Began { .. } | Triggered::Stopped)) => {}
            Ok(Err(err)) => return Err(Error::Trigger { name: SENDER, source: err }.into()),
            Err(_) => {
                let max = humantime::format_duration(SETTLE_MAX);
                out.tell(&format!("not all orders were settled within {max}"))?;
                return Ok(database.counts().await?);
            }
        }
        let counts = database.counts().await?;
        if counts.unsent == 0 {
            return Ok(counts);
        }
        out.tell(&format!("{} orders wait still", counts.unsent))?;
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// What the satellites accepted, all together.
async fn accepted(out: &Out, planet: &Planet) -> Result<u64, CliError> {
    let mut all = 0_u64;
    for satellite in planet.satellites() {
        let name = || satellite.name().to_owned();
        let settlement =
            satellite.handle().settlement().ok_or(Error::NoService(name(), "settlement"))?;
        let totals = settlement.totals().await.map_err(|err| Error::Totals(name(), err))?;
        out.tell(&format!("{} accepted {} orders", name(), totals.accepted))?;
        all = all.saturating_add(totals.accepted);
    }
    Ok(all)
}

/// What is not as it must be, in words.
fn mismatches(summary: &Summary, node: &Counts, forged: u32) -> Vec<String> {
    let must = [
        ("satellites accepted", summary.accepted, summary.enqueued),
        ("storage node archived as accepted", node.accepted, summary.enqueued),
        ("storage node archived as rejected", summary.rejected, u64::from(forged)),
        ("unsent", summary.unsent, 0),
    ];
    must.into_iter()
        .filter(|(_, is, must)| is != must)
        .map(|(what, is, must)| format!("wrong: {what}: {is}, not {must}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_differ_by_one_at_most() {
        for (all, over, expected) in
            [(10, 3, vec![4, 3, 3]), (0, 2, vec![0, 0]), (1, 2, vec![1, 0]), (6, 1, vec![6])]
        {
            assert_eq!(shares(all, over).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn every_number_that_is_wrong_is_named() {
        let summary =
            |accepted, unsent| Summary { enqueued: 5, accepted, rejected: 2, unsent, seconds: 1.0 };
        let node = |accepted| Counts { unsent: 0, accepted, rejected: 2 };
        let none: [&str; 0] = [];
        let table: [(Summary, Counts, u32, &[&str]); 5] = [
            (summary(5, 0), node(5), 2, &none),
            (summary(4, 0), node(5), 2, &["satellites accepted: 4, not 5"]),
            (summary(5, 0), node(6), 2, &["as accepted: 6, not 5"]),
            (summary(5, 0), node(5), 3, &["as rejected: 2, not 3"]),
            (summary(5, 1), node(5), 2, &["unsent: 1, not 0"]),
        ];
        for (summary, node, forged, expected) in table {
            let found = mismatches(&summary, &node, forged);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.contains(expected), "{found}");
            }
        }
    }

    #[test]
    fn the_summary_has_the_keys_that_programs_read() {
        let summary = Summary { enqueued: 5, accepted: 5, rejected: 2, unsent: 0, seconds: 1.5 };
        let expected = r#"{"enqueued":5,"accepted":5,"rejected":2,"unsent":0,"seconds":1.5}"#;
        assert_eq!(serde_json::to_string(&summary).unwrap(), expected);
    }
}
