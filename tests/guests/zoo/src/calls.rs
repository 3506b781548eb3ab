//! Too many host calls, and calls that wait for nothing.

use std::io::Write;

use chore_sdk::log::{self, Level};
use chore_sdk::prelude::*;

/// More lines, and series, than one call may have.
const FLOOD: u64 = 20_000;

/// More than a line may have, in bytes.
const HUGE: usize = 1024 * 1024;

/// Calls that one instance makes at once.
const AT_ONCE: usize = 5_000;

pub fn floods_log() -> Result<()> {
    for number in 0..FLOOD {
        log::write(Level::Error, "a line like any other", [("number", number.to_string())]);
    }
    Ok(())
}

pub fn logs_hugely() -> Result<()> {
    let line = "\u{1b}[2J\n2026-01-01 ERROR forged ".repeat(HUGE / 32);
    for _ in 0..20 {
        log::write(Level::Error, line.clone(), [("\n", line.clone())]);
    }
    Ok(())
}

pub fn floods_metrics() -> Result<()> {
    for number in 0..FLOOD {
        metrics::observe("flood_seconds", &[("number", &number.to_string())], f64::NAN);
    }
    Ok(())
}

/// Names that would forge series of others.
pub fn counts_series() -> Result<()> {
    for name in ["", "a b", "a{chore=\"other\"}", "a\n# TYPE b counter\nb 1", &"x".repeat(HUGE)] {
        metrics::count(name, &[(name, name)], u64::MAX);
        metrics::count(name, &[(name, name)], u64::MAX);
        metrics::gauge(name, &[("chore", "other"), ("chore", "another")], f64::INFINITY);
    }
    Ok(())
}

/// What goes to standard error is kept to explain a panic.
pub fn floods_stderr() -> Result<()> {
    let line = [b'x'; 4096];
    for _ in 0..FLOOD {
        // It is closed at some point, which is no reason to stop.
        let _ = std::io::stderr().write_all(&line);
    }
    Ok(())
}

/// Host calls that do not wait.
pub fn for_ever() -> ! {
    loop {
        metrics::count("calls_total", &[], 1);
        std::hint::black_box(log::enabled(Level::Trace));
    }
}

/// Host calls that wait, and whose answers are not looked at.
pub async fn asks_again_and_again() -> ! {
    loop {
        let _ = std::hint::black_box(state::load().await);
    }
}

pub async fn by_thousands() -> Result<()> {
    let calls = (0..AT_ONCE).map(|_| state::load());
    for answer in futures::future::join_all(calls).await {
        answer?;
    }
    Ok(())
}

/// Calls whose turn comes while nobody asks for their answers.
pub async fn asks_and_spins() -> ! {
    let mut calls: Vec<_> = (0..AT_ONCE).map(|_| Box::pin(state::load())).collect();
    for call in &mut calls {
        let _ = futures::poll!(call);
    }
    loop {
        std::hint::black_box(&calls);
    }
}

/// Holds up its thread, not only its task.
pub fn sleeps() -> ! {
    loop {
        std::thread::sleep(crate::HOUR);
    }
}

pub async fn sleeps_shortly() -> ! {
    loop {
        time::sleep(Duration::from_nanos(1)).await;
    }
}

pub async fn waits() -> ! {
    loop {
        time::sleep(crate::HOUR).await;
    }
}
