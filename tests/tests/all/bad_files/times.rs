//! Files that are bad for a while only: half of them is there, or they come and go faster than they
//! are compiled; and a chores directory that does so.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chore_host::registry::ControlError;
use chore_host::sql::{Sql, Value};
use chore_host::status::ChangeKind;
use testplanet::{Build, LONG, PATCHED, SENDER, SENDER_GRANTS, chore, drop_into, eventually};

use super::{Bench, OFTEN, OTHER, Runs, assert_reason};

/// Less than the time for which a file must rest. An attempt in which this machine was so slow that
/// a file rested longer says nothing, and is made again.
const PAUSE_MAX: Duration = Duration::from_millis(150);
const ATTEMPTS_MAX: u32 = 20;

fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// What runs once `build` has taken over.
fn next(before: &Runs, build: &Build) -> Runs {
    Runs { generation: before.generation + 1, digest: build.digest() }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_file_is_refused_until_the_rest_is_there() {
    let bench = Bench::start().await;
    let runs = bench.runs(PATCHED);
    let builds = [(PATCHED, Build::patched().stamped(1)), (OTHER, Build::patched().name(OTHER))];
    for (name, build) in &builds {
        let half = build.bytes().len() / 2;
        fs::write(bench.path(name), &build.bytes()[..half]).unwrap();
    }
    bench.reload().await;
    let refused = chore(bench.node(), PATCHED).refused.expect("half a file");
    assert_reason("over", &refused.reason, "ends in the middle");
    assert_reason("beside", &chore(bench.node(), OTHER).reason, "ends in the middle");
    bench.unhurt("half", &runs).await;

    for (name, build) in &builds {
        append(&bench.path(name), &build.bytes()[build.bytes().len() / 2..]);
    }
    let kinds: BTreeSet<_> =
        bench.reload().await.iter().map(|change| format!("{:?}", change.kind)).collect();
    assert_eq!(kinds, BTreeSet::from(["Loaded".to_owned(), "Replaced".to_owned()]));
    bench.unhurt("whole", &next(&runs, &builds[0].1)).await;
    assert_eq!(chore(bench.node(), PATCHED).refused, None);
    assert_eq!(bench.runs(OTHER), Runs { generation: 1, digest: builds[1].1.digest() });
    bench.planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_written_slowly_is_taken_once_when_it_is_whole() {
    const CHUNKS: usize = 40;
    let bench = Bench::start().await;
    for attempt in 1..=ATTEMPTS_MAX {
        let runs = bench.runs(PATCHED);
        let build = Build::patched().stamped(attempt);
        let path = bench.path(PATCHED);
        fs::write(&path, b"").unwrap();
        let handle = bench.node().handle();
        let reload = tokio::spawn(async move { handle.reload(None, false).await.unwrap() });
        let (mut last, mut pause) = (Instant::now(), Duration::ZERO);
        for chunk in build.bytes().chunks(build.bytes().len().div_ceil(CHUNKS)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            append(&path, chunk);
            pause = pause.max(last.elapsed());
            last = Instant::now();
        }
        let changes = reload.await.unwrap();
        if pause > PAUSE_MAX {
            eprintln!("again: it paused for {pause:?}");
            bench.reload().await;
            continue;
        }
        let kinds: Vec<ChangeKind> = changes.iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [ChangeKind::Replaced], "{changes:?}");
        bench.unhurt("whole", &next(&runs, &build)).await;
        bench.assert_clean("whole");
        return bench.planet.shutdown().await;
    }
    panic!("this machine is too slow");
}

#[tokio::test(flavor = "multi_thread")]
async fn however_a_file_is_replaced_nothing_is_closed() {
    type Replace = fn(&Path, &[u8]);
    let table: [(&str, Replace); 5] = [
        ("written over", |path, bytes| fs::write(path, bytes).unwrap()),
        ("renamed over", |path, bytes| {
            let part = path.with_extension("part");
            fs::write(&part, bytes).unwrap();
            fs::rename(part, path).unwrap();
        }),
        ("removed and written", |path, bytes| {
            fs::remove_file(path).unwrap();
            fs::write(path, bytes).unwrap();
        }),
        ("removed and renamed", |path, bytes| {
            let part = path.with_extension("part");
            fs::write(&part, bytes).unwrap();
            fs::remove_file(path).unwrap();
            fs::rename(part, path).unwrap();
        }),
        ("kept as a backup and written", |path, bytes| {
            fs::rename(path, path.with_extension("wasm~")).unwrap();
            fs::write(path, bytes).unwrap();
        }),
    ];
    let bench = Bench::start().await;
    let mut number = 0;
    for (what, replace) in table {
        for attempt in 1.. {
            assert!(attempt < ATTEMPTS_MAX, "this machine is too slow");
            number += 1;
            let (runs, build) = (bench.runs(PATCHED), Build::patched().stamped(number));
            let begun = Instant::now();
            replace(&bench.path(PATCHED), build.bytes());
            let elapsed = begun.elapsed();
            let changes = bench.reload().await;
            if elapsed > PAUSE_MAX {
                eprintln!("again: {what} took {elapsed:?}");
                continue;
            }
            let closed = |kind| matches!(kind, ChangeKind::Unloaded | ChangeKind::Refused);
            assert!(!changes.iter().any(|change| closed(change.kind)), "{what}: {changes:?}");
            // Counted anew if it had been unloaded.
            bench.unhurt(what, &next(&runs, &build)).await;
            bench.assert_clean(what);
            break;
        }
    }
    bench.planet.shutdown().await;
}

/// The iterations that [`PATCHED`] wrote down, in that order.
async fn iterations(bench: &Bench) -> Vec<i64> {
    let path = bench.node().home().databases().join(format!("{PATCHED}.db"));
    let database = Sql::new(path);
    let select = "SELECT iteration FROM runs ORDER BY rowid";
    let rows = database.query(select, vec![], LONG).await.unwrap();
    database.close().await.unwrap();
    let iteration = |row: Vec<Value>| match row.as_slice() {
        [Value::Integer(iteration)] => *iteration,
        other => panic!("{other:?}"),
    };
    rows.into_iter().map(iteration).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_replacements_in_a_second_the_last_runs_and_no_run_is_lost() {
    const REPLACEMENTS: u32 = 100;
    let bench = Bench::start().await;
    let before = bench.runs(PATCHED);
    let good = Build::patched();
    let builds: Vec<Build> = (1..=REPLACEMENTS).map(|n| good.clone().stamped(n)).collect();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / REPLACEMENTS);
    for build in &builds {
        ticks.tick().await;
        bench.drop(PATCHED, build);
        bench.assert_clean("in between");
    }
    bench.reload().await;
    let runs = bench.runs(PATCHED);
    assert_eq!(runs.digest, builds[builds.len() - 1].digest());
    let taken = runs.generation - before.generation;
    assert!((1..=u64::from(REPLACEMENTS)).contains(&taken), "{taken}");
    bench.unhurt("the last runs", &runs).await;
    bench.assert_clean("the last runs");
    bench.node().stop().await.unwrap();
    let found = iterations(&bench).await;
    // A run that gave way to a replacement had its number, and wrote nothing down.
    let missing: Vec<i64> = found.windows(2).map(|pair| pair[1] - pair[0] - 1).collect();
    let gave_way = u64::try_from(missing.iter().sum::<i64>()).expect("none is there twice");
    let one_by_one = found[0] == 1 && missing.iter().all(|missing| (0..=1).contains(missing));
    assert!(one_by_one && gave_way <= taken, "after {taken} replacements: {found:?}");
    bench.planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_while_it_is_compiled_is_not_there() {
    let bench = Bench::start().await;
    let runs = bench.runs(PATCHED);
    let build = |number| Build::patched().name(OTHER).stamped(number);
    for number in 1..=20 {
        bench.drop(OTHER, &build(number));
        // Half of them before anybody looked.
        if number % 2 == 0 {
            eventually("it is being loaded", || async { bench.status(OTHER).is_some() }).await;
        }
        fs::remove_file(bench.path(OTHER)).unwrap();
        bench.reload().await;
        bench.assert_clean("it is gone");
    }
    bench.unhurt("it is gone", &runs).await;
    bench.drop(OTHER, &build(0));
    // By its name, though nobody has looked yet.
    let changes = bench.node().handle().reload(Some(OTHER), false).await.unwrap();
    assert_eq!(changes[0].kind, ChangeKind::Loaded, "{changes:?}");
    assert_eq!(bench.runs(OTHER), Runs { generation: 1, digest: build(0).digest() });
    bench.planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_while_it_takes_over_is_unloaded() {
    let bench = Bench::start().await;
    for number in 1..=10 {
        let before = bench.runs(PATCHED);
        bench.drop(PATCHED, &Build::patched().stamped(number));
        fs::remove_file(bench.path(PATCHED)).unwrap();
        bench.reload().await;
        assert!(bench.status(PATCHED).is_none(), "{number}");
        bench.drop(PATCHED, &Build::patched());
        bench.reload().await;
        assert_eq!(bench.runs(PATCHED), before);
    }
    bench.unhurt("it is back", &bench.runs(PATCHED)).await;
    bench.planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_that_takes_a_files_place_at_any_moment_blocks_no_look() {
    let bench = Bench::start().await;
    let runs = bench.runs(PATCHED);
    let (path, kept) = (bench.path(OTHER), bench.chores().join("kept"));
    let (fifo, part) = (bench.chores().join("fifo"), bench.chores().join("part"));
    fs::write(&kept, Build::patched().name(OTHER).bytes()).unwrap();
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let place = path.clone();
    let flips = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            for turn in [&kept, &fifo] {
                fs::hard_link(turn, &part).unwrap();
                fs::rename(&part, &place).unwrap();
            }
        }
    });
    for _ in 0..200 {
        let answered = tokio::time::timeout(LONG, bench.reload()).await;
        answered.expect("a look waits for somebody to write to the FIFO");
    }
    bench.unhurt("while they take turns", &runs).await;
    stop.store(true, Ordering::Relaxed);
    flips.join().unwrap();
    fs::remove_file(path).unwrap();
    bench.reload().await;
    bench.assert_clean("without them");
    bench.planet.shutdown().await;
}

/// The files of a good directory, in another one.
fn fill(directory: &Path, patched: &Build) {
    fs::create_dir(directory).unwrap();
    let sender = Build::of(SENDER);
    drop_into(directory, &format!("{SENDER}.toml"), SENDER_GRANTS.as_bytes());
    drop_into(directory, &format!("{SENDER}.wasm"), sender.bytes());
    drop_into(directory, &format!("{PATCHED}.toml"), OFTEN.as_bytes());
    drop_into(directory, &format!("{PATCHED}.wasm"), patched.bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_directory_what_runs_goes_on_and_another_one_is_followed() {
    type Act = fn(&Path, &Path);
    // How the directory goes, and how it comes back.
    let table: [(&str, Act, Act); 3] = [
        (
            "moved away and back",
            |chores, away| fs::rename(chores, away).unwrap(),
            |chores, away| fs::rename(away, chores).unwrap(),
        ),
        (
            "removed and made anew",
            |chores, _| fs::remove_dir_all(chores).unwrap(),
            |chores, away| {
                fill(away, &Build::patched());
                fs::rename(away, chores).unwrap();
            },
        ),
        (
            "a file in its place",
            |chores, away| {
                fs::rename(chores, away).unwrap();
                fs::write(chores, b"").unwrap();
            },
            |chores, away| {
                fs::remove_file(chores).unwrap();
                fs::rename(away, chores).unwrap();
            },
        ),
    ];
    let bench = Bench::start().await;
    let runs = bench.runs(PATCHED);
    let (chores, away) = (bench.chores(), bench.node().home().root().join("away"));
    for (what, go, come) in table {
        go(&chores, &away);
        let refused = bench.node().handle().reload(None, false).await.unwrap_err();
        assert!(matches!(refused, ControlError::Folder(_)), "{what}: {refused}");
        let problem = bench.node().handle().status().problem;
        assert_reason(what, &problem, &chores.display().to_string());
        bench.unhurt(what, &runs).await;
        come(&chores, &away);
        eventually("it is followed again", || async {
            bench.node().handle().status().problem.is_empty()
        })
        .await;
        assert_eq!(bench.reload().await, [], "{what}");
        bench.unhurt(what, &runs).await;
        bench.assert_clean(what);
    }

    fs::remove_dir_all(&chores).unwrap();
    fs::create_dir(&chores).unwrap();
    eventually("an empty one unloads them", || async {
        bench.node().handle().status().chores.is_empty()
    })
    .await;
    fs::remove_dir(&chores).unwrap();
    let another = Build::patched().stamped(1);
    fill(&chores, &another);
    eventually("a full one loads them", || async {
        let loaded = |name| bench.status(name).is_some_and(|of| of.state == "loaded");
        loaded(PATCHED) && loaded(SENDER)
    })
    .await;
    bench.unhurt("anew", &Runs { generation: 1, digest: another.digest() }).await;
    bench.planet.shutdown().await;
}
