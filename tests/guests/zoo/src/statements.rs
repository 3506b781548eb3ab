//! A database that is flooded, blocked, and asked for what it must not give.

use chore_sdk::prelude::*;

/// A statement that has no end.
const ENDLESS: &str =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

/// Statements that each must be refused.
const INJECTIONS: [&str; 22] = [
    "ATTACH '/etc/passwd' AS other",
    "ATTACH ':memory:' AS other",
    "ATTACH 'file:../../peer.db?mode=rw' AS peer",
    "DETACH main",
    "VACUUM INTO '/tmp/copy.db'",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA synchronous = OFF",
    "PRAGMA max_page_count = 4294967294",
    "PRAGMA writable_schema = ON",
    "PRAGMA temp_store_directory = '/tmp'",
    "PRAGMA trusted_schema = ON",
    "PRAGMA locking_mode = EXCLUSIVE",
    "SELECT load_extension('/tmp/evil.so')",
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('/tmp/x', 'x')",
    "SELECT fts3_tokenizer('simple', x'0000000000000000')",
    "CREATE VIRTUAL TABLE temp.files USING fsdir",
    "BEGIN EXCLUSIVE",
    "COMMIT",
    "SAVEPOINT s",
    "SELECT 1; DROP TABLE t",
    "UPDATE sqlite_schema SET sql = 'x'",
];

async fn table() -> Result<()> {
    sql::execute("CREATE TABLE IF NOT EXISTS t (v)", params![]).await.map(drop)
}

pub async fn floods() -> Result<()> {
    table().await?;
    loop {
        sql::execute("INSERT INTO t VALUES (randomblob(1000))", params![]).await?;
    }
}

pub async fn queries_for_ever() -> Result<()> {
    loop {
        // That it is out of time is no reason to stop.
        let _ = sql::query(ENDLESS, params![]).await;
    }
}

pub async fn injects() -> Result<()> {
    table().await?;
    for statement in INJECTIONS {
        if let Ok(changed) = sql::execute(statement, params![]).await {
            bail!("{statement} changed {changed}");
        }
        if let Ok(rows) = sql::query(statement, params![]).await {
            bail!("{statement} answered {rows:?}");
        }
    }
    Ok(())
}

/// Each wants more of the host than it may have: in memory, stack or time.
pub async fn overflows() -> Result<()> {
    let deep = format!("SELECT 1{}", "+1".repeat(1_000));
    let long = format!("SELECT '{}'", "x".repeat(512 * 1024));
    let wide = format!("SELECT 1{}", ",1".repeat(5_000));
    let table = [
        "SELECT zeroblob(2000000000)",
        "SELECT length(randomblob(2000000000))",
        "SELECT printf('%.*c', 2000000000, 'x')",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT i FROM n",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9) SELECT randomblob(1000000) FROM n",
        &deep,
        &long,
        &wide,
    ];
    for statement in table {
        if let Ok(rows) = sql::query(statement, params![]).await {
            bail!("{} answered {} rows", &statement[..40], rows.len());
        }
    }
    match sql::query("SELECT ?1", vec![1_i64.into(); 100_000]).await {
        Ok(_) => bail!("more parameters than a statement has"),
        Err(_) => Ok(()),
    }
}

pub async fn holds_a_lock() -> Result<()> {
    table().await?;
    let held = sql::begin().await?;
    held.execute("INSERT INTO t VALUES (1)", params![]).await?;
    crate::calls::waits().await
}

/// Of the second run the host must have forgotten what the first did.
pub async fn panics_in_a_transaction() -> Result<()> {
    table().await?;
    if sql::query_row("SELECT v FROM t", params![]).await?.is_some() {
        bail!("it was not rolled back");
    }
    let open = sql::begin().await?;
    open.execute("INSERT INTO t VALUES (1)", params![]).await?;
    state::save("poison").await?;
    panic!("in a transaction");
}

/// Streams that nobody reads to the end, until there is no more.
pub async fn leaks_rows() -> Result<()> {
    table().await?;
    loop {
        let rows = sql::stream(ENDLESS_ROWS, params![]).await?;
        std::mem::forget(rows);
    }
}

const ENDLESS_ROWS: &str =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";

/// The second waits for the first, which never ends.
pub async fn leaks_transactions() -> Result<()> {
    table().await?;
    loop {
        std::mem::forget(sql::begin().await?);
    }
}
