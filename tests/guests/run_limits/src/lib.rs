//! A run for each limit that an operator sets: it takes as much as it gets, and says what it was told.

use chore_sdk::prelude::*;

/// Runs into limits.
#[derive(Settings)]
struct RunLimits;

const MIB: usize = 1024 * 1024;

/// More than the tests allow, and less than the defaults.
const MANY: usize = 8;

#[chore]
impl Chore for RunLimits {
    /// Allocates more than it has.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn memory(&mut self, _: Tick) -> Result<()> {
        std::hint::black_box(vec![1_u8; 40 * MIB]);
        Ok(())
    }

    /// Computes for ever.
    #[cycle(interval = "1h", timeout = "10m", delay_start)]
    async fn spins(&mut self, _: Tick) -> Result<()> {
        loop {
            std::hint::black_box(());
        }
    }

    /// Computes for ever, and waits for a moment now and then.
    #[cycle(interval = "1h", timeout = "10m", delay_start)]
    async fn pauses(&mut self, _: Tick) -> Result<()> {
        loop {
            for n in 0..1_000_000_u32 {
                std::hint::black_box(n);
            }
            time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Does nothing for longer than it may compute.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn waits(&mut self, _: Tick) -> Result<()> {
        time::sleep(Duration::from_secs(2)).await;
        Ok(())
    }

    /// Logs lines.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn logs(&mut self, _: Tick) -> Result<()> {
        (0..MANY).for_each(|line| info!("line {line}"));
        Ok(())
    }

    /// Makes series.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn counts(&mut self, _: Tick) -> Result<()> {
        (0..MANY).for_each(|n| metrics::count("n", &[("n", n.to_string().as_str())], 1));
        Ok(())
    }

    /// Fills its database.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn fills(&mut self, _: Tick) -> Result<()> {
        sql::execute("CREATE TABLE IF NOT EXISTS t (v)", params![]).await?;
        for _ in 0..MANY {
            sql::execute("INSERT INTO t VALUES (zeroblob(300000))", params![]).await?;
        }
        sql::execute("DROP TABLE t", params![]).await.map(drop)
    }

    /// Asks for what takes longer than it may.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn asks(&mut self, _: Tick) -> Result<()> {
        sql::query(
            "WITH RECURSIVE n (k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM n) \
             SELECT max(k) FROM n",
            params![],
        )
        .await
        .map(drop)
    }

    /// Opens streams, and reads none.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn streams(&mut self, _: Tick) -> Result<()> {
        let mut open = Vec::new();
        for _ in 0..3 {
            open.push(sql::stream("VALUES (1), (2)", params![]).await?);
        }
        // Those that are gone make room.
        drop(open);
        sql::stream("VALUES (1)", params![]).await.map(drop)
    }

    /// Hands a large value over.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn hands(&mut self, _: Tick) -> Result<()> {
        let parts: Vec<Vec<u8>> = (0..3).map(|_| vec![0; MIB / 2]).collect();
        let parts: [Vec<u8>; 3] = parts.try_into().unwrap_or_default();
        let [a, b, c] = parts;
        sql::query("SELECT length(?), length(?), length(?)", params![a, b, c]).await.map(drop)
    }
}

chore_sdk::export!(RunLimits);
