//! A chore that says hello.

use chore_sdk::prelude::*;

/// Says hello.
#[derive(Settings)]
pub struct Hello {
    /// Whom to greet.
    #[setting(default = "world")]
    whom: String,
}

#[chore(interval = "1h", timeout = "1m")]
impl Chore for Hello {
    async fn run(&mut self, tick: Tick) -> Result<()> {
        info!(run = tick.iteration, "hello {}", self.whom);
        Ok(())
    }
}

chore_sdk::export!(Hello);

#[cfg(test)]
mod tests {
    use chore_sdk::log::Level;
    use chore_sdk::testing::{World, tick};

    use super::*;

    #[test]
    fn it_greets() {
        for (whom, expected) in [
            ("world", "INFO hello world run=1"),
            ("you", "INFO hello you run=1"),
        ] {
            let world = World::new().setting("whom", whom);
            world.run::<Hello>(tick()).unwrap();
            assert_eq!(world.logged(Level::Info), [expected]);
        }
    }
}
