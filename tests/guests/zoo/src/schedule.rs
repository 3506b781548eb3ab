//! Its own cycles, against everybody.

use chore_sdk::prelude::*;

/// More cycles than a chore may have.
const CYCLES: usize = 2_000;

/// Cycles that are due all the time.
const FAST_CYCLES: usize = 20;

pub fn adds_cycles(interval: Duration) -> Result<()> {
    for number in 0..CYCLES {
        cycle::add(&format!("more-{number}"), interval, interval)?;
    }
    Ok(())
}

fn add_fast_cycles() {
    for number in 0..FAST_CYCLES {
        // It may have run before.
        let _ = cycle::add(&format!("fast-{number}"), Duration::from_millis(1), crate::HOUR);
    }
}

/// Due all the time, and then it waits.
pub async fn adds_fast_cycles() -> Result<()> {
    add_fast_cycles();
    crate::calls::waits().await
}

/// Due all the time, and then it spins: as many times as it may run at once.
pub fn spins_in_many_cycles() -> Result<()> {
    add_fast_cycles();
    loop {
        std::hint::black_box(());
    }
}

/// The next run is due when this one ends.
pub fn runs_without_pause() -> Result<()> {
    cycle::change_interval("main", Duration::from_millis(1))?;
    cycle::trigger("main")
}
