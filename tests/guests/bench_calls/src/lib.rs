//! A chore whose cycles each make one sort of host call over and over, so that a benchmark can tell
//! what one costs.

use chore_sdk::prelude::*;

/// Makes host calls to be measured.
#[derive(Settings)]
struct BenchCalls {
    /// How often a run makes its call.
    #[setting(default = 1)]
    calls: u64,
    /// The node that is looked for, and whose orders are read.
    node: Option<String>,
}

#[chore]
impl Chore for BenchCalls {
    /// Does nothing.
    #[cycle(interval = "1h", timeout = "1m")]
    async fn empty(&mut self, _: Tick) -> Result<()> {
        Ok(())
    }

    /// Counts a metric.
    #[cycle(interval = "1h", timeout = "1m")]
    async fn count(&mut self, _: Tick) -> Result<()> {
        (0..self.calls).for_each(|_| metrics::count("calls_total", &[], 1));
        Ok(())
    }

    /// Reads a setting.
    #[cycle(interval = "1h", timeout = "1m")]
    async fn setting(&mut self, _: Tick) -> Result<()> {
        for _ in 0..self.calls {
            std::hint::black_box(chore_sdk::settings::get("calls"));
        }
        Ok(())
    }

    /// Asks where a node is.
    #[cycle(interval = "1h", timeout = "1m")]
    async fn find_node(&mut self, _: Tick) -> Result<()> {
        let node = self.node()?;
        for _ in 0..self.calls {
            kademlia::find_node(node).await?;
        }
        Ok(())
    }

    /// Loads its state.
    #[cycle(interval = "1h", timeout = "1m")]
    async fn load(&mut self, _: Tick) -> Result<()> {
        for _ in 0..self.calls {
            state::load().await?;
        }
        Ok(())
    }

    /// Reads as many orders as asked for, from the beginning again when all were read.
    #[cycle(interval = "1h", timeout = "1m")]
    async fn stream(&mut self, _: Tick) -> Result<()> {
        let node = self.node()?;
        let mut left = self.calls;
        while left > 0 {
            let mut unsent = orders::stream_unsent(node).await?;
            let before = left;
            while left > 0 && unsent.next().await?.is_some() {
                left -= 1;
            }
            if left == before {
                bail!("the node has no orders");
            }
        }
        Ok(())
    }
}

impl BenchCalls {
    fn node(&self) -> Result<NodeId> {
        self.node.as_deref().context("the setting \"node\" is missing")?.parse()
    }
}

chore_sdk::export!(BenchCalls);
