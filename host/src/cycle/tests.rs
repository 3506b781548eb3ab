//! Tests of the cycle on a virtual clock. One file per question, one table per test.

mod clock_jumps;
mod contract;
mod model;
mod player;
mod properties;
mod storj;
