//! The cycle against a model that is too simple to be wrong: it looks at the clock every
//! millisecond and knows no arithmetic on slots, while the cycle is woken only when it asks to be.
//! Jitter, back-off and jumps of the clock are not modelled; `properties.rs` has them.

use proptest::prelude::*;

use super::super::*;
use super::player::{EPOCH, config, every, moment, read_input, tell_room, write_step};

const TIMEOUT_MS: u64 = 15;
const GRACE_MS: u64 = 6;

#[derive(Default)]
struct Model {
    interval_ms: Option<u64>,
    anchor_ms: u64,
    /// A slot is seen once, however often its millisecond is looked at.
    seen_ms: u64,
    paused: bool,
    held: bool,
    crowded: bool,
    stopping: bool,
    tick: Option<(u64, &'static str)>,
    triggers: Vec<(u64, &'static str, String)>,
    iteration: u64,
    run: Option<ModelRun>,
    /// Slots that have come.
    slots: u64,
}

struct ModelRun {
    reason: &'static str,
    deadline_ms: u64,
    grace_ends_ms: Option<u64>,
    interrupted: bool,
    waiters: Vec<String>,
}

impl Model {
    fn step(&mut self, now: u64, input: &str) -> Vec<String> {
        let mut steps = Vec::new();
        self.look_at_the_clock(now);
        let (word, rest) = input.split_once(' ').unwrap_or((input, ""));
        match word {
            "time" => {}
            "ok" | "fail" | "rerun" => self.end(now, word, &mut steps),
            "pause" => (self.paused, self.tick) = (true, None),
            "restart" => (self.paused, self.tick, self.anchor_ms) = (false, None, now),
            "trigger" if self.stopping => steps.push(format!("{rest} stopped")),
            "wait" if self.stopping => steps.push(format!("{rest} stopped")),
            "trigger" => self.triggers.push((now, "trigger", rest.to_owned())),
            "wait" => self.triggers.push((now, "wait", rest.to_owned())),
            "interval" if rest == "off" => {
                (self.interval_ms, self.tick, self.anchor_ms) = (None, None, now);
            }
            "interval" => {
                self.interval_ms = rest.strip_suffix("ms").and_then(|ms| ms.parse().ok());
                self.anchor_ms = now;
            }
            "cancel" => self.wind_down(now, &mut steps),
            "hold" => {
                self.held = true;
                self.wind_down(now, &mut steps);
            }
            "release" => self.held = false,
            "crowded" => self.crowded = true,
            "room" => self.crowded = false,
            // Failures put nothing off here.
            "forgive" => {}
            "due" if self.paused || self.stopping || self.interval_ms.is_none() => {}
            "due" => self.tick = Some((now, "interval")),
            "stop" => self.stop(now, &mut steps),
            _ => panic!("unknown input: {input}"),
        }
        self.begin(now, &mut steps);
        if self.run.as_ref().is_some_and(|run| now >= run.deadline_ms) {
            self.wind_down(now, &mut steps);
        }
        if let Some(run) = &mut self.run
            && run.grace_ends_ms.is_some_and(|ends| now >= ends)
            && !run.interrupted
        {
            run.interrupted = true;
            steps.push("interrupt".to_owned());
        }
        steps
    }

    fn look_at_the_clock(&mut self, now: u64) {
        let seen_ms = std::mem::replace(&mut self.seen_ms, now);
        let Some(interval_ms) = self.interval_ms else { return };
        let is_slot =
            now > self.anchor_ms.max(seen_ms) && (now - self.anchor_ms).is_multiple_of(interval_ms);
        self.slots += u64::from(is_slot && (self.paused || !self.stopping));
        if is_slot && !self.paused && !self.stopping {
            self.tick.get_or_insert((now, "interval"));
        }
    }

    fn begin(&mut self, now: u64, steps: &mut Vec<String>) {
        if self.run.is_some() || self.held || self.crowded || self.stopping {
            return;
        }
        let (due, reason) = match (self.triggers.iter().map(|trigger| trigger.0).min(), self.tick) {
            (Some(asked), _) => (asked, "trigger"),
            (None, Some(tick)) => tick,
            (None, None) => return,
        };
        self.iteration += 1;
        let iteration = self.iteration;
        let late = if due == now { String::new() } else { format!(" due {due}") };
        steps.push(format!("run {iteration} {reason}{late}"));
        let mut waiters = Vec::new();
        for (_, kind, waiter) in self.triggers.drain(..) {
            match kind {
                "trigger" => steps.push(format!("{waiter} began {iteration}")),
                "wait" => waiters.push(waiter),
                _ => {}
            }
        }
        self.tick = None;
        let deadline_ms = now + TIMEOUT_MS;
        self.run = Some(ModelRun {
            reason,
            deadline_ms,
            grace_ends_ms: None,
            interrupted: false,
            waiters,
        });
    }

    fn end(&mut self, now: u64, how: &str, steps: &mut Vec<String>) {
        let Some(run) = self.run.take() else { return };
        let again = how == "rerun" && !self.stopping;
        let how = if how == "ok" { "ok" } else { "fail" };
        if again && run.reason == "trigger" {
            let waiters = run.waiters.into_iter().map(|waiter| (now, "wait", waiter));
            self.triggers.extend(waiters);
            self.triggers.push((now, "nobody", String::new()));
        } else {
            let answers =
                run.waiters.iter().map(|waiter| format!("{waiter} {how} {}", self.iteration));
            steps.extend(answers);
            if again && !self.paused && self.interval_ms.is_some() {
                self.tick = Some((now, run.reason));
            }
        }
        if self.stopping {
            steps.push("stopped".to_owned());
        }
    }

    fn wind_down(&mut self, now: u64, steps: &mut Vec<String>) {
        let Some(run) = &mut self.run else { return };
        if run.grace_ends_ms.is_none() {
            run.grace_ends_ms = Some(now + GRACE_MS);
            steps.push("wind down".to_owned());
        }
    }

    fn stop(&mut self, now: u64, steps: &mut Vec<String>) {
        (self.stopping, self.tick) = (true, None);
        let waiters = self.triggers.drain(..).filter(|(_, kind, _)| *kind != "nobody");
        steps.extend(waiters.map(|(_, _, waiter)| format!("{waiter} stopped")));
        match self.run {
            Some(_) => self.wind_down(now, steps),
            None => steps.push("stopped".to_owned()),
        }
    }
}

fn at_ms(ms: u64) -> Timestamp {
    EPOCH.plus(Duration::from_millis(ms))
}

/// The cycle's steps in the model's words: moments as milliseconds.
fn words(steps: &[Step], now: Timestamp) -> Vec<String> {
    let word = |step: &Step| match step {
        Step::Run(Run { iteration, reason, due, .. }) if *due != now => {
            let reason = format!("{reason:?}").to_lowercase();
            format!("run {iteration} {reason} due {}", due.since(EPOCH).as_millis())
        }
        other => write_step(other, now),
    };
    let done = steps.iter().filter(|step| !matches!(step, Step::Skipped(_)));
    done.map(word).collect()
}

/// Slots that are accounted for by a step.
fn slots_of(step: &Step) -> u64 {
    match step {
        Step::Run(run) => u64::from(run.slot.is_some()),
        Step::Skipped(skipped) => skipped.slots,
        _ => 0,
    }
}

fn inputs() -> impl Strategy<Value = Vec<(u64, String)>> {
    let ended = prop_oneof![Just("ok"), Just("fail"), Just("rerun")];
    let control = prop_oneof![
        Just("pause"),
        Just("restart"),
        Just("restart"),
        Just("cancel"),
        Just("hold"),
        Just("release"),
        Just("release"),
        Just("crowded"),
        Just("room"),
        Just("room"),
        Just("forgive"),
        Just("due"),
        Just("interval off"),
        Just("interval 5ms"),
        Just("interval 7ms"),
        Just("interval 20ms"),
    ];
    let trigger = (prop_oneof![Just("trigger"), Just("wait")], 0..100_u64);
    let input = prop_oneof![
        6 => ended.prop_map(str::to_owned),
        4 => control.prop_map(str::to_owned),
        4 => trigger.prop_map(|(word, waiter)| format!("{word} {waiter}")),
        1 => Just("time".to_owned()),
    ];
    let wait_ms = prop_oneof![Just(0), 0..4_u64, 0..40_u64];
    let stop = prop_oneof![4 => Just(None), 1 => (0..40_usize).prop_map(Some)];
    (prop::collection::vec((wait_ms, input), 1..60), stop).prop_map(|(mut inputs, stop)| {
        if let Some(at) = stop {
            inputs.insert(at.min(inputs.len()), (1, "stop".to_owned()));
        }
        inputs
    })
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn the_cycle_does_what_the_model_does(
        inputs in inputs(),
        interval_ms in prop_oneof![Just(3), Just(10), Just(30_u64)],
        delay: bool,
    ) {
        let schedule = Schedule {
            timeout: Duration::from_millis(TIMEOUT_MS),
            grace: Duration::from_millis(GRACE_MS),
            start: if delay { Start::Delay } else { Start::Now },
            ..every(&format!("{interval_ms}ms"))
        };
        let mut cycle = Cycle::new(schedule, None, moment("0s"));
        let tick = (!delay).then_some((0, "start"));
        let mut model = Model { interval_ms: Some(interval_ms), tick, ..Model::default() };

        let (mut found, mut wanted) = (Vec::new(), Vec::new());
        let (mut now_ms, mut now) = (0, EPOCH);
        let mut slots = 0;
        let mut step = |cycle: &mut Cycle, now, input| {
            let steps = cycle.step(now, input);
            slots += steps.iter().map(slots_of).sum::<u64>();
            words(&steps, now)
        };
        found.extend(step(&mut cycle, now, Input::Time));
        wanted.extend(model.step(0, "time"));
        for (wait_ms, input) in inputs {
            let then_ms = now_ms + wait_ms;
            for ms in now_ms + 1..=then_ms {
                let steps = model.step(ms, "time").into_iter();
                wanted.extend(steps.map(|step| format!("{ms}: {step}")));
            }
            while let Some(wake) = cycle.wake_at(now).filter(|wake| *wake <= at_ms(then_ms)) {
                prop_assert!(wake > now, "would spin");
                now = wake;
                let steps = step(&mut cycle, now, Input::Time).into_iter();
                found.extend(steps.map(|step| format!("{}: {step}", now.since(EPOCH).as_millis())));
            }
            (now_ms, now) = (then_ms, at_ms(then_ms));
            found.push(input.clone());
            wanted.push(input.clone());
            let told = read_input(tell_room(&mut cycle, &input));
            found.extend(step(&mut cycle, now, told));
            wanted.extend(model.step(now_ms, &input));
            prop_assert_eq!(&found, &wanted);
        }
        // Which tells what a pause skipped, and drops the tick that waits.
        step(&mut cycle, now, Input::Control(Control::Restart));
        prop_assert_eq!(slots, model.slots, "slots that a run served or that were skipped");
    }
}
