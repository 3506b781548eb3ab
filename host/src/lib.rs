//! A peer whose chores are WebAssembly components.
//!
//! Floors: imports go down only, or sideways. The tidy test reads this list.
//!
//! ```text
//! floor 8  main cli
//! floor 7  control planet panel
//! floor 6  peer
//! floor 5  registry folder checkup
//! floor 4  chore
//! floor 3  runtime
//! floor 2  bindings capability
//! floor 1  blocking identity signing order_stream transport kademlia database orders sql memory trust settlement intake uplink meters components ledger logs news supervisor traces
//! floor 0  error contract cycle plan package minisig grant manifest config descriptor status limits name units clock node_id history record why watch log_gate tidy
//! ```

pub mod bindings;
mod blocking;
pub mod capability;
pub mod checkup;
pub mod chore;
pub mod cli;
pub mod clock;
pub mod components;
pub mod config;
pub mod contract;
pub mod control;
pub mod cycle;
pub mod database;
pub mod descriptor;
pub mod error;
pub mod folder;
pub mod grant;
pub mod history;
pub mod identity;
pub mod intake;
pub mod kademlia;
pub mod ledger;
pub mod limits;
pub mod log_gate;
pub mod logs;
pub mod manifest;
pub mod memory;
pub mod meters;
pub mod minisig;
pub mod name;
pub mod news;
pub mod node_id;
mod order_stream;
pub mod orders;
pub mod package;
pub mod panel;
pub mod peer;
pub mod plan;
pub mod planet;
pub mod record;
pub mod registry;
pub mod runtime;
pub mod settlement;
pub mod signing;
pub mod sql;
pub mod status;
pub mod supervisor;
#[cfg(test)]
mod tidy;
pub mod traces;
pub mod transport;
pub mod trust;
pub mod units;
pub mod uplink;
pub mod watch;
pub mod why;
