//! A peer with a thousand chores, of which everything that can be said by others tries to be part of
//! the page. It cannot be run into that state, so it is made up.

use std::time::Duration;

use chore_host::clock::Timestamp;
use chore_host::control::{Command, Controls};
use chore_host::cycle::SkipReason;
use chore_host::log_gate::Wish;
use chore_host::news::News;
use chore_host::peer::ControlError;
use chore_host::record::{Entry, EventRecord, Page, Query, RunRecord, SkipRecord, Usage};
use chore_host::status::{
    Actor, Change, ChoreDetail, ChoreStatus, CycleStatus, LastRun, LimitInForce, LimitsInForce,
    Outcome, PauseStatus, PeerStatus, RefusedFile, Setting, Triggered, VersionStatus,
};
use chore_host::why::{Moment, Why};

/// In every text that a chore or a person can choose.
pub const EVIL: &str = "<b id=evil>\"'&amp;</b><script>window.evil=1</script>";

pub const CHORES: usize = 1_000;

/// Of the first chore; the others have one.
const CYCLES: usize = 1_000;

/// Between two runs of each.
const INTERVAL: Duration = Duration::from_secs(75);

#[derive(Clone)]
pub struct Crowd;

fn name(index: usize) -> String {
    format!("chore-{index:04}")
}

/// Some of all there is, by the number of a run.
fn outcome(number: u64) -> Outcome {
    let message = format!("no {EVIL}");
    match number % 23 {
        7 => Outcome::Failed { message },
        13 => Outcome::TimedOut { message },
        17 => Outcome::Cancelled { message },
        _ => Outcome::Succeeded,
    }
}

fn run(chore: &str, cycle: &str, number: u64, started: Timestamp) -> RunRecord {
    let elapsed = Duration::from_millis(40 + number * 37 % 190);
    RunRecord {
        run: number,
        chore: chore.into(),
        cycle: cycle.into(),
        version: EVIL.into(),
        digest: EVIL.into(),
        generation: 3,
        iteration: number,
        reason: "trigger".into(),
        by: EVIL.into(),
        due: started,
        slot: Some(started),
        started,
        elapsed: Some(elapsed),
        outcome: Some(outcome(number)),
        usage: Usage {
            cpu: elapsed / 3,
            memory_bytes: (1 << 21) + (number * 7919 % 97) * 4096,
            host_calls: 3 + number % 7,
            host_bytes: number * 131 % 10_007,
        },
        log: vec![format!("INFO sent 12 orders {EVIL}"), format!("WARN slow {EVIL}")],
        log_lines: 40,
        backtrace: Vec::new(),
    }
}

fn cycle(index: usize, of: usize) -> CycleStatus {
    let now = Timestamp::now();
    let actor = Actor { by: EVIL.into(), note: EVIL.into() };
    let pause = (index % 7 == 3).then_some(PauseStatus { since: now, until: None, note: actor });
    let last = run("", "", index as u64, now.minus(INTERVAL / 2));
    CycleStatus {
        name: if of == 0 { "main".into() } else { format!("cycle-{of:04}") },
        interval: "1m 15s".into(),
        state: if pause.is_some() { "paused".into() } else { "idle".into() },
        iteration: 4711,
        failures: u32::from(!outcome(index as u64).succeeded()),
        next: Some(now.plus(INTERVAL / 2)),
        last: Some(LastRun {
            run: last.run,
            iteration: last.iteration,
            reason: last.reason,
            started: last.started,
            elapsed: last.elapsed.unwrap_or_default(),
            outcome: outcome(index as u64),
            usage: last.usage,
        }),
        running_since: None,
        pause,
        backing_off_until: None,
        jitter: Duration::ZERO,
        overridden: index == 0,
        overdue: None,
    }
}

fn chore(index: usize) -> ChoreStatus {
    let cycles = if index == 0 { CYCLES } else { 1 };
    let refused = RefusedFile {
        file: EVIL.into(),
        digest: EVIL.into(),
        version: EVIL.into(),
        reason: EVIL.into(),
        quarantined: index.is_multiple_of(2),
    };
    ChoreStatus {
        name: name(index),
        state: "loaded".into(),
        reason: EVIL.into(),
        digest: EVIL.into(),
        version: EVIL.into(),
        generation: 3,
        watched_runs_left: 2,
        about: EVIL.into(),
        grants: vec![EVIL.into()],
        cycles: (0..cycles).map(|of| cycle(index, of)).collect(),
        refused: index.is_multiple_of(5).then_some(refused),
        signature: None,
    }
}

impl Controls for Crowd {
    fn acting(&self, _: Actor) -> Crowd {
        Crowd
    }

    async fn page(&self, query: Query) -> Result<Page, ControlError> {
        let now = Timestamp::now();
        let chore = query.chore.unwrap_or_else(|| name(0));
        let cycle = query.cycle.unwrap_or_else(|| "main".into());
        let entry = |number: u32| {
            let at = now.minus(INTERVAL * number);
            let by = EVIL.to_owned();
            let skip = SkipRecord {
                chore: chore.clone(),
                cycle: cycle.clone(),
                first: at.minus(INTERVAL),
                last: at,
                slots: 2,
                reason: SkipReason::Paused,
            };
            match number {
                _ if query.events => Entry::Event(EventRecord {
                    at,
                    by,
                    what: EVIL.into(),
                    chore: chore.clone(),
                    cycle: cycle.clone(),
                    note: EVIL.into(),
                }),
                20..23 if !query.runs => Entry::Skip(skip),
                _ => Entry::Run(run(&chore, &cycle, 10_000 - u64::from(number), at)),
            }
        };
        Ok(Page { entries: (0..query.limit).map(entry).collect(), before: None })
    }

    async fn run(&self, number: u64) -> Result<RunRecord, ControlError> {
        Ok(run(&name(1), "main", number, Timestamp::now()))
    }

    async fn why(
        &self,
        chore: &str,
        cycle: Option<&str>,
        _: Option<Moment>,
    ) -> Result<Why, ControlError> {
        let cycle = cycle.unwrap_or_default().to_owned();
        Ok(Why { chore: chore.into(), cycle, because: format!("next run soon: {EVIL}") })
    }

    fn status(&self) -> PeerStatus {
        PeerStatus {
            version: EVIL.into(),
            node: EVIL.into(),
            listen: EVIL.into(),
            started: Timestamp::now(),
            problem: EVIL.into(),
            chores: (0..CHORES).map(chore).collect(),
        }
    }

    fn news(&self) -> News {
        News::new(Timestamp::now())
    }

    fn chore(&self, _: &str) -> Result<ChoreDetail, ControlError> {
        let version = |is: &str, digest: &str| VersionStatus {
            is: is.into(),
            version: EVIL.into(),
            digest: digest.into(),
            since: None,
            reason: EVIL.into(),
        };
        let setting = |kind: &str, value: Option<String>| Setting {
            name: EVIL.into(),
            help: EVIL.into(),
            kind: kind.into(),
            is_set: value.is_some(),
            default: None,
            value,
        };
        Ok(ChoreDetail {
            status: chore(0),
            settings: vec![setting("text", Some(EVIL.into())), setting("secret", None)],
            versions: vec![version("running", EVIL), version("previous", "another")],
            limits: Some(LimitsInForce {
                by_key: vec![LimitInForce {
                    key: EVIL.into(),
                    value: EVIL.into(),
                    overridden: true,
                }],
                memory_bytes: 64 << 20,
                grace: Duration::from_secs(10),
                timeouts: Vec::new(),
            }),
        })
    }

    fn metrics(&self) -> String {
        String::new()
    }

    async fn trigger(&self, _: &str, _: Option<&str>, _: bool) -> Result<Triggered, ControlError> {
        Err(ControlError::Stopped)
    }

    async fn command(&self, _: Command, _: &str, _: Option<&str>) -> Result<(), ControlError> {
        Err(ControlError::Stopped)
    }

    async fn log_level(&self, _: Option<&str>, _: Option<Wish>) -> Result<(), ControlError> {
        Err(ControlError::Stopped)
    }

    async fn reload(&self, _: Option<&str>, _: bool) -> Result<Vec<Change>, ControlError> {
        Err(ControlError::Stopped)
    }

    async fn unload(&self, _: &str) -> Result<Vec<Change>, ControlError> {
        Err(ControlError::Stopped)
    }

    async fn load(&self, _: &str) -> Result<Vec<Change>, ControlError> {
        Err(ControlError::Stopped)
    }

    async fn go_back(&self, _: &str) -> Result<Vec<Change>, ControlError> {
        Err(ControlError::Stopped)
    }
}
