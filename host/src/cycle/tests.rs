//! Tests of the cycle on a virtual clock. One file per question, one table per test.

use super::*;

mod clock_jumps;
mod model;
mod player;
mod properties;
mod rows_of_runs;
mod rows_of_schedule;
mod rows_of_slots;
mod storj;
mod witness;
