//! A chore of contract 0.1.0 for ever: built with the frozen copy of that version and without the SDK,
//! it uses every interface a little, and fails at the first that does other than was published.

#![cfg(target_arch = "wasm32")]
#![allow(unsafe_code)]

mod uses;

use exports::chore::peer::lifecycle::{
    CloseReason, CycleSpec, Descriptor, Guest, OpenReason, SettingKind, SettingSpec, Tick,
};

wit_bindgen::generate!({
    path: "../../../wit/published/0.1.0",
    world: "chore",
    generate_all,
});

/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;

struct Contract;

export!(Contract);

impl Guest for Contract {
    fn describe() -> Descriptor {
        Descriptor {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            about: env!("CARGO_PKG_DESCRIPTION").to_owned(),
            cycles: vec![CycleSpec {
                name: "main".to_owned(),
                help: "uses every interface a little".to_owned(),
                interval: 3600 * SECOND,
                timeout: 60 * SECOND,
                delay_start: true,
            }],
            settings: vec![SettingSpec {
                name: "greeting".to_owned(),
                help: "what is saved".to_owned(),
                kind: SettingKind::Text,
                default: Some("hello".to_owned()),
            }],
            extensions: vec![("a-key".to_owned(), "that no host knows".to_owned())],
        }
    }

    async fn open(_: OpenReason) -> Result<(), String> {
        uses::make_table().await
    }

    async fn run(tick: Tick) -> Result<(), String> {
        uses::every_interface(&tick).await
    }

    async fn close(_: CloseReason) -> Result<(), String> {
        Ok(())
    }
}
