//! Chores are replaced while their peer runs: what takes over, and what does not.

use chore_host::status::ChangeKind;
use testplanet::{Build, PATCHED, Testplanet, chore, drop_chore, eventually, told};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_takes_over_by_itself_and_goes_on_where_the_old_one_was() {
    let planet = Testplanet::start(1, 1).await;
    let node = planet.node(0);
    drop_chore(node, PATCHED, &Build::patched(), None);
    eventually("it is loaded", || async {
        node.handle()
            .status()
            .chores
            .iter()
            .any(|chore| chore.name == PATCHED && chore.state == "loaded")
    })
    .await;
    assert_eq!(told(&planet.trigger_wait(0, PATCHED).await.outcome), "succeeded");
    let changes = node.handle().reload(None, false).await.unwrap();
    assert_eq!(changes, []);
    drop_chore(node, PATCHED, &Build::patched().version("1.7.101"), None);
    let changes = node.handle().reload(Some(PATCHED), false).await.unwrap();
    assert_eq!(changes[0].kind, ChangeKind::Replaced, "{changes:?}");
    eprintln!("{changes:#?}");
    let now = chore(node, PATCHED);
    assert_eq!((now.version.as_str(), now.generation), ("1.7.101", 2));
    planet.shutdown().await;
}
