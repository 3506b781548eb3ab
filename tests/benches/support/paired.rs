//! Two ways to do one thing, measured in turns in one process, so that what disturbs the machine
//! disturbs both. It knows neither.

use std::time::Duration;

/// What both took, pair by pair.
#[derive(Default)]
pub struct Pairs(Vec<(Duration, Duration)>);

impl Pairs {
    pub fn push(&mut self, first: Duration, second: Duration) {
        self.0.push((first, second));
    }

    /// Prints the medians, where the middle half lies, and the first as a multiple of the second.
    /// Answers the medians.
    pub fn report(&self, first: &str, second: &str) -> (Duration, Duration) {
        let (of_first, of_second): (Vec<_>, Vec<_>) = self.0.iter().copied().unzip();
        let ratio = |(first, second): &(Duration, Duration)| first.div_duration_f64(*second);
        let ratios = Quartiles::of(self.0.iter().map(ratio));
        let medians = (row(first, &of_first), row(second, &of_second));
        println!(
            "{first} / {second}: median of {} pairs {:.3}, middle half {:.3} to {:.3}",
            self.0.len(),
            ratios.median,
            ratios.low,
            ratios.high
        );
        medians
    }
}

fn row(name: &str, times: &[Duration]) -> Duration {
    let seconds = Quartiles::of(times.iter().map(Duration::as_secs_f64));
    let [low, median, high] =
        [seconds.low, seconds.median, seconds.high].map(Duration::from_secs_f64);
    println!("{name:<24} median {median:.3?}, middle half {low:.3?} to {high:.3?}");
    median
}

struct Quartiles {
    low: f64,
    median: f64,
    high: f64,
}

impl Quartiles {
    /// Panics if there are no values.
    fn of(values: impl Iterator<Item = f64>) -> Quartiles {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |quarter| sorted[(sorted.len() - 1) * quarter / 4];
        Quartiles { low: at(1), median: at(2), high: at(3) }
    }
}

/// False when cargo builds or tests benchmarks, and does not want them to run.
pub fn wanted() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}
