//! The directory itself: replaced, missing, or none of chores.

use super::*;

#[tokio::test]
async fn another_directory_in_its_place_is_followed() {
    let mut bench = Bench::new();
    bench.put("a.wasm", "0");
    bench.until_file("a.wasm", "0").await;

    // Removed, and there again after a look.
    fs::remove_dir_all(bench.directory()).unwrap();
    bench.until_missing().await;
    fs::create_dir(bench.directory()).unwrap();
    bench.put("a.wasm", "1");
    bench.until_file("a.wasm", "1").await;
    bench.quiet().await;
    bench.put("a.wasm", "2");
    bench.until_file("a.wasm", "2").await;
    bench.quiet().await;

    // Swapped by renames.
    let (old, new) = (bench.home.path().join("old"), bench.home.path().join("new"));
    fs::create_dir(&new).unwrap();
    fs::write(new.join("a.wasm"), "5").unwrap();
    fs::rename(bench.directory(), &old).unwrap();
    fs::rename(&new, bench.directory()).unwrap();
    bench.until_file("a.wasm", "5").await;
    bench.quiet().await;
    fs::write(old.join("a.wasm"), "of no interest").unwrap();
    assert!(timeout(QUIET, bench.folder.changed()).await.is_err(), "the old one is watched still");
    bench.put("a.wasm", "6");
    bench.until_file("a.wasm", "6").await;
}

#[tokio::test]
async fn a_directory_that_is_made_anew_between_two_looks_is_watched_anew() {
    let mut bench = Bench::new();
    bench.quiet().await;
    // Empty, so that on many file systems the new one gets the old one's inode.
    fs::remove_dir(bench.directory()).unwrap();
    fs::create_dir(bench.directory()).unwrap();
    bench.woken("the directory was removed").await;
    bench.quiet().await;
    bench.put("a.wasm", "1");
    bench.woken("a file in the new one").await;
    assert_eq!(kind(&bench.look().await, "a.wasm"), is("1"));
}

#[tokio::test]
async fn a_link_to_the_directory_is_followed_anew_at_each_look() {
    let mut bench = Bench::new();
    let (old, next) = (bench.home.path().join("old"), bench.home.path().join("next"));
    fs::rename(bench.directory(), &old).unwrap();
    symlink(&old, bench.directory()).unwrap();
    bench.quiet().await;
    // Nothing happens in the old directory: only a scan can notice.
    fs::create_dir(bench.home.path().join("new")).unwrap();
    symlink("new", &next).unwrap();
    fs::rename(&next, bench.directory()).unwrap();
    bench.look().await;
    bench.put("a.wasm", "1");
    bench.woken("a file in the new one").await;
    assert_eq!(kind(&bench.look().await, "a.wasm"), is("1"));
}

#[tokio::test]
async fn what_is_no_directory_of_chores_is_an_error() {
    let mut bench = Bench::new();
    let mut missing = Folder::open(bench.path("missing"), NEVER);
    let err = missing.look().await.err().unwrap();
    assert!(
        err.to_string().contains("missing does not exist: create it, or name another"),
        "{err}"
    );
    fs::create_dir(bench.path("missing")).unwrap();
    timeout(WAIT, missing.changed()).await.expect("it is tried again");
    assert!(missing.look().await.is_ok());

    bench.write("file", "");
    let err = Folder::open(bench.path("file"), NEVER).look().await.err().unwrap();
    assert!(matches!(err, Error::Read { .. }), "{err}");

    for number in 0..CHORES_FILES_MAX {
        File::create(bench.path(&format!("{number}"))).unwrap();
    }
    let err = bench.folder.look().await.err().unwrap();
    assert!(
        err.to_string().ends_with("has more than 10000 entries: is it the right one?"),
        "{err}"
    );
    fs::remove_file(bench.path("file")).unwrap();
    fs::remove_dir(bench.path("missing")).unwrap();
    assert!(bench.look().await.found.is_empty());
}
