//! Plays a table of moments and inputs to a cycle and compares what it answers; it decides nothing.
//!
//! A line is `moment | input | steps | wake`. Moments are durations after [`EPOCH`]. An empty
//! third column means no steps; without a fourth, the next wake is not looked at; `-` in it means
//! none.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::ProptestConfig;

use super::super::*;

/// Where the tables' clocks begin: in 2001, at a round number.
pub const EPOCH: Timestamp = Timestamp::from_nanos(1_000_000_000_000_000_000);

pub fn moment(text: &str) -> Timestamp {
    match text.strip_prefix('-') {
        Some(before) => EPOCH.minus(duration(before)),
        None => EPOCH.plus(duration(text)),
    }
}

pub fn duration(text: &str) -> Duration {
    humantime::parse_duration(text).unwrap()
}

/// First run at once, 3 s of timeout, 2 s of grace; neither jitter nor back-off.
pub fn every(interval: &str) -> Schedule {
    Schedule {
        interval: interval.parse().unwrap(),
        timeout: Duration::from_secs(3),
        start: Start::Now,
        jitter_max: Duration::ZERO,
        jitter_seed: 1,
        backoff: Backoff { first: Duration::ZERO, interval_multiple_max: 0 },
        give_up: None,
        grace: Duration::from_secs(2),
    }
}

impl Schedule {
    pub fn timeout(self, timeout: &str) -> Schedule {
        Schedule { timeout: duration(timeout), ..self }
    }

    pub fn start(self, start: Start) -> Schedule {
        Schedule { start, ..self }
    }

    pub fn jitter(self, jitter_max: &str, jitter_seed: u64) -> Schedule {
        Schedule { jitter_max: duration(jitter_max), jitter_seed, ..self }
    }

    pub fn backoff(self, first: &str, interval_multiple_max: u32) -> Schedule {
        Schedule { backoff: Backoff { first: duration(first), interval_multiple_max }, ..self }
    }

    pub fn give_up(self, after: u32, how: GiveUpHow) -> Schedule {
        Schedule { give_up: Some(GiveUp { after, how }), ..self }
    }
}

/// Plays `table` to a new cycle that begins at 0 s.
#[track_caller]
pub fn check(schedule: Schedule, table: &str) -> Player {
    Player::new(schedule).play(table)
}

pub struct Player {
    pub cycle: Cycle,
    /// What was skipped, in order.
    skipped: Vec<String>,
}

impl Player {
    pub fn new(schedule: Schedule) -> Player {
        Player::of(Cycle::new(schedule, None, EPOCH))
    }

    pub fn of(cycle: Cycle) -> Player {
        Player { cycle, skipped: Vec::new() }
    }

    /// The peer is restarted: only what was saved is left, as text.
    pub fn restart_peer(self, at: &str, schedule: Schedule) -> Player {
        let saved = serde_json::to_string(&self.cycle.saved()).unwrap();
        let saved = serde_json::from_str(&saved).unwrap();
        Player { cycle: Cycle::new(schedule, Some(saved), moment(at)), skipped: self.skipped }
    }

    #[track_caller]
    pub fn play(mut self, table: &str) -> Player {
        let mut found = String::new();
        let mut wanted = String::new();
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let columns: Vec<&str> = line.split('|').map(str::trim).collect();
            let [at, input, steps, wake @ ..] = &columns[..] else { panic!("too short: {line}") };
            let now = moment(at);
            let told = read_input(tell_room(&mut self.cycle, input));
            let done = self.cycle.step(now, told);
            let answered = write_steps(&done, now);
            for step in &done {
                if let Step::Skipped(skipped) = step {
                    self.skipped.push(write_skipped(skipped));
                }
            }
            let woken = self.cycle.wake_at(now);
            // Else the shell would spin.
            assert!(woken.is_none_or(|woken| woken > now), "{line}: wakes at once");
            wanted += &format!("{at} | {input} | {steps}");
            found += &format!("{at} | {input} | {answered}");
            if let [wake] = wake {
                wanted += &format!(" | {wake}");
                found += &format!(" | {}", woken.map_or("-".to_owned(), write_moment));
            }
            wanted.push('\n');
            found.push('\n');
        }
        assert!(found == wanted, "\nwanted:\n{wanted}\nfound:\n{found}");
        self
    }

    /// All that was skipped so far: how many slots, why, the first and the last.
    #[track_caller]
    pub fn skipped(self, wanted: &[&str]) -> Player {
        assert_eq!(self.skipped, wanted);
        self
    }

    #[track_caller]
    pub fn state(self, wanted: State) -> Player {
        assert_eq!(self.cycle.state(), wanted);
        self
    }
}

/// "crowded" and "room" say whether a run may begin, and are followed by a look at the time.
pub fn tell_room<'a>(cycle: &mut Cycle, input: &'a str) -> &'a str {
    if !matches!(input, "crowded" | "room") {
        return input;
    }
    cycle.set_room(input == "room");
    "time"
}

pub fn read_input(text: &str) -> Input {
    let words: Vec<&str> = text.split(' ').collect();
    let control = match words[..] {
        ["time"] => return Input::Time,
        ["ok"] => return Input::Ended { succeeded: true, rerun: false },
        ["fail"] => return Input::Ended { succeeded: false, rerun: false },
        ["rerun"] => return Input::Ended { succeeded: false, rerun: true },
        ["pause"] => Control::Pause { until: None },
        ["pause", until] => Control::Pause { until: Some(moment(until)) },
        ["restart"] => Control::Restart,
        ["trigger", waiter] => Control::Trigger { waiter: WaiterId(waiter.parse().unwrap()) },
        ["wait", waiter] => Control::TriggerWait { waiter: WaiterId(waiter.parse().unwrap()) },
        ["interval", interval] => Control::ChangeInterval(interval.parse().unwrap()),
        ["config", interval] => Control::Reschedule(every(interval)),
        ["cancel"] => Control::Cancel,
        ["hold"] => Control::Hold,
        ["release"] => Control::Release,
        ["forgive"] => Control::Forgive,
        ["due"] => Control::Due,
        ["stop"] => Control::Stop,
        _ => panic!("unknown input: {text}"),
    };
    Input::Control(control)
}

fn write_steps(steps: &[Step], now: Timestamp) -> String {
    let done = steps.iter().filter(|step| !matches!(step, Step::Skipped(_)));
    let steps: Vec<String> = done.map(|step| write_step(step, now)).collect();
    steps.join(", ")
}

pub fn write_step(step: &Step, now: Timestamp) -> String {
    match step {
        Step::Run(Run { iteration, reason, due, .. }) => {
            let reason = format!("{reason:?}").to_lowercase();
            let late = match *due == now {
                true => String::new(),
                false => format!(" due {}", write_moment(*due)),
            };
            format!("run {iteration} {reason}{late}")
        }
        Step::WindDown => "wind down".to_owned(),
        Step::Interrupt => "interrupt".to_owned(),
        Step::Stopped => "stopped".to_owned(),
        Step::Skipped(skipped) => write_skipped(skipped),
        Step::GaveUp { failures, how: GiveUpHow::Pause } => format!("paused after {failures}"),
        Step::GaveUp { failures, how: GiveUpHow::StopPeer } => {
            format!("stop peer after {failures}")
        }
        Step::Answer { waiter: WaiterId(waiter), answer } => match answer {
            Answer::Began { iteration } => format!("{waiter} began {iteration}"),
            Answer::Ended { iteration, succeeded: true } => format!("{waiter} ok {iteration}"),
            Answer::Ended { iteration, succeeded: false } => format!("{waiter} fail {iteration}"),
            Answer::Stopped => format!("{waiter} stopped"),
            Answer::Refused(refusal) => format!("{waiter} refused {refusal}"),
        },
    }
}

fn write_skipped(skipped: &Skipped) -> String {
    let Skipped { first, last, slots, reason } = *skipped;
    format!("{slots} {reason:?} {}..{}", write_moment(first), write_moment(last))
}

fn write_moment(at: Timestamp) -> String {
    let text = |duration| humantime::format_duration(duration).to_string().replace(' ', "");
    if at < EPOCH { format!("-{}", text(EPOCH.since(at))) } else { text(at.since(EPOCH)) }
}

/// Nothing is written beside the sources: a failing case prints what is needed to repeat it.
pub fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
