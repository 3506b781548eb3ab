//! A chore with two cycles: one measures often, into the peer's metrics; one reports once a day, into
//! its log.

use chore_sdk::prelude::*;

/// Reports how many orders wait to be sent.
#[derive(Settings)]
pub struct Report {
    /// Warn when more than this many wait for one satellite.
    #[setting(default = 100_000, min = 1)]
    alarm: u64,
}

#[chore]
impl Chore for Report {
    /// Counts what waits.
    #[cycle(interval = "1m", timeout = "30s")]
    async fn measure(&mut self, _: Tick) -> Result<()> {
        measure(&waiting().await?);
        Ok(())
    }

    /// Logs what waits.
    #[cycle(interval = "24h", timeout = "1m", delay_start)]
    async fn report(&mut self, _: Tick) -> Result<()> {
        self.tell(&waiting().await?);
        Ok(())
    }
}

async fn waiting() -> Result<Vec<(NodeId, u64)>> {
    orders::count_unsent().await.context("count unsent orders")
}

fn measure(waiting: &[(NodeId, u64)]) {
    for (satellite, count) in waiting {
        let labels = [("satellite", &satellite.to_string()[..])];
        metrics::gauge("orders_waiting", &labels, *count as f64);
    }
    metrics::count("measurements_total", &[], 1);
}

impl Report {
    fn tell(&self, waiting: &[(NodeId, u64)]) {
        let total: u64 = waiting.iter().map(|(_, count)| count).sum();
        info!(total, satellites = waiting.len(), "orders wait to be sent");
        for (satellite, count) in waiting.iter().filter(|(_, count)| *count > self.alarm) {
            warn!(satellite, count, "many orders wait for one satellite");
        }
    }
}

chore_sdk::export!(Report);

#[cfg(test)]
mod tests {
    use chore_sdk::testing::{World, tick};

    use super::*;

    const FEW: NodeId = NodeId::fake(1);
    const MANY: NodeId = NodeId::fake(2);

    fn run(cycle: &str) -> World {
        let world = World::new()
            .setting("alarm", "5")
            .unsent(FEW, 2)
            .unsent(MANY, 7);
        world
            .run::<Report>(Tick {
                cycle: cycle.into(),
                ..tick()
            })
            .unwrap();
        world
    }

    #[test]
    fn measuring_sets_a_gauge_for_each_satellite() {
        let world = run("measure");
        for (satellite, expected) in [(FEW, 2.0), (MANY, 7.0)] {
            let labels = [("satellite", &satellite.to_string()[..])];
            assert_eq!(world.gauge("orders_waiting", &labels), Some(expected));
        }
        assert_eq!(world.counter("measurements_total", &[]), 1);
        assert!(world.logs().is_empty());
    }

    #[test]
    fn reporting_logs_and_warns() {
        let lines: Vec<String> = run("report")
            .logs()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(lines[0], "INFO orders wait to be sent total=9 satellites=2");
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].starts_with("WARN many orders wait") && lines[1].ends_with("count=7"));
    }
}
