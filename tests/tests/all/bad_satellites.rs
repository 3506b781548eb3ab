//! Satellites that hang at each stage, answer what they like, or break off: each fails alone, by name,
//! keeps its orders for the next run, and holds up neither the good ones nor the peer's close.

pub mod fake;

use std::time::Duration;

use chore_host::clock::Timestamp;
use chore_host::node_id::NodeId;
use chore_host::orders::{ArchiveRequest, Info, Status};
use chore_host::planet::Role;
use chore_host::record::{Entry, Query, RunRecord};
use testplanet::{LIFE, SENDER, SENDER_GRANTS, Testplanet, component, eventually, told};

use fake::{Break, Fake, Manner};

/// Of each satellite.
pub const ORDERS: u64 = 6;

/// Where lines break, in bytes that came back: within the handshakes of TLS and HTTP/2, and later.
const BREAKS: [usize; 9] = [0, 1, 5, 130, 700, 1_300, 1_500, 1_700, 2_000];

pub async fn planet(fakes: &[Fake], settings: &str) -> Testplanet {
    let known: String = fakes.iter().map(|fake| format!("\"{}\", ", fake.url)).collect();
    let config = format!("{SENDER_GRANTS}\n[settings]\nbatch-size = 2\n{settings}");
    Testplanet::start_with(1, 1, |options| {
        options.chore_files = vec![(component(SENDER), Some(config))];
        options.reconfigure = Some(Box::new(move |role, _, text| {
            if role == Role::Node {
                text.push_str("\n[chores]\nshutdown-budget = \"10s\"\n");
                *text = text.replace("known = [", &format!("known = [{known}"));
            }
        }));
    })
    .await
}

/// Orders that nobody has signed: only these satellites take them.
async fn enqueue(planet: &Testplanet, satellite: NodeId, serials: &[Vec<u8>]) {
    let orders = planet.node(0).handle().orders().unwrap();
    for serial in serials {
        let (limit, order) = (serial.clone(), b"an order".to_vec());
        let expires = Timestamp::now().plus(LIFE);
        let serial = serial.clone();
        orders.enqueue(Info { satellite, serial, limit, order, expires }).await.unwrap();
    }
}

fn serials(of: u8) -> Vec<Vec<u8>> {
    (1..=ORDERS as u8).map(|nth| [[of; 8], [nth; 8]].concat()).collect()
}

async fn unsent(planet: &Testplanet, satellite: NodeId) -> u64 {
    let counts = planet.node(0).handle().orders().unwrap().count_unsent().await.unwrap();
    counts.iter().find(|(id, _)| *id == satellite).map_or(0, |(_, count)| *count)
}

/// The last run, as an operator reads it.
async fn last_run(planet: &Testplanet) -> RunRecord {
    let query = Query { chore: Some(SENDER.into()), runs: true, limit: 1, ..Query::default() };
    let entries = planet.node(0).handle().history(query).await.unwrap().entries;
    match entries.into_iter().next() {
        Some(Entry::Run(run)) => run,
        other => panic!("no run: {other:?}"),
    }
}

/// What the sender says of one satellite, in one line.
fn said_of(run: &RunRecord, id: NodeId) -> String {
    let id = id.to_string();
    run.log.iter().filter(|line| line.contains(&id)).cloned().collect::<Vec<_>>().join("\n")
}

/// Forgets what is left, so that the next run has nothing to do with it.
async fn archive(planet: &Testplanet, satellite: NodeId, serials: &[Vec<u8>]) {
    let one = |serial: &Vec<u8>| ArchiveRequest {
        satellite,
        serial: serial.clone(),
        status: Status::Rejected,
        reason: "of a test".into(),
    };
    let orders = planet.node(0).handle().orders().unwrap();
    orders.archive(serials.iter().map(one).collect(), Timestamp::now()).await.unwrap();
}

/// Runs the sender with orders for these and for the good one, which is settled whatever they do.
async fn run_with(planet: &Testplanet, fakes: &[(u8, &Fake)]) -> RunRecord {
    for (nth, fake) in fakes {
        enqueue(planet, fake.url.id, &serials(*nth)).await;
    }
    let before = planet.accepted(0, 0).await;
    planet.hand_in(0, 0, 20).await;
    let handle = planet.node(0).handle();
    let run = tokio::spawn(async move { handle.trigger(SENDER, None, true).await });
    let good = planet.satellite(0).node_id();
    eventually("the good satellite is settled", || async {
        planet.accepted(0, 0).await == before + 20 && unsent(planet, good).await == 0
    })
    .await;
    tokio::time::timeout(testplanet::LONG, run).await.expect("it ends").unwrap().unwrap();
    last_run(planet).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_that_answers_wrongly_fails_alone_and_by_name() {
    use Manner::*;
    let good = serials(0);
    // How many orders are left, and what the run says; nothing if it is settled.
    let table = [
        (HangsAtOnce, 6, "does not answer"),
        (HangsBeforeAnswers, 6, "does not answer"),
        (HangsInTheMiddle, 3, "does not answer"),
        (EndsInTheMiddle, 3, "ended with 3 of"),
        (FailsInTheMiddle, 3, "the cellar is flooded"),
        (AnswersGarbage, 6, "settle"),
        (AnswersHuge, 6, "settle"),
        (AnswersUnasked, 6, "answers what it was not asked"),
        (AnswersAnothers, 6, "answers what it was not asked"),
        (AnswersNothing, 6, "neither accepts nor rejects"),
        (AnswersTwice, 0, "answers more than it was asked"),
        (AnswersBackwards, 0, ""),
        (Accepts, 0, ""),
    ];
    let mut fakes = Vec::new();
    for (manner, ..) in table {
        fakes.push(Fake::start(manner, good.clone()).await);
    }
    // Two more that are reached wrongly.
    let another = Fake::start(Accepts, vec![]).await;
    let wrong = Fake::start(Accepts, vec![]).await.called(another.url.id);
    let mut lost = Fake::start(Accepts, vec![]).await;
    lost.url.address = "no-such-host.invalid:7777".into();
    fakes.extend([wrong, lost]);
    let planet = planet(&fakes, "dial-timeout = \"3s\"\nanswer-timeout = \"2s\"\n").await;
    let rows = table.iter().map(|(manner, left, says)| (format!("{manner:?}"), *left, *says));
    let rows = rows.chain([
        ("another's name".into(), 6, "peer identified itself as"),
        // Where there is no resolver, it may answer too late.
        ("no address".into(), 6, "no-such-host.invalid"),
    ]);
    let rows: Vec<_> = (1_u8..).zip(&fakes).zip(rows).collect();
    // A few at a time: of a run that says much, the ledger keeps the last lines.
    for group in rows.chunks(5) {
        let wanted: Vec<_> = group.iter().map(|((nth, fake), _)| (*nth, *fake)).collect();
        let run = run_with(&planet, &wanted).await;
        let outcome = run.outcome.as_ref().map(told).unwrap_or_default();
        for ((nth, fake), (what, left, says)) in group {
            let id = fake.url.id;
            let said = said_of(&run, id);
            if *left > 0 {
                assert!(outcome.starts_with("failed: "), "{what}: {outcome}");
                assert!(outcome.contains(&id.to_string()), "{what}: {outcome}");
                assert_eq!(unsent(&planet, id).await, *left, "{what}: {said}");
            } else {
                // An answer too many ends it, early or late; the next run goes on.
                let left = unsent(&planet, id).await;
                assert!(left == 0 || *what == "AnswersTwice", "{what}: {left} are left: {said}");
            }
            assert!(said.contains(says), "{what}: {said}\n{outcome}");
            archive(&planet, id, &serials(*nth)).await;
        }
    }
    assert_eq!(planet.node(0).handle().status().problem, "");
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_at_any_byte_fails_alone() {
    let mut fakes = Vec::new();
    for how in [Break::Silence, Break::Garbage, Break::Reset, Break::End] {
        for after in BREAKS {
            fakes.push(Fake::start(Manner::Accepts, vec![]).await.behind(how, after).await);
        }
    }
    let planet = planet(&fakes, "dial-timeout = \"3s\"\nanswer-timeout = \"3s\"\n").await;
    let wanted: Vec<_> = (1..).zip(&fakes).collect();
    let run = run_with(&planet, &wanted).await;
    let outcome = run.outcome.as_ref().map(told).unwrap_or_default();
    let mut failed = 0;
    for (nth, fake) in &fakes.iter().enumerate().collect::<Vec<_>>() {
        let id = fake.url.id;
        let left = unsent(&planet, id).await;
        failed += u64::from(left > 0);
        let is_early = BREAKS[nth % BREAKS.len()] < 1_000;
        assert!(left == ORDERS || !is_early, "{}: {left} of {ORDERS} are left", fake.url);
        let metric = format!("satellite=\"{id}\"");
        let metrics = planet.node(0).handle().metrics();
        let counted = metrics.lines().any(|line| {
            line.starts_with("chore_satellite_failures_total") && line.contains(&metric)
        });
        assert_eq!(counted, left > 0, "{}", fake.url);
    }
    assert!(
        outcome.contains(&format!("of {} satellites these failed", fakes.len() + 1)),
        "{outcome}"
    );
    assert!(outcome.ends_with(&format!(" and {} more", failed - 10)), "{failed}: {outcome}");
    planet.shutdown().await;
}

/// Satellites that hang, each at another stage, and a node that has orders of all of them.
pub async fn hanging() -> ([Fake; 3], Testplanet) {
    let fakes = [
        Fake::start(Manner::Accepts, vec![]).await.behind(Break::Silence, 0).await,
        Fake::start(Manner::HangsAtOnce, vec![]).await,
        Fake::start(Manner::HangsInTheMiddle, vec![]).await,
    ];
    let planet = planet(&fakes, "").await;
    for (nth, fake) in (1..).zip(&fakes) {
        enqueue(&planet, fake.url.id, &serials(nth)).await;
    }
    (fakes, planet)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_closes_in_time_while_satellites_hang() {
    let (fakes, planet) = hanging().await;
    planet.node(0).handle().trigger(SENDER, None, false).await.unwrap();
    eventually("it hangs in the middle", || async {
        // What was answered is archived by twos.
        unsent(&planet, fakes[2].url.id).await == ORDERS - 2
    })
    .await;
    let begun = std::time::Instant::now();
    planet.node(0).stop().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // What was answered before the close is archived, though its batch was not full.
    planet.node(0).start().await.unwrap();
    assert_eq!(unsent(&planet, fakes[2].url.id).await, ORDERS - 3);
    planet.shutdown().await;
}
