//! What the watchdog says, look by look, with a clock that the test sets.

#![allow(clippy::unwrap_used)]

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const START: Timestamp = Timestamp::from_nanos(1_000_000_000_000);

/// A watch that looks once a second at what a test lets it see.
struct Scene {
    watch: Watch,
    now: Timestamp,
    beats: u64,
    /// Of the chore "clock": `None` while it is locked.
    cycles: Option<Vec<Sight>>,
    /// Tasks are carried out.
    beating: bool,
    log: Vec<String>,
}

fn after(seconds: u64) -> Timestamp {
    START.plus(SECOND * u32::try_from(seconds).unwrap())
}

fn cycle(name: &str, period: u64, awaited: Option<Awaited>) -> Sight {
    let period = Duration::from_secs(period);
    Sight { cycle: name.to_owned(), period, iteration: 7, awaited }
}

impl Scene {
    fn of(cycles: Vec<Sight>) -> Scene {
        let cycles = Some(cycles);
        let (watch, log) = (Watch::default(), Vec::new());
        let mut scene = Scene { watch, now: START, beats: 0, cycles, beating: true, log };
        scene.look(Duration::ZERO);
        scene
    }

    fn look(&mut self, elapsed: Duration) {
        self.beats += u64::from(self.beating);
        let sights = Sights::from([("clock".to_owned(), self.cycles.clone())]);
        let (now, beats) = (self.now, self.beats);
        for news in self.watch.look(Look { elapsed, now, beats, sights: Some(sights) }) {
            let at = self.now.since(START).as_secs();
            self.log.push(match news {
                News::Overdue { cycle, awaited: Awaited::Begin(_), .. } => {
                    format!("{at}: {cycle} does not begin")
                }
                News::Overdue { cycle, .. } => format!("{at}: {cycle} does not end"),
                News::NotOverdue { cycle, .. } => format!("{at}: {cycle} is over"),
                News::Stalled => format!("{at}: stalled"),
                News::NotStalled => format!("{at}: goes on"),
            });
        }
    }

    /// Looks once a second for so long.
    fn watch(&mut self, seconds: u64) -> &mut Scene {
        for _ in 0..seconds {
            self.now = self.now.plus(SECOND);
            self.look(SECOND);
        }
        self
    }

    #[track_caller]
    fn said(&self, expected: &[&str]) {
        assert_eq!(self.log, expected);
    }
}

/// Each case: what is awaited, of which period, and when that is said in ten minutes.
#[test]
fn what_is_late_is_said_after_its_own_interval_and_once() {
    let begin = |at| Some(Awaited::Begin(after(at)));
    let end = |at| Some(Awaited::End(after(at)));
    let cases: [(&str, Sight, &[&str]); 8] = [
        ("in the future", cycle("main", 1, begin(700)), &[]),
        ("just due", cycle("main", 1, begin(595)), &[]),
        (
            "a short interval has the least patience",
            cycle("main", 1, begin(5)),
            &["17: main does not begin"],
        ),
        ("a long one has its own", cycle("main", 60, begin(5)), &["67: main does not begin"]),
        ("longer than is watched", cycle("main", 600, begin(5)), &[]),
        (
            "triggered, and never by itself",
            cycle("main", 0, begin(5)),
            &["17: main does not begin"],
        ),
        ("a run goes on and on", cycle("main", 3600, end(100)), &["112: main does not end"]),
        ("something is in the way", cycle("main", 1, None), &[]),
    ];
    for (name, sight, expected) in cases {
        let mut scene = Scene::of(vec![sight]);
        scene.watch(600);
        assert_eq!(scene.log, expected, "{name}");
    }
}

#[test]
fn it_is_said_when_it_is_over() {
    let mut scene = Scene::of(vec![cycle("main", 1, Some(Awaited::Begin(after(5))))]);
    scene.watch(20);
    assert_eq!(scene.watch.overdue().into_values().collect::<Vec<_>>(), [after(5)]);
    // A trigger moves its moment, and does not end it.
    scene.cycles = Some(vec![cycle("main", 1, Some(Awaited::Begin(after(19))))]);
    scene.watch(20).said(&["17: main does not begin"]);
    let runs = Sight { iteration: 8, ..cycle("main", 1, Some(Awaited::End(after(900)))) };
    scene.cycles = Some(vec![runs]);
    scene.watch(20).said(&["17: main does not begin", "41: main is over"]);
    assert!(scene.watch.overdue().is_empty());
}

/// Late for a moment again and again is not overdue.
#[test]
fn each_run_counts_by_itself() {
    let mut scene = Scene::of(Vec::new());
    for iteration in 0..60 {
        let awaited = Some(Awaited::Begin(scene.now));
        scene.cycles = Some(vec![Sight { iteration, ..cycle("main", 1, awaited) }]);
        scene.watch(9);
    }
    scene.said(&[]);
}

#[test]
fn pausing_or_unloading_ends_it() {
    for cycles in [vec![cycle("main", 1, None)], vec![]] {
        let mut scene = Scene::of(vec![cycle("main", 1, Some(Awaited::Begin(after(0))))]);
        scene.watch(15);
        scene.cycles = Some(cycles);
        scene.watch(15).said(&["12: main does not begin", "16: main is over"]);
    }
}

#[test]
fn what_is_locked_counts_as_it_was() {
    let mut scene = Scene::of(vec![cycle("main", 1, Some(Awaited::Begin(after(5))))]);
    scene.cycles = None;
    scene.watch(30).said(&["17: main does not begin"]);
}

#[test]
fn a_clock_that_jumps_is_no_fault() {
    for jump in [SECOND * 7200, SECOND * 30] {
        let mut scene = Scene::of(vec![cycle("main", 1, Some(Awaited::Begin(after(5))))]);
        scene.watch(3);
        scene.now = scene.now.plus(jump);
        scene.watch(59).said(&[]);
        // Nobody noticed the jump in time.
        scene.watch(15);
        assert_eq!(scene.log.len(), 1, "{:?}", scene.log);
    }
}

#[test]
fn a_process_that_was_stopped_is_not_late() {
    let mut scene = Scene::of(vec![cycle("main", 1, Some(Awaited::Begin(after(5))))]);
    scene.watch(3);
    scene.now = scene.now.plus(SECOND * 3600);
    scene.look(SECOND * 3600);
    scene.watch(8).said(&[]);
}

#[test]
fn a_runtime_that_stalls_is_noticed() {
    let mut scene = Scene::of(vec![]);
    scene.watch(10);
    scene.beating = false;
    scene.watch(4).said(&[]);
    scene.watch(20).said(&["15: stalled"]);
    scene.beating = true;
    scene.watch(20).said(&["15: stalled", "35: goes on"]);
}
