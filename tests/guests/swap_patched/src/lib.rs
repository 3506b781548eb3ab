//! What tests make many versions of: they write into the bytes of the component how it behaves.
//!
//! Each run and each `open` is a row in its database, and each run counts itself in `state`.

use chore_sdk::prelude::*;
use chore_sdk::{cycle, sql, state};

/// How `run`, `open` and `describe` behave, eight characters each, after a head to find it by.
#[used]
static BEHAVIOUR: [u8; 34] = *b"behaviour:good....good....good....";

/// More than a host takes.
const HUGE: usize = 100 * 1024 * 1024;

/// Between two runs, unless the operator says otherwise.
const HOUR: Duration = Duration::from_secs(3600);

/// Between two looks at the gate.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A row for each run, a row for each `open`, and one while a test holds `open` up.
const TABLES: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS runs (iteration INTEGER, cycle TEXT, version TEXT, greeting TEXT)",
    "CREATE TABLE IF NOT EXISTS opens (reason TEXT, version TEXT, greeting TEXT)",
    "CREATE TABLE IF NOT EXISTS gate (closed INTEGER)",
];

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
    /// Some versions finish, some give way.
    const WINDS_DOWN: bool = true;

    fn cycles() -> Vec<CycleSpec> {
        let main = CycleSpec::main(HOUR, Duration::from_secs(60));
        match word(2).as_str() {
            "trap" => panic!("describe breaks"),
            "spin" => spin(),
            "huge" => vec![main.help("x".repeat(HUGE))],
            "more" => vec![main, CycleSpec::named("more", Duration::MAX / 2, Duration::MAX / 2)],
            "two" => vec![main, CycleSpec::named("second", HOUR, Duration::from_secs(60))],
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
        for table in TABLES {
            sql::execute(table, vec![]).await?;
        }
        let version = env!("CARGO_PKG_VERSION");
        let reason = format!("{reason:?}").to_lowercase();
        sql::execute(
            "INSERT INTO opens VALUES (?1, ?2, ?3)",
            vec![reason.into(), version.into(), self.greeting.clone().into()],
        )
        .await?;
        match word(1).as_str() {
            "fail" => {
                state::save_text("poison").await?;
                bail!("open does not want to")
            }
            "trap" => {
                state::save_text("poison").await?;
                panic!("open breaks")
            }
            "spin" => spin(),
            // Nothing that another version could read.
            "poison" => state::save_text("poison").await,
            "extra" => cycle::add("extra", HOUR, Duration::from_secs(60)),
            "gate" => {
                while sql::query_row("SELECT closed FROM gate", vec![]).await?.is_some() {
                    std::thread::sleep(LOOK_EVERY);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn run(&mut self, tick: Tick) -> Result<()> {
        match word(0).as_str() {
            "trap" => panic!("run breaks"),
            "fail" => bail!("run does not want to"),
            "spin" => spin(),
            "wait" => {
                cycle::cancelled().await;
                bail!("gave way");
            }
            "finish" => cycle::cancelled().await,
            "slower" => cycle::change_interval(&tick.cycle, HOUR / 2)?,
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
