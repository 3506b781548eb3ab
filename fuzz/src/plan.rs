//! The plan against what it promises of any directory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use arbitrary::{Arbitrary, Unstructured};
use chore_host::name::ChoreName;
use chore_host::package::Digest;
use chore_host::plan::{self as planned, Files, Found, Kind, Known, Pair, Verdict};

/// Names that meet each other, so that rules about two files come into play.
const NAMES: [&str; 5] = ["a", "A", "b", "order-sender", ".hidden"];
const EXTENSIONS: [&str; 6] = [".wasm", ".toml", ".wasm.minisig", ".WASM", ".part", ""];

#[derive(Arbitrary, Debug)]
enum Name {
    Known(u8, u8),
    Any(Vec<u8>),
}

impl Name {
    fn file(self) -> OsString {
        match self {
            Name::Known(name, extension) => {
                let pick = |list: &[&'static str], at: u8| list[usize::from(at) % list.len()];
                format!("{}{}", pick(&NAMES, name), pick(&EXTENSIONS, extension)).into()
            }
            Name::Any(bytes) => OsString::from_vec(bytes),
        }
    }
}

/// Few contents, so that the same bytes are found again.
fn digest(content: u8) -> Digest {
    Digest::of(&[content % 4])
}

fn kind(kind: u8, content: u8) -> Kind {
    match kind % 8 {
        0 | 1 => Kind::File(digest(content)),
        2 => Kind::TooLarge,
        3 => Kind::Changing,
        4 => Kind::Gone,
        5 => Kind::Directory,
        6 => Kind::Other,
        _ => Kind::Unreadable,
    }
}

#[derive(Arbitrary, Debug)]
struct Story {
    found: Vec<(Name, u8, u8, u32)>,
    known: Vec<(u8, [Option<Bytes>; 4], bool, bool)>,
}

/// Component, config and signature.
type Bytes = (u8, Option<u8>, Option<u8>);

fn pair((component, manifest, signature): Bytes) -> Pair {
    let (manifest, signature) = (manifest.map(digest), signature.map(digest));
    Pair { component: digest(component), manifest, signature }
}

pub fn plan(bytes: &[u8]) {
    let Ok(story) = Story::arbitrary(&mut Unstructured::new(bytes)) else { return };
    // A directory has each name once.
    let found: BTreeMap<OsString, Found> = story
        .found
        .into_iter()
        .map(|(name, kind_of, content, size)| {
            let file_name = name.file();
            let found = Found {
                file_name: file_name.clone(),
                kind: kind(kind_of, content),
                size: size.into(),
            };
            (file_name, found)
        })
        .collect();
    let mut found: Vec<Found> = found.into_values().collect();
    let known: BTreeMap<ChoreName, Known> = story
        .known
        .into_iter()
        .filter_map(|(name, [running, refused, quarantined, unvouched], unloaded, busy)| {
            let name = ChoreName::new(NAMES[usize::from(name) % NAMES.len()]).ok()?;
            let [running, refused, quarantined, unvouched] =
                [running, refused, quarantined, unvouched].map(|of| of.map(pair));
            Some((name, Known { running, refused, quarantined, unvouched, unloaded, busy }))
        })
        .collect();
    let verdicts = planned::plan(&found, &known);
    found.reverse();
    assert_eq!(planned::plan(&found, &known), verdicts, "the order of the listing matters");
    for verdict in &verdicts {
        holds(verdict, &known);
    }
    settles(&found, known, verdicts);
}

/// What each verdict says of itself.
fn holds(verdict: &Verdict, known: &BTreeMap<ChoreName, Known>) {
    let of = |name: &ChoreName| known.get(name).cloned().unwrap_or_default();
    match verdict {
        Verdict::Load { name, files } => new(name, files, &of(name), |running| running.is_none()),
        Verdict::Replace { name, files } => new(name, files, &of(name), |running| {
            running.is_some_and(|running| running.component != files.pair.component)
        }),
        Verdict::Reconfigure { name, files } => new(name, files, &of(name), |running| {
            running.is_some_and(|running| running.component == files.pair.component)
        }),
        Verdict::Unload { name } => {
            let known = of(name);
            assert!(known.running.is_some() && !known.busy && !known.unloaded, "{verdict:?}");
        }
        Verdict::Keep { .. } | Verdict::Refuse { .. } | Verdict::Note { .. } => {}
    }
}

fn new(name: &ChoreName, files: &Files, known: &Known, running: impl Fn(Option<Pair>) -> bool) {
    assert!(running(known.running) && !known.busy && !known.unloaded, "{name}: {known:?}");
    let tried = [known.running, known.refused, known.quarantined];
    assert!(!tried.contains(&Some(files.pair)), "{name} is tried again");
    assert_eq!(files.component, format!("{name}.wasm").as_str());
    assert_eq!(files.manifest.is_some(), files.pair.manifest.is_some());
}

/// Once it is done, there is nothing more to do.
fn settles(found: &[Found], mut known: BTreeMap<ChoreName, Known>, verdicts: Vec<Verdict>) {
    for verdict in verdicts {
        match verdict {
            Verdict::Load { name, files }
            | Verdict::Replace { name, files }
            | Verdict::Reconfigure { name, files } => {
                known.entry(name).or_default().running = Some(files.pair);
            }
            Verdict::Unload { name } => known.entry(name).or_default().running = None,
            Verdict::Keep { .. } | Verdict::Refuse { .. } | Verdict::Note { .. } => {}
        }
    }
    let again = planned::plan(found, &known);
    let idle = |verdict: &Verdict| {
        matches!(verdict, Verdict::Keep { .. } | Verdict::Refuse { .. } | Verdict::Note { .. })
    };
    assert!(again.iter().all(idle), "{again:?}");
}
