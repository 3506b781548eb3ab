//! Hostile guests that a compiler makes, all in one component: which one it is, and so what it is
//! called, stands in its bytes, where tests write it. Those that no compiler makes are in `wat/`.

#![cfg(target_arch = "wasm32")]

mod calls;
mod memory;
mod network;
mod schedule;
mod statements;

use chore_sdk::__private::bindings::exports::chore::peer::lifecycle as wit;
use chore_sdk::__private::{Exported, Package, bindings};
use chore_sdk::prelude::*;

/// Its id, such as `run_floods_log`, after a head to find it by.
#[used]
static WHO: [u8; 64] = *b"hostile:run_behaves.............................................";

const HEAD_BYTES: usize = "hostile:".len();

/// Longer than any test waits.
const HOUR: Duration = Duration::from_secs(3600);

fn id() -> String {
    // Read at run time, because the bytes are others by then.
    let bytes = &std::hint::black_box(&WHO)[HEAD_BYTES..];
    String::from_utf8_lossy(bytes).trim_end_matches('.').to_owned()
}

/// Does harm.
#[derive(Settings)]
struct Zoo {
    /// A node that answers.
    #[setting(default = "")]
    node: String,
}

impl Chore for Zoo {
    /// None of them listens to its host.
    const WINDS_DOWN: bool = true;

    fn cycles() -> Vec<CycleSpec> {
        vec![CycleSpec::main(HOUR, HOUR).delay_start()]
    }

    async fn open(&mut self, _: OpenReason) -> Result<()> {
        match id().as_str() {
            "open_panics" => panic!("the door is stuck"),
            "open_adds_cycles" => schedule::adds_cycles(HOUR),
            "open_waits" => calls::waits().await,
            "open_saves_poison" => {
                state::save(vec![0xff; 1024]).await?;
                bail!("after it has saved what nobody can read")
            }
            _ => Ok(()),
        }
    }

    async fn run(&mut self, _: Tick) -> Result<()> {
        match id().as_str() {
            "run_adds_cycles" => schedule::adds_cycles(HOUR),
            "run_adds_fast_cycles" => schedule::adds_fast_cycles().await,
            "run_allocates" => memory::allocates(),
            "run_allocates_slowly" => memory::allocates_slowly().await,
            "run_asks_and_spins" => calls::asks_and_spins().await,
            "run_asks_for_chance" => memory::asks_for_chance(),
            "run_calls_by_thousands" => calls::by_thousands().await,
            "run_calls_for_ever" => calls::for_ever(),
            "run_counts_series" => calls::counts_series(),
            "run_dials_nobody" => network::dials_nobody().await,
            "run_dials_strangers" => network::dials_strangers().await,
            "run_floods_log" => calls::floods_log(),
            "run_floods_metrics" => calls::floods_metrics(),
            "run_floods_sql" => statements::floods().await,
            "run_floods_stderr" => calls::floods_stderr(),
            "run_holds_a_lock" => statements::holds_a_lock().await,
            "run_ignores_cancelled" => calls::asks_again_and_again().await,
            "run_injects_sql" => statements::injects().await,
            "run_leaks_connections" => network::leaks_connections(&self.node).await,
            "run_leaks_rows" => statements::leaks_rows().await,
            "run_leaks_transactions" => statements::leaks_transactions().await,
            "run_logs_hugely" => calls::logs_hugely(),
            "run_overflows_sql" => statements::overflows().await,
            "run_panics_hugely" => memory::panics_hugely(),
            "run_panics_in_a_transaction" => statements::panics_in_a_transaction().await,
            "run_queries_for_ever" => statements::queries_for_ever().await,
            "run_runs_without_pause" => schedule::runs_without_pause(),
            "run_saves_a_gigabyte" => memory::saves(1 << 30).await,
            "run_saves_too_much" => memory::saves((1 << 20) + 1).await,
            "run_sends_hugely" => network::sends_hugely(&self.node).await,
            "run_sleeps" => calls::sleeps(),
            "run_sleeps_shortly" => calls::sleeps_shortly().await,
            "run_spins_in_many_cycles" => schedule::spins_in_many_cycles(),
            "run_streams_nothing" => network::streams_nothing(&self.node).await,
            "run_waits" => calls::waits().await,
            other if other.starts_with("close_") => Ok(()),
            other => bail!("nobody is called {other}"),
        }
    }

    async fn close(&mut self, _: CloseReason) -> Result<()> {
        match id().as_str() {
            "close_panics" => panic!("the door is stuck"),
            "close_waits" => calls::waits().await,
            _ => Ok(()),
        }
    }
}

struct Crate;

impl Package for Crate {
    type Chore = Zoo;
    const NAME: &'static str = "guest-zoo";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = env!("CARGO_PKG_DESCRIPTION");
}

/// As the SDK exports a chore, but for its name.
struct Renamed;

impl wit::Guest for Renamed {
    fn describe() -> wit::Descriptor {
        wit::Descriptor { name: id().replace('_', "-"), ..Exported::<Crate>::describe() }
    }

    async fn open(reason: wit::OpenReason) -> Result<(), String> {
        Exported::<Crate>::open(reason).await
    }

    async fn run(tick: wit::Tick) -> Result<(), String> {
        Exported::<Crate>::run(tick).await
    }

    async fn close(reason: wit::CloseReason) -> Result<(), String> {
        Exported::<Crate>::close(reason).await
    }
}

#[allow(unsafe_code)]
const _: () = {
    bindings::export_component!(Renamed with_types_in bindings);
};
