//! The calls of one chore: what each gets, and what its end means.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, warn};

use crate::bindings::lifecycle::{CloseReason, OpenReason, RunReason as GuestReason, Tick};
use crate::capability::quota::{Quota, Reached};
use crate::capability::{self, Contexts, Deadline, Granted, Shared, Turns};
use crate::chore::{Board, Remembered};
use crate::clock::Timestamp;
use crate::config::Limits;
use crate::cycle::{Run, RunReason, Schedule};
use crate::error::chain;
use crate::kademlia::Kademlia;
use crate::ledger::{Build, Ledger};
use crate::limits::{Amount, CLOSE_TIMEOUT, Limit, OPEN_TIMEOUT};
use crate::logs::ChoreLog;
use crate::memory::Memory;
use crate::meters::Meters;
use crate::name::ChoreName;
use crate::news::News;
use crate::orders::Orders;
use crate::runtime::{Call, Done, Ended, Processor, Program};
use crate::sql::Sql;
use crate::status::{LastRun, Outcome};
use crate::transport::Transport;

/// Everything that decides how a chore is opened and run.
pub struct Spec {
    pub name: ChoreName,
    pub build: Arc<Build>,
    /// Counts replacements of the chore.
    pub generation: u64,
    pub program: Program,
    /// What the guest reads.
    pub settings: Arc<Vec<(String, String)>>,
    pub schedules: Vec<(String, Schedule)>,
    /// For cycles that the chore adds itself; interval and timeout come with them.
    pub added_schedule: Schedule,
    /// What an earlier life of the peer left of each cycle.
    pub remembered: HashMap<String, Remembered>,
    /// What one call may use.
    pub limits: Limits,
    /// Which of them its own config sets.
    pub limits_asked: Vec<Limit>,
    /// Its lines in the peer's log.
    pub log: ChoreLog,
    pub services: Services,
    /// Is told how each run of this version ended. Must answer at once.
    pub on_ended: OnEnded,
}

/// Why the peer must not go on, once a chore that is a check has failed.
pub type StopWanted = watch::Sender<Option<String>>;

impl Spec {
    /// What is said when a call has reached one of its limits.
    fn reached(&self, limit: Limit, wanted: Option<Amount>) -> String {
        limit.reached(self.name.as_str(), wanted, self.limits.amount(limit))
    }
}

/// See [`Spec::on_ended`].
pub type OnEnded = Arc<dyn Fn(&str, &LastRun) + Send + Sync>;

/// What the chore may use: a service that was not granted is absent.
#[derive(Clone)]
pub struct Services {
    pub sql: Sql,
    pub memory: Memory,
    pub turns: Turns,
    pub processor: Processor,
    pub meters: Meters,
    pub ledger: Ledger,
    pub news: News,
    pub stop_wanted: StopWanted,
    pub orders: Option<Granted<Orders>>,
    pub kademlia: Option<Granted<Arc<dyn Kademlia>>>,
    pub transport: Option<Granted<Transport>>,
}

/// How to reach a call in progress.
#[derive(Clone, Default)]
pub(super) struct Signals {
    pub wind_down: CancellationToken,
    pub interrupt: CancellationToken,
}

/// A run that has ended, and what it said.
pub(super) struct Finished {
    pub last: LastRun,
    /// The last lines that it logged, and which limits it reached.
    pub log: Vec<String>,
    pub log_lines: u64,
    pub backtrace: Vec<String>,
}

pub(super) fn reason(reason: RunReason) -> &'static str {
    match reason {
        RunReason::Start => "start",
        RunReason::Interval => "interval",
        RunReason::Trigger => "trigger",
    }
}

pub(super) async fn open(spec: &Arc<Spec>, board: &Arc<Board>, reason: OpenReason) -> Outcome {
    let signals = Signals::default();
    let deadline = Instant::now() + OPEN_TIMEOUT;
    let span = tracing::info_span!(target: "chore::run", "chore.open", chore = %spec.name);
    let call = call(spec, board, deadline, &signals, ("", 0));
    let done = spec.program.open(call, reason).instrument(span).await;
    judge(spec, done, deadline, &signals).await
}

pub(super) async fn close(spec: &Arc<Spec>, board: &Arc<Board>, reason: CloseReason) -> Outcome {
    let signals = Signals::default();
    let deadline = Instant::now() + CLOSE_TIMEOUT;
    let span = tracing::info_span!(target: "chore::run", "chore.close", chore = %spec.name);
    let call = call(spec, board, deadline, &signals, ("", 0));
    let done = spec.program.close(call, reason).instrument(span).await;
    judge(spec, done, deadline, &signals).await
}

pub(super) async fn run(
    spec: Arc<Spec>,
    board: Arc<Board>,
    cycle: String,
    run: Run,
    number: u64,
    signals: Signals,
) -> Finished {
    let started = Timestamp::now();
    let clock = Instant::now();
    // How long the run may take is measured on the clock that nobody sets.
    let deadline = clock + run.deadline.since(started);
    let call = call(&spec, &board, deadline, &signals, (&cycle, number));
    let tick = Tick {
        cycle,
        iteration: run.iteration,
        reason: match run.reason {
            RunReason::Start => GuestReason::Start,
            RunReason::Interval => GuestReason::Interval,
            RunReason::Trigger => GuestReason::Trigger,
        },
        due: run.due.as_nanos(),
        deadline: run.deadline.as_nanos(),
        extensions: Vec::new(),
    };
    let mut done = spec.program.run(call, tick).await;
    let (usage, log_lines) = (done.usage, done.log_lines + done.reached.len() as u64);
    let (mut log, backtrace) = (std::mem::take(&mut done.log), std::mem::take(&mut done.backtrace));
    // Beside its own lines, so that the ledger has it with the run.
    log.extend(done.reached.iter().map(Reached::line));
    let outcome = judge(&spec, done, deadline, &signals).await;
    let span = tracing::Span::current();
    span.record("outcome", outcome.word());
    if !outcome.succeeded() {
        span.record("otel.status_code", "ERROR");
    }
    let last = LastRun {
        run: number,
        iteration: run.iteration,
        reason: reason(run.reason).to_owned(),
        started,
        elapsed: clock.elapsed(),
        outcome,
        usage,
    };
    Finished { last, log, log_lines, backtrace }
}

/// With the cycle and the number of the run, if it is one.
fn call(
    spec: &Arc<Spec>,
    board: &Arc<Board>,
    deadline: Instant,
    signals: &Signals,
    of: (&str, u64),
) -> Call {
    let services = &spec.services;
    let name = &spec.name;
    // Host functions still answer while the call winds down.
    let end = Deadline(deadline + spec.limits.grace);
    let shared = Shared { turns: services.turns.clone(), deadline: end };
    let quota = Quota::new(name.clone(), spec.limits);
    let traffic = quota.traffic().clone();
    services.sql.set_bytes_max(spec.limits.sql_database);
    let contexts = Contexts {
        quota: quota.clone(),
        log: log(spec, of, quota.clone()),
        settings: capability::settings::Context {
            settings: spec.settings.clone(),
            traffic: traffic.clone(),
        },
        state: capability::state::Context {
            chore: name.clone(),
            memory: services.memory.clone(),
            shared: shared.clone(),
            traffic: traffic.clone(),
            pending: None,
        },
        cycle: capability::cycle::Context {
            cycles: board.clone(),
            wind_down: signals.wind_down.clone(),
            was_told: false,
            traffic: traffic.clone(),
        },
        sql: capability::sql::Context {
            sql: services.sql.clone(),
            deadline: end,
            quota: quota.clone(),
        },
        orders: capability::orders::Context {
            orders: services.orders.clone(),
            shared,
            quota: quota.clone(),
        },
        kademlia: capability::kademlia::Context {
            kademlia: services.kademlia.clone(),
            deadline: end,
            traffic,
        },
        transport: capability::transport::Context {
            transport: services.transport.clone(),
            deadline: end,
            quota: quota.clone(),
        },
        metrics: capability::metrics::Context {
            chore: name.clone(),
            meters: services.meters.clone(),
            quota,
        },
    };
    Call {
        contexts,
        limits: spec.limits,
        processor: services.processor.clone(),
        deadline,
        wind_down: signals.wind_down.clone(),
        interrupt: signals.interrupt.clone(),
    }
}

fn log(spec: &Spec, (cycle, run): (&str, u64), quota: Quota) -> capability::log::Context {
    let (news, chore) = (spec.services.news.clone(), spec.name.clone());
    let listeners = capability::log::Listeners { news, chore, cycle: cycle.to_owned(), run };
    capability::log::Context::new(spec.log.clone(), listeners, quota)
}

/// What the end of a call means, once its state is kept.
async fn judge(spec: &Spec, done: Done, deadline: Instant, signals: &Signals) -> Outcome {
    spec.log.tell_dropped();
    for reached in &done.reached {
        warn!(chore = %spec.name, times = reached.times, "{}", reached.message);
    }
    let late = Instant::now() >= deadline;
    let told = signals.wind_down.is_cancelled();
    match done.ended {
        Ended::Returned(Ok(())) => match done.saved {
            Some(data) => keep(spec, data).await,
            None => Outcome::Succeeded,
        },
        Ended::Returned(Err(message)) if told && late => Outcome::TimedOut { message },
        Ended::Returned(Err(message)) if told => Outcome::Cancelled { message },
        Ended::Returned(Err(message)) => Outcome::Failed { message },
        Ended::Trapped(message) => Outcome::Trapped { message },
        Ended::OutOfMemory { wanted } => {
            let wanted = Some(Amount::Bytes(wanted));
            Outcome::OutOfMemory { message: spec.reached(Limit::Memory, wanted) }
        }
        Ended::OutOfCpu => Outcome::OutOfCpu { message: spec.reached(Limit::Cpu, None) },
        Ended::Interrupted if !late => {
            Outcome::Cancelled { message: "interrupted: it did not wind down in time".into() }
        }
        Ended::TimedOut | Ended::Interrupted => Outcome::TimedOut {
            message: format!(
                "interrupted: past its deadline, and it did not wind down within {}",
                humantime::format_duration(spec.limits.grace)
            ),
        },
        Ended::HostFailed(message) => Outcome::HostFailed { message },
    }
}

async fn keep(spec: &Spec, data: Vec<u8>) -> Outcome {
    match spec.services.memory.save_state(spec.name.as_str(), data, &spec.build.version).await {
        Ok(()) => Outcome::Succeeded,
        Err(err) => Outcome::HostFailed { message: format!("save state: {}", chain(&err)) },
    }
}
