//! What tests make many versions of: they write into the bytes of the component how it behaves.
//!
//! Each run is a row in its database, and counts itself in `state`.

use chore_sdk::prelude::*;
use chore_sdk::{cycle, sql, state};

/// How `run`, `open` and `describe` behave, eight characters each, after a head to find it by.
#[used]
static BEHAVIOUR: [u8; 34] = *b"behaviour:good....good....good....";

/// More than a host takes.
const HUGE: usize = 100 * 1024 * 1024;

/// Runs as its bytes say.
#[derive(Settings)]
struct SwapPatched {
    /// Written down with each run.
    #[setting(default = "hello")]
    greeting: String,
}

/// One of the three words.
fn word(index: usize) -> String {
    // Read at run time, because the bytes are others by then.
    let bytes = std::hint::black_box(&BEHAVIOUR);
    let word = &bytes[10 + 8 * index..18 + 8 * index];
    String::from_utf8_lossy(word).trim_end_matches('.').to_owned()
}

fn spin() -> ! {
    loop {
        std::hint::black_box(0);
    }
}

impl Chore for SwapPatched {
    fn cycles() -> Vec<CycleSpec> {
        let main = CycleSpec::main(Duration::from_secs(3600), Duration::from_secs(60));
        match word(2).as_str() {
            "trap" => panic!("describe breaks"),
            "spin" => spin(),
            "huge" => vec![main.help("x".repeat(HUGE))],
            "more" => vec![main, CycleSpec::named("more", Duration::MAX / 2, Duration::MAX / 2)],
            _ => vec![main],
        }
    }

    fn new(settings: SwapPatched) -> Result<SwapPatched> {
        if settings.greeting == "refused" {
            bail!("no such greeting");
        }
        Ok(settings)
    }

    async fn open(&mut self, reason: OpenReason) -> Result<()> {
        sql::execute(
            "CREATE TABLE IF NOT EXISTS runs (iteration INTEGER, cycle TEXT, version TEXT, greeting TEXT)",
            vec![],
        )
        .await?;
        info!(?reason, "open");
        match word(1).as_str() {
            "fail" => bail!("open does not want to"),
            "trap" => panic!("open breaks"),
            "spin" => spin(),
            // Nothing that another version could read.
            "poison" => state::save_text("poison").await,
            "extra" => cycle::add("extra", Duration::from_secs(3600), Duration::from_secs(60)),
            _ => Ok(()),
        }
    }

    async fn run(&mut self, tick: Tick) -> Result<()> {
        match word(0).as_str() {
            "trap" => panic!("run breaks"),
            "fail" => bail!("run does not want to"),
            "spin" => spin(),
            "wait" => cycle::cancelled().await,
            _ => {}
        }
        let runs = state::load_text::<u64>().await?.unwrap_or(0) + 1;
        let version = env!("CARGO_PKG_VERSION");
        let iteration = i64::try_from(tick.iteration).unwrap_or(i64::MAX);
        sql::execute(
            "INSERT INTO runs VALUES (?1, ?2, ?3, ?4)",
            vec![iteration.into(), tick.cycle.into(), version.into(), self.greeting.clone().into()],
        )
        .await?;
        state::save_text(runs).await
    }
}

chore_sdk::export!(SwapPatched);
