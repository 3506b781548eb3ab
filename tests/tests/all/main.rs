//! The integration tests, in one program so that they share what is built and compiled.

#![allow(clippy::unwrap_used)]

mod api;
mod authors;
mod bad_files;
mod bad_satellites;
mod broken_disk;
mod cache;
mod closing;
mod contract;
mod controls;
mod crash;
mod doctor;
mod failure_policy;
mod faults;
mod folder;
mod grants;
mod guests;
mod hot_swap;
mod ledger;
mod limits;
mod logs;
mod manners;
mod metrics;
mod operator;
mod packaging;
mod panel;
mod patched;
mod polyglot;
mod power_cut;
mod probation;
mod promql;
mod reconfigure;
mod reliability;
mod reload;
mod secrets;
mod settle;
mod signing;
mod supply_chain;
mod traces;
mod tutorial;
mod watchdog;
mod zoo;
