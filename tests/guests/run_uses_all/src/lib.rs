//! A run that uses every capability that needs no grant, and fails at the first that does other than
//! the contract says.

use chore_sdk::prelude::*;

/// Uses what it has.
#[derive(Settings)]
struct RunUsesAll {
    /// How many rows it writes and reads.
    #[setting(default = 2_000)]
    rows: u64,
}

#[chore(interval = "1h", timeout = "1m")]
impl Chore for RunUsesAll {
    async fn open(&mut self, _: OpenReason) -> Result<()> {
        sql::execute("CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v TEXT)", params![])
            .await?;
        Ok(())
    }

    async fn run(&mut self, tick: Tick) -> Result<()> {
        if tick.cycle == "added" {
            return cycle::remove("added");
        }
        self.transactions().await.context("transactions")?;
        self.rows().await.context("rows")?;
        refusals().await.context("refusals")?;
        metrics::count("uses_total", &[("what", "sql")], self.rows);
        cycle::add("added", Duration::from_secs(3600), Duration::from_secs(60))?;
        cycle::trigger("added")?;
        state::save_text(self.rows).await
    }
}

impl RunUsesAll {
    async fn transactions(&self) -> Result<()> {
        sql::execute("DELETE FROM t", params![]).await?;
        let dropped = sql::begin().await?;
        dropped.execute("INSERT INTO t VALUES (0, 'gone')", params![]).await?;
        drop(dropped);
        let kept = sql::begin().await?;
        for k in 1..=self.rows {
            kept.execute("INSERT INTO t VALUES (?1, ?2)", params![k as i64, "kept"]).await?;
        }
        kept.commit().await
    }

    async fn rows(&self) -> Result<()> {
        let Some(row) = sql::query_row("SELECT count(*), min(k) FROM t", params![]).await? else {
            bail!("no row");
        };
        let (count, least): (u64, u64) = (row.get(0)?, row.get(1)?);
        let mut rows = sql::stream("SELECT k FROM t ORDER BY k", params![]).await?;
        let mut sum = 0;
        while let Some(row) = rows.next().await? {
            sum += row.get::<u64>(0)?;
        }
        if (count, least, sum) != (self.rows, 1, self.rows * (self.rows + 1) / 2) {
            bail!("{count} rows from {least}, {sum} in all");
        }
        Ok(())
    }
}

/// What must not work, and how it must fail.
async fn refusals() -> Result<()> {
    let table = [
        ("ATTACH '/tmp/other.db' AS other", Kind::Denied),
        ("VACUUM INTO '/tmp/copy.db'", Kind::Invalid),
        ("PRAGMA journal_mode = DELETE", Kind::Denied),
        ("BEGIN", Kind::Denied),
        ("INSERT INTO t VALUES (1, 'twice')", Kind::Conflict),
        ("SELECT * FROM nowhere", Kind::Invalid),
        ("SELECT 1; SELECT 2", Kind::Invalid),
    ];
    for (statement, expected) in table {
        match sql::execute(statement, params![]).await {
            Err(err) if err.kind() == expected => {}
            other => bail!("{statement}: {other:?}"),
        }
    }
    Ok(())
}

chore_sdk::export!(RunUsesAll);
