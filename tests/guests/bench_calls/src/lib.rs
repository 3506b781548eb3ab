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

#[chore(
    cycle(name = "empty", help = "does nothing", interval = "1h", timeout = "1m"),
    cycle(name = "count", help = "counts a metric", interval = "1h", timeout = "1m"),
    cycle(name = "setting", help = "reads a setting", interval = "1h", timeout = "1m"),
    cycle(name = "find-node", help = "asks where a node is", interval = "1h", timeout = "1m"),
    cycle(name = "load", help = "loads its state", interval = "1h", timeout = "1m"),
    cycle(name = "stream", help = "reads a stream of orders", interval = "1h", timeout = "1m")
)]
impl Chore for BenchCalls {
    async fn run(&mut self, tick: Tick) -> Result<()> {
        match tick.cycle.as_str() {
            "empty" => {}
            "count" => (0..self.calls).for_each(|_| metrics::count("calls_total", &[], 1)),
            "setting" => {
                for _ in 0..self.calls {
                    std::hint::black_box(chore_sdk::settings::get("calls"));
                }
            }
            "find-node" => {
                let node = self.node()?;
                for _ in 0..self.calls {
                    kademlia::find_node(node).await?;
                }
            }
            "load" => {
                for _ in 0..self.calls {
                    state::load().await?;
                }
            }
            "stream" => self.stream().await?,
            other => bail!("no cycle {other}"),
        }
        Ok(())
    }
}

impl BenchCalls {
    fn node(&self) -> Result<NodeId> {
        self.node.as_deref().context("the setting \"node\" is missing")?.parse()
    }

    /// Reads as many orders as asked for, from the beginning again when all were read.
    async fn stream(&self) -> Result<()> {
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

chore_sdk::export!(BenchCalls);
