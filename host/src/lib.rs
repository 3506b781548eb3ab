//! A peer whose chores are WebAssembly components.
//!
//! Floors: imports go down only, or sideways. The tidy test reads this list.
//!
//! ```text
//! floor 8  main cli
//! floor 7  control planet
//! floor 6  peer
//! floor 5  registry
//! floor 4  chore
//! floor 3  runtime
//! floor 2  bindings capability
//! floor 1  identity transport kademlia database orders sql memory trust settlement intake uplink meters
//! floor 0  cycle plan package grant manifest config descriptor status limits name units clock node_id signing tidy
//! ```
