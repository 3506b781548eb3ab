//! What must be true of the databases of a node and its satellite, whatever happened to them: read
//! from the files, past the code that wrote them.

use std::collections::BTreeSet;
use std::path::Path;

use chore_host::peer::Home;
use rusqlite::{Connection, OptionalExtension};

pub type Serial = Vec<u8>;

/// What both sides have written down about the orders of one node with one satellite.
#[derive(Debug, Default)]
pub struct Books {
    unsent: Vec<Serial>,
    accepted: Vec<Serial>,
    rejected: Vec<Serial>,
    /// At the satellite.
    settled: BTreeSet<Serial>,
}

impl Books {
    /// Reads the satellite's last. Fails if its sums are not those of what it settled.
    pub fn read(node: &Home, satellite: &Home) -> Result<Books, String> {
        let mut books = Books::default();
        if let Some(orders) = open(&node.orders())? {
            books.unsent = serials(&orders, "unsent", "1")?;
            books.accepted = serials(&orders, "archived", "status = 1")?;
            books.rejected = serials(&orders, "archived", "status = 2")?;
            let archived = count(&orders, "SELECT count(*) FROM archived")?;
            if archived != (books.accepted.len() + books.rejected.len()) as u64 {
                return Err("an archived order is neither accepted nor rejected".into());
            }
        }
        if let Some(settlement) = open(&satellite.data().join("settlement.db"))? {
            books.settled = serials(&settlement, "settled", "1")?.into_iter().collect();
            if !books.settled.is_empty() {
                let of = |sql| count(&settlement, sql);
                let rows =
                    (of("SELECT count(*) FROM settled")?, of("SELECT sum(amount) FROM settled")?);
                let sums =
                    (of("SELECT sum(accepted) FROM totals")?, of("SELECT sum(bytes) FROM totals")?);
                if rows != sums {
                    return Err(format!("settled are {rows:?}, and the sums say {sums:?}"));
                }
            }
        }
        Ok(books)
    }

    /// That no order of `acknowledged` is lost, none is there twice, none is paid that the node does
    /// not know, none is archived as paid that is not, and none is there that nobody offered.
    pub fn check(
        &self,
        acknowledged: &BTreeSet<Serial>,
        offered: &BTreeSet<Serial>,
    ) -> Result<(), String> {
        let known = self.known();
        let rows = self.unsent.len() + self.accepted.len() + self.rejected.len();
        let missing = |of: &BTreeSet<Serial>, from: &BTreeSet<Serial>| of.difference(from).count();
        let accepted: BTreeSet<_> = self.accepted.iter().cloned().collect();
        for (what, count) in [
            ("are there twice", rows - known.len()),
            ("were acknowledged and are lost", missing(acknowledged, &known)),
            ("are there and were never offered", missing(&known, offered)),
            ("are archived as accepted and not settled", missing(&accepted, &self.settled)),
            ("are settled and not known to their node", missing(&self.settled, &known)),
            ("were rejected", self.rejected.len()),
        ] {
            if count > 0 {
                return Err(format!("{count} orders {what}: {}", self.summary()));
            }
        }
        Ok(())
    }

    /// Nothing is left to do.
    pub fn is_settled(&self) -> bool {
        self.unsent.is_empty() && self.settled.len() == self.accepted.len()
    }

    pub fn known(&self) -> BTreeSet<Serial> {
        self.unsent.iter().chain(&self.accepted).chain(&self.rejected).cloned().collect()
    }

    pub fn summary(&self) -> String {
        let Books { unsent, accepted, rejected, settled } = self;
        format!(
            "{} unsent, {} accepted, {} rejected, {} settled",
            unsent.len(),
            accepted.len(),
            rejected.len(),
            settled.len()
        )
    }
}

/// That SQLite finds nothing wrong with any database of a home.
pub fn whole(home: &Home) -> Result<(), String> {
    let data = home.data();
    for folder in [&data, &home.databases()] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == "db")
                && let Some(connection) = open(&path)?
            {
                let said = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0));
                let said: String = said.map_err(|err| failed(&path, &err))?;
                if said != "ok" {
                    return Err(format!("{}: {said}", path.display()));
                }
            }
        }
    }
    Ok(())
}

/// That each run in the ledger of a peer that does not run has an end, and that none is left out.
pub fn ledger(home: &Home) -> Result<(), String> {
    let Some(ledger) = open(&home.ledger())? else { return Ok(()) };
    let open = count(&ledger, "SELECT count(*) FROM run WHERE outcome IS NULL")?;
    let gaps = count(&ledger, "SELECT coalesce(max(id), 0) - count(*) FROM run")?;
    match (open, gaps) {
        (0, 0) => Ok(()),
        _ => Err(format!("in the ledger {open} runs have no end, and {gaps} are left out")),
    }
}

/// Recovers it, as its peer would. `None` if it was not yet made when its peer ended.
fn open(path: &Path) -> Result<Option<Connection>, String> {
    if !path.exists() {
        return Ok(None);
    }
    let connection = Connection::open(path).map_err(|err| failed(path, &err))?;
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    let is_made = version.map_err(|err| failed(path, &err))? > 0;
    // A chore's own has no version.
    let is_own = path.parent().is_some_and(|parent| parent.ends_with("chores"));
    // One moment for all that is read, in case its peer lives.
    connection.execute_batch("BEGIN").map_err(|err| failed(path, &err))?;
    Ok((is_made || is_own).then_some(connection))
}

fn serials(connection: &Connection, table: &str, so: &str) -> Result<Vec<Serial>, String> {
    let sql = format!("SELECT serial FROM {table} WHERE {so}");
    let read = || -> rusqlite::Result<Vec<Serial>> {
        let mut statement = connection.prepare(&sql)?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    read().map_err(|err| format!("{sql}: {err}"))
}

fn count(connection: &Connection, sql: &str) -> Result<u64, String> {
    let found = connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).optional();
    let found = found.map_err(|err| format!("{sql}: {err}"))?;
    Ok(found.flatten().unwrap_or(0).unsigned_abs())
}

fn failed(path: &Path, err: &rusqlite::Error) -> String {
    format!("{}: {err}", path.display())
}
