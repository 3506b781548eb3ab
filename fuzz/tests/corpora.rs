//! Whatever was found or collected once goes through its target without a panic, in every run of the tests.

use std::path::Path;

use chore_fuzz::TARGETS;

#[test]
fn every_target_takes_its_corpus() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora").join(name);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|err| panic!("{folder:?}: {err}"));
        let mut count = 0;
        for file in files {
            let path = file.expect("an entry").path();
            eprintln!("{name}: {}", path.display());
            target(&std::fs::read(&path).expect("a file"));
            count += 1;
        }
        assert!(count > 0, "{name} has no corpus");
    }
}
