//! `chore repair`: saves what can be read of databases that are damaged, while no peer runs, and keeps
//! the damaged files.

use serde_json::json;

use super::output::Out;
use super::show::plain;
use super::{Error, doctor};
use crate::clock::Timestamp;
use crate::control;
use crate::database::{Saved, save, set_aside};
use crate::peer::Home;

pub(super) fn repair(out: &Out, home: &Home) -> Result<u8, Error> {
    if !home.config().exists() {
        return Err(Error::NotSetUp(home.root().into()));
    }
    // Held to the end, so that no peer starts meanwhile.
    let _claim = control::claim(&home.socket())?;
    let mut repaired = Vec::new();
    for path in doctor::damaged(home) {
        let failed =
            |source| Error::File { operation: "rename database", path: path.clone(), source };
        let kept = set_aside(&path, Timestamp::now()).map_err(failed)?;
        let failed = |source| Error::Repair { path: path.clone(), kept: kept.clone(), source };
        let saved = save(&kept, &path).map_err(failed)?;
        out.tell(&plain(&sentence(&path.display().to_string(), saved)))?;
        out.tell(&plain(&format!("  the damaged file is {}", kept.display())))?;
        let (tables, rows, gaps) =
            saved.map_or((0, 0, 0), |saved| (saved.tables, saved.rows, saved.gaps));
        repaired.push(json!({
            "file": path, "damaged": kept, "tables": tables, "rows": rows, "gaps": gaps,
        }));
    }
    match (repaired.is_empty(), out.json) {
        (_, true) => out.value(&repaired)?,
        (true, false) => out.line("no database is damaged")?,
        (false, false) => {}
    }
    Ok(0)
}

fn sentence(file: &str, saved: Option<Saved>) -> String {
    match saved {
        None => format!("{file}: nothing can be read; the peer begins a new one"),
        Some(Saved { tables, rows, gaps: 0 }) => {
            format!("{file}: all {rows} rows that it has in {tables} tables are saved")
        }
        Some(Saved { tables, rows, gaps }) => format!(
            "{file}: {rows} rows in {tables} tables are saved; {gaps} places could not be read"
        ),
    }
}
