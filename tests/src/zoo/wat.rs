//! Makes a component of a hostile guest that is written by hand: the fields of one core module in the
//! text format, and what every chore needs where they say nothing of it.
//!
//! A file is the inside of `(module …)`. Imports and exports have the names that the Canonical ABI's
//! tools give them, such as `chore:peer/lifecycle@0.1.0#run`. What a file does not export itself, it
//! gets: one memory; a `cabi_realloc` that hands out from 64 KiB on and gives nothing back; a
//! `describe` that answers [`DESCRIPTOR`]; `open`, `run` and `close` that succeed.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The interface that a chore exports.
const LIFECYCLE: &str = "chore:peer/lifecycle@0.1.0";

/// The world that a chore is of.
const WORLD: &str = "chore:peer/chore@0.1.0";

/// Where the descriptor stands in the memory of every guest: `name`, `version`, `about`, `cycles`,
/// `settings` and `extensions`, an address and a length each. A guest that lies writes over it.
const DESCRIPTOR: u32 = 1024;

/// Its only cycle: `name` and `help`, an address and a length each, `interval`, `timeout`,
/// `delay-start`.
const CYCLE: u32 = 1088;

/// Where the texts of both are.
const TEXTS: u32 = 1152;

const HOUR_NANOS: u64 = 3_600_000_000_000;

/// A bump allocator over a memory that grows.
const REALLOC: &str = r#"
(global $heap (mut i32) (i32.const 65536))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (local $at i32)
  (local.set $at (i32.and
    (i32.add (global.get $heap) (i32.sub (local.get 2) (i32.const 1)))
    (i32.sub (i32.const 0) (local.get 2))))
  (global.set $heap (i32.add (local.get $at) (local.get 3)))
  (block $fits (loop $grow
    (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
    (br_if $grow (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))
    (unreachable)))
  (local.get $at))
"#;

/// The component of a chore called `name`, of the fields of its module.
pub fn component(name: &str, fields: &str) -> Vec<u8> {
    let text = module(name, fields);
    let mut module = wat::parse_str(&text).unwrap_or_else(|err| panic!("{name}: {err}"));
    let mut resolve = Resolve::default();
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let (package, _) = resolve.push_dir(contract).expect("the contract is read");
    let world = resolve.select_world(&[package], Some(WORLD)).expect("the contract has its world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .unwrap_or_else(|err| panic!("{name}: {err:#}"));
    let encoded = ComponentEncoder::default().module(&module).and_then(|encoder| {
        // What is wrong with it is for the peer to find out.
        encoder.validate(false).encode()
    });
    encoded.unwrap_or_else(|err| panic!("{name}: {err:#}"))
}

fn module(name: &str, fields: &str) -> String {
    let mut text = format!("(module\n{fields}\n");
    let has = |export: &str| fields.contains(&format!("(export \"{export}\")"));
    if !has("memory") {
        text.push_str("(memory (export \"memory\") 2)\n");
    }
    if !has("cabi_realloc") {
        text.push_str(REALLOC);
    }
    text.push_str(&descriptor(name));
    let describe = format!("(result i32) (i32.const {DESCRIPTOR})");
    // A result that is no error is all zeros, and so is what nobody wrote to.
    let (one, tick) =
        ("(param i32) (result i32) (i32.const 512)", "i32 i32 i64 i32 i64 i64 i32 i32");
    let run = format!("(param {tick}) (result i32) (i32.const 512)");
    for (function, body) in
        [("describe", describe.as_str()), ("open", one), ("run", &run), ("close", one)]
    {
        let export = format!("{LIFECYCLE}#{function}");
        if !has(&export) && !has(&format!("[async-lift]{export}")) {
            text.push_str(&format!("(func (export \"{export}\") {body})\n"));
        }
    }
    text.push(')');
    text
}

/// The data segments of a sound descriptor.
fn descriptor(name: &str) -> String {
    let texts = [name, "1.0.0", "Hostile.", "main"];
    let mut at = TEXTS;
    let [name, version, about, main] = texts.map(|text| {
        let length = u32::try_from(text.len()).expect("short");
        let place = [at, length];
        at += length;
        place
    });
    let record = [name, version, about, [CYCLE, 1], [0, 0], [0, 0]].concat();
    let record: Vec<u8> = record.into_iter().flat_map(u32::to_le_bytes).collect();
    let mut cycle: Vec<u8> =
        [main, [0, 0]].concat().into_iter().flat_map(u32::to_le_bytes).collect();
    cycle.extend([HOUR_NANOS; 2].into_iter().flat_map(u64::to_le_bytes));
    // It waits to be triggered.
    cycle.push(1);
    let segment = |at: u32, bytes: &[u8]| {
        let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        format!("(data (i32.const {at}) \"{escaped}\")\n")
    };
    [
        segment(DESCRIPTOR, &record),
        segment(CYCLE, &cycle),
        segment(TEXTS, texts.concat().as_bytes()),
    ]
    .concat()
}
