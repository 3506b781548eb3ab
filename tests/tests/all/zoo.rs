//! The zoo: every hostile guest in a real peer, beside a good chore with a short cycle. Each comes to
//! what the table says, neither peer nor neighbour notices, and the peer closes whatever they do.

mod closing;

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chore_host::limits::OPEN_TIMEOUT;
use chore_host::planet::Member;
use futures::future::join_all;
use testplanet::zoo::{self, End, GUESTS, Guest};
use testplanet::{
    Testplanet, chore, chores, component, drop_chore, eventually, told, trigger_wait,
};

/// The good chore beside them.
const NEIGHBOUR: &str = "guest-run-counts";

const OFTEN: &str = "[cycles.main]\ninterval = \"100ms\"\n";

/// Guests that do harm at the same time, in one peer.
const AT_ONCE: usize = 8;

/// What ends only when its time is up gets little of it, and the rest plenty.
const SHORT: &str = "timeout = \"300ms\"";
const LONG: &str = "timeout = \"60s\"";

/// Those that keep a peer waiting for the seconds that `describe` and `close` have.
const SLOW: [&str; 5] =
    ["close_spins", "close_waits", "describe_cleans_up_for_ever", "describe_spins", "start_spins"];

/// What looks at what the run before left.
const TWICE: [&str; 1] = ["run_panics_in_a_transaction"];

/// A peer, a neighbour, and room for hostile guests.
struct Lane(Testplanet);

impl Lane {
    async fn open() -> Lane {
        let planet = Testplanet::start_with(1, 1, |options| {
            options.chore_files = vec![(component(NEIGHBOUR), Some(OFTEN.to_owned()))];
        });
        Lane(planet.await)
    }

    fn node(&self) -> &Member {
        self.0.node(0)
    }

    /// Loads some guests, has them do harm all at once, and unloads them.
    async fn show(&self, guests: &[Guest]) {
        for guest in guests {
            let timeout = if guest.is_endless() { SHORT } else { LONG };
            let config = guest.config(timeout, "200ms", self.0.satellite(0).node_id());
            drop_chore(self.node(), &guest.name(), &guest.build(), Some(&config));
        }
        let before = self.runs();
        self.node().handle().reload(None, false).await.unwrap();
        join_all(guests.iter().map(|guest| self.judge(guest))).await;
        let id = guests[0].id;
        eventually(&format!("the neighbour goes on beside {id} and others"), || async {
            self.runs() > before + 2
        })
        .await;
        self.unload(guests).await;
        eventually(&format!("no database has work left of {id} and others"), || async {
            self.sample("peer_database_jobs_waiting{").iter().all(|waiting| waiting.ends_with(" 0"))
        })
        .await;
    }

    /// How often the neighbour has run.
    fn runs(&self) -> u64 {
        chore(self.node(), NEIGHBOUR).cycles[0].iteration
    }

    /// What must become of one guest.
    async fn judge(&self, guest: &Guest) {
        let (name, what) = (guest.name(), format!("{}: {}", guest.id, guest.what()));
        let of = chore(self.node(), &name);
        let fits = |message: &str| {
            assert!(message.contains(guest.part), "{what}: {message}");
            assert!(!message.contains(char::is_control) && message.len() < 3_000, "{what}");
        };
        let word = match guest.end {
            End::Refused | End::Open => {
                assert_eq!(of.state, "refused", "{what}");
                return fits(&of.reason);
            }
            End::Run(word) => word,
            End::Close => "succeeded",
        };
        assert_eq!(of.state, "loaded", "{what}: {}", of.reason);
        for _ in 0..if TWICE.contains(&guest.id) { 2 } else { 1 } {
            let run = trigger_wait(self.node(), &name).await;
            assert_eq!(run.outcome.word(), word, "{what}: {}", told(&run.outcome));
            if guest.end != End::Close {
                fits(run.outcome.message());
            }
        }
    }

    async fn unload(&self, guests: &[Guest]) {
        for guest in guests {
            for extension in ["wasm", "toml"] {
                let file = format!("{}.{extension}", guest.name());
                fs::remove_file(chores(self.node()).join(file)).unwrap();
            }
        }
        self.node().handle().reload(None, false).await.unwrap();
        // The watcher may have been first, and is closing some still.
        let left = || self.node().handle().status().chores.len();
        eventually(&format!("{} and others are gone", guests[0].id), || async { left() == 1 })
            .await;
    }

    /// Lines of the metrics.
    fn sample(&self, start: &str) -> Vec<String> {
        let metrics = self.node().handle().metrics();
        metrics.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
    }

    /// Nothing of what was beside it has hurt the neighbour, or the peer.
    async fn end(self) {
        let ended = self.sample(&format!("peer_runs_total{{chore=\"{NEIGHBOUR}\""));
        let succeeded = |line: &String| line.contains("outcome=\"succeeded\"");
        assert!(!ended.is_empty() && ended.iter().all(succeeded), "{ended:?}");
        assert_eq!(
            self.sample("peer_ledger_entries_lost_total"),
            ["peer_ledger_entries_lost_total 0"]
        );
        assert_eq!(self.sample("peer_runtime_stalls_total"), ["peer_runtime_stalls_total 0"]);
        let forged = self.sample("b 1");
        assert!(forged.is_empty(), "{forged:?}");
        self.0.shutdown().await;
    }
}

#[test]
fn the_zoo_is_large_and_its_guests_are_told_apart() {
    let ids: BTreeSet<&str> = GUESTS.iter().map(|guest| guest.id).collect();
    assert_eq!(ids.len(), GUESTS.len());
    assert!(ids.len() >= 60, "{}", ids.len());
    let by_hand = fs::read_dir(testplanet::workspace().join("tests/guests/zoo/wat")).unwrap();
    for entry in by_hand {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let id = file.strip_suffix(".wat").unwrap();
        assert!(ids.contains(id), "{file} is not in the table");
    }
    for guest in GUESTS {
        assert!(guest.what().ends_with('.'), "{} does not say what it does", guest.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_guest_comes_to_its_end_and_hurts_nobody() {
    zoo::prepare();
    let slow = |guest: &Guest| SLOW.contains(&guest.id);
    let (slow, quick): (Vec<Guest>, Vec<Guest>) =
        GUESTS.iter().filter(|guest| guest.end != End::Open).partition(|guest| slow(guest));
    // First what takes longest, so that both lanes end together.
    let mut shows = VecDeque::from([slow]);
    shows.extend(quick.chunks(AT_ONCE).map(<[Guest]>::to_vec));
    let shows = Mutex::new(shows);
    let lane = || async {
        let lane = Lane::open().await;
        loop {
            // In a statement of its own: nobody waits with it locked.
            let next = shows.lock().unwrap().pop_front();
            let Some(guests) = next else { break };
            lane.show(&guests).await;
        }
        lane.end().await;
    };
    tokio::join!(lane(), lane());
}

/// Takes as long as an `open` may: the nightly script runs it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes more than a minute"]
async fn an_open_that_never_ends_is_ended() {
    zoo::prepare();
    let lane = Lane::open().await;
    let opens: Vec<Guest> = GUESTS.iter().filter(|guest| guest.end == End::Open).copied().collect();
    let begun = Instant::now();
    lane.show(&opens).await;
    assert!(begun.elapsed() >= OPEN_TIMEOUT - Duration::from_secs(1), "{:?}", begun.elapsed());
    lane.end().await;
}
