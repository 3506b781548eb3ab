//! A run that takes memory and gives none back, until it gets no more.

use chore_sdk::prelude::*;

/// Grows.
#[derive(Settings)]
struct RunGrows;

/// One allocation, in bytes.
const STEP_BYTES: usize = 1024 * 1024;

#[chore(interval = "1h", timeout = "1h")]
impl Chore for RunGrows {
    async fn run(&mut self, _: Tick) -> Result<()> {
        let mut taken: Vec<Vec<u8>> = Vec::new();
        loop {
            taken.push(vec![1; STEP_BYTES]);
            std::hint::black_box(&taken);
        }
    }
}

chore_sdk::export!(RunGrows);
