//! Tells when the source of a chore has changed, whatever its language. What is built is not source.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::Error;

/// How long after a change the others of the same save are waited for.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// Folders without source, beside hidden ones.
const NO_SOURCE: [&str; 3] = ["target", "node_modules", "__pycache__"];

pub(super) struct Sources {
    changed: Arc<Notify>,
    _watcher: RecommendedWatcher,
}

impl Sources {
    pub fn watch(folder: &Path) -> Result<Sources, Error> {
        let changed = Arc::<Notify>::default();
        let tell = changed.clone();
        let handler = move |event: notify::Result<Event>| {
            let read = |event: &Event| matches!(event.kind, EventKind::Access(_));
            let ours = |event: &Event| event.paths.iter().any(|path| is_source(path));
            // An error may hide a change.
            if event.as_ref().map_or(true, |event| !read(event) && ours(event)) {
                tell.notify_one();
            }
        };
        let watch = || {
            let mut watcher = notify::recommended_watcher(handler)?;
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            // With all that is in them.
            for inside in folders(folder) {
                watcher.watch(&inside, RecursiveMode::Recursive)?;
            }
            Ok(watcher)
        };
        let watcher = watch().map_err(|source| Error::Watch { path: folder.into(), source })?;
        Ok(Sources { changed, _watcher: watcher })
    }

    /// Returns once for all changes of one save.
    pub async fn changed(&mut self) {
        self.changed.notified().await;
        tokio::time::sleep(DEBOUNCE).await;
        // What came meanwhile is the same save.
        let _ = futures::FutureExt::now_or_never(self.changed.notified());
    }
}

/// Folders in a folder that may have source. That it cannot be read, watching it says.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let has_source = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.is_dir() && !name.starts_with('.') && !NO_SOURCE.contains(&&*name)
    };
    entries.map(|entry| entry.path()).filter(has_source).collect()
}

/// Not the lock file and what editors leave.
fn is_source(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    !hidden
        && matches!(extension, Some("rs" | "py" | "js" | "json" | "toml" | "wit" | "sql" | "proto"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn which_folders_may_have_source() {
        let here = tempfile::tempdir().unwrap();
        for name in ["src", "wit", "target", ".git", "node_modules", "package"] {
            std::fs::create_dir(here.path().join(name)).unwrap();
        }
        std::fs::write(here.path().join("chore.py"), "").unwrap();
        let mut found = folders(here.path());
        found.sort();
        assert_eq!(found, ["package", "src", "wit"].map(|name| here.path().join(name)));
    }

    #[test]
    fn what_is_source() {
        for (path, expected) in [
            ("src/lib.rs", true),
            ("chore.py", true),
            ("Cargo.toml", true),
            ("hello.toml", true),
            ("wit/world.wit", true),
            ("Cargo.lock", false),
            ("src/.lib.rs.swp", false),
            ("src/lib.rs~", false),
            ("__pycache__/chore.pyc", false),
            ("src/4913", false),
            ("target", false),
            ("/", false),
        ] {
            assert_eq!(is_source(Path::new(path)), expected, "{path}");
        }
    }
}
