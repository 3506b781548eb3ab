//! Files of the chores directory that are no chores: each is refused with what to do, and the peer
//! runs on with the good one.

use std::fs;
use std::os::unix::fs::symlink;

use testplanet::{SENDER, SENDER_GRANTS, Testplanet, chore, component};

/// A core module of nothing.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A component of nothing.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_file_has_one_clear_line() {
    let planet = Testplanet::start(1, 1).await;
    planet.node(0).stop().await.unwrap();
    let chores = planet.node(0).home().chores();
    let sender = fs::read(component(SENDER)).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(chores.join(name), bytes).unwrap();
    write("text.wasm", b"hello, I am a text file");
    write("empty.wasm", b"");
    write("module.wasm", MODULE);
    write("world.wasm", COMPONENT);
    write("half.wasm", &sender[..sender.len() / 2]);
    write("Twice.wasm", COMPONENT);
    write("twice.wasm", COMPONENT);
    write("under_score.wasm", &sender);
    write("renamed.wasm", &sender);
    write("renamed.toml", SENDER_GRANTS.as_bytes());
    write("typo.wasm", &sender);
    write("typo.toml", b"grnats = []\n");
    write("negative.wasm", &sender);
    write("negative.toml", b"[cycles.main]\ninterval = \"-5s\"\n");
    write("zero.wasm", &sender);
    write("zero.toml", b"[cycles.main]\ninterval = \"0s\"\n");
    write("unitless.wasm", &sender);
    write("unitless.toml", b"[cycles.main]\ninterval = \"5\"\n");
    write("lonely.toml", b"");
    fs::create_dir(chores.join("folder.wasm")).unwrap();
    symlink("/etc/hostname", chores.join("outside.wasm")).unwrap();
    symlink("nowhere", chores.join("dangling.wasm")).unwrap();
    planet.node(0).start().await.unwrap();

    let table = [
        ("text", "looks like text"),
        ("empty", "the file is empty"),
        ("module", "build it for the target wasm32-wasip2"),
        ("world", "of another world"),
        ("half", "ends in the middle"),
        ("Twice.wasm", "keep one of them"),
        ("twice", "keep one of them"),
        ("under_score.wasm", "as in \"under-score\""),
        ("renamed", "rename its file to order-sender.wasm"),
        ("typo", "did you mean \"grants\""),
        ("negative", "-5s"),
        ("zero", "interval"),
        ("unitless", "unit"),
        ("folder", "is a directory"),
        ("outside", "not a regular file inside"),
        ("dangling", "not a regular file inside"),
    ];
    for (name, part) in table {
        let refused = chore(planet.node(0), name);
        assert_eq!(refused.state, "refused", "{name}");
        assert!(refused.reason.contains(part), "{name}: {}", refused.reason);
        assert!(!refused.reason.contains('\n'), "{name}: {}", refused.reason);
    }
    assert_eq!(chore(planet.node(0), SENDER).state, "loaded");
    assert_eq!(planet.node(0).handle().status().chores.len(), table.len() + 1);
    planet.shutdown().await;
}
