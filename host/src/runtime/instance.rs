//! One call of one program in a store of its own, which always ends.

use std::task::Poll;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wasmtime::{AsContext, FrameInfo, Store, UpdateDeadline, WasmBacktrace};

use crate::bindings::lifecycle::{CloseReason, Descriptor, OpenReason, Tick};
use crate::capability::Contexts;
use crate::capability::quota::Reached;
use crate::config::Limits;
use crate::limits::{
    Amount, BACKTRACE_FRAMES_MAX, DESCRIBE_BYTES_MAX, DESCRIBE_TIMEOUT, GUEST_MESSAGE_BYTES_MAX,
    HOSTCALL_BYTES_MAX, Limit, RESOURCES_MAX,
};
use crate::record::Usage;
use crate::runtime::compile::{Error, Program};
use crate::runtime::cpu::{Cpu, Processor};
use crate::runtime::fixed;
use crate::runtime::store::{Bare, Granted};
use crate::runtime::world::Request;

/// What a call gets.
pub struct Call {
    pub contexts: Contexts,
    /// Memory, time on a processor, and what it has after its deadline before its instance is
    /// dropped. The rest is for the contexts.
    pub limits: Limits,
    /// Its chore's.
    pub processor: Processor,
    /// From here on the call is asked to wind down.
    pub deadline: Instant,
    /// Asks the call to wind down; the same token is in the cycle context.
    pub wind_down: CancellationToken,
    /// Drops the instance at once.
    pub interrupt: CancellationToken,
}

/// How a call ended, without a judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The chore answered.
    Returned(Result<(), String>),
    Trapped(String),
    /// With how much it wanted to have, in bytes.
    OutOfMemory {
        wanted: u64,
    },
    /// It had a processor for longer than it may.
    OutOfCpu,
    /// Past its deadline and grace; the instance was dropped.
    TimedOut,
    /// The instance was dropped because somebody asked.
    Interrupted,
    HostFailed(String),
}

/// What is left of a call.
pub struct Done {
    pub ended: Ended,
    /// What the call saved as state, to be kept if it succeeded.
    pub saved: Option<Vec<u8>>,
    /// Limits that host functions refused something for.
    pub reached: Vec<Reached>,
    /// All log lines that were taken.
    pub log_lines: u64,
    /// The last of them.
    pub log: Vec<String>,
    /// Where the guest was when it trapped or its time was up, the innermost function first.
    pub backtrace: Vec<String>,
    pub usage: Usage,
}

/// Why the epoch tick ended guest code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Stop {
    #[error("the call's time is up")]
    Time,
    #[error("the call's time on a processor is up")]
    Cpu,
}

impl Program {
    /// What the component says of itself; calls no capability. `chore` is its name by its file.
    pub async fn describe(&self, limits: &Limits, chore: &str) -> Result<Descriptor, Error> {
        let engine = &self.0.runtime.0.engine;
        let mut store = Store::new(engine, Bare::new(limits.memory_bytes_max()));
        store.limiter(|bare| &mut bare.limiter);
        store.set_hostcall_fuel(DESCRIBE_BYTES_MAX);
        store.set_max_component_handles(RESOURCES_MAX);
        let (end, cpu) = (Instant::now() + DESCRIBE_TIMEOUT, Cpu::new(DESCRIBE_TIMEOUT));
        watch(&mut store, end, &cpu, CancellationToken::new());
        let describe = async {
            let chore = self.0.bare.instantiate(&mut store).await?;
            chore.describe(&mut store).await
        };
        match tokio::time::timeout(DESCRIBE_TIMEOUT, describe).await {
            Ok(Ok(descriptor)) => Ok(descriptor),
            Ok(Err(err)) => Err(Error::Describe(match store.data().limiter.denied() {
                Some(denied) => Limit::Memory.reached(
                    chore,
                    Some(Amount::Bytes(denied.wanted)),
                    Amount::Bytes(denied.limit),
                ),
                None => trap_message(&err, &store.data().last_words(), DESCRIBE_BYTES_MAX),
            })),
            Err(_) => Err(Error::Describe(format!(
                "no answer within {}",
                humantime::format_duration(DESCRIBE_TIMEOUT)
            ))),
        }
    }

    pub async fn open(&self, call: Call, reason: OpenReason) -> Done {
        self.call(call, Request::Open(reason)).await
    }

    pub async fn run(&self, call: Call, tick: Tick) -> Done {
        self.call(call, Request::Run(tick)).await
    }

    pub async fn close(&self, call: Call, reason: CloseReason) -> Done {
        self.call(call, Request::Close(reason)).await
    }

    /// The nets are outside the store: a guest that blocks its own event loop cannot stop them.
    async fn call(&self, call: Call, request: Request) -> Done {
        let Call { contexts, limits, processor, deadline, wind_down, interrupt } = call;
        let end = deadline + limits.grace;
        let bare = Bare::new(limits.memory_bytes_max());
        let mut store = Store::new(&self.0.runtime.0.engine, Granted { bare, contexts });
        store.limiter(|granted| &mut granted.bare.limiter);
        store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
        store.set_max_component_handles(RESOURCES_MAX);
        let cpu = Cpu::new(limits.cpu);
        watch(&mut store, end, &cpu, interrupt.clone());
        let answer = {
            let called = cpu.meter(&processor, async {
                let chore = self.0.granted.instantiate(&mut store).await?;
                chore.call(&mut store, request).await
            });
            tokio::pin!(called);
            tokio::select! {
                biased;
                answer = &mut called => answer.or_else(|| Some(Err(Stop::Cpu.into()))),
                () = interrupt.cancelled() => None,
                () = nets(deadline, end, &wind_down) => None,
            }
        };
        let data = store.data_mut();
        let backtrace = match &answer {
            Some(Err(err)) => backtrace(err),
            Some(Ok(_)) | None => Vec::new(),
        };
        let ended = match answer {
            Some(Ok(Ok(()))) => Ended::Returned(Ok(())),
            Some(Ok(Err(message))) => Ended::Returned(Err(one_line(&message))),
            Some(Err(err)) => match (data.bare.limiter.denied(), err.downcast_ref::<Stop>()) {
                (Some(denied), _) => Ended::OutOfMemory { wanted: denied.wanted },
                (None, Some(Stop::Cpu)) => Ended::OutOfCpu,
                _ if interrupt.is_cancelled() => Ended::Interrupted,
                (None, Some(Stop::Time)) => Ended::TimedOut,
                (None, None) => {
                    Ended::Trapped(trap_message(&err, &data.bare.last_words(), HOSTCALL_BYTES_MAX))
                }
            },
            None if interrupt.is_cancelled() => Ended::Interrupted,
            None => Ended::TimedOut,
        };
        let saved = data.contexts.state.pending.take();
        let traffic = data.contexts.quota.traffic();
        let usage = Usage {
            cpu: cpu.used(),
            memory_bytes: data.bare.limiter.peak() as u64,
            host_calls: traffic.calls(),
            host_bytes: traffic.bytes(),
        };
        let log = &mut data.contexts.log;
        let (log_lines, log) = (log.lines(), log.take_last());
        let reached = data.contexts.quota.all_reached();
        Done { ended, saved, reached, log_lines, log, backtrace, usage }
    }
}

/// Asks the call to wind down at its deadline, and answers at its end.
async fn nets(deadline: Instant, end: Instant, wind_down: &CancellationToken) {
    tokio::time::sleep_until(deadline).await;
    wind_down.cancel();
    tokio::time::sleep_until(end).await;
}

/// Looks at running guest code at every epoch tick: past its end, or its time on a processor, it
/// traps; before that it lets others have the thread.
fn watch<T: 'static>(store: &mut Store<T>, end: Instant, cpu: &Cpu, interrupt: CancellationToken) {
    let cpu = cpu.clone();
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |context| {
        let _ = context.as_context();
        if interrupt.is_cancelled() || Instant::now() >= end {
            return Err(Stop::Time.into());
        }
        if cpu.is_over() {
            return Err(Stop::Cpu.into());
        }
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(let_others())))
    });
}

/// Goes to the back of its thread's queue. Tokio's own yield waits for the next look at timers and
/// sockets, and is then before all others: two that spin would keep two threads for ever.
async fn let_others() {
    let mut has_yielded = false;
    std::future::poll_fn(|context| match std::mem::replace(&mut has_yielded, true) {
        true => Poll::Ready(()),
        false => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// A guest's own words if it left any: a panic's message says more than `unreachable`.
fn trap_message(err: &wasmtime::Error, last_words: &str, copied_max: usize) -> String {
    let cause = err.root_cause().to_string();
    let cause = fixed::told(&cause, copied_max).unwrap_or(cause);
    let message = if last_words.is_empty() { cause } else { format!("{cause}: {last_words}") };
    one_line(&message)
}

/// By the names that the component has; its tools may have taken them away.
fn backtrace(err: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = err.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let name = |frame: &FrameInfo| match frame.func_name() {
        Some(name) => one_line(&format!("{:#}", rustc_demangle::demangle(name))),
        None => format!("function {}", frame.func_index()),
    };
    trace.frames().iter().take(BACKTRACE_FRAMES_MAX).map(name).collect()
}

/// Cut first: a guest may send some 30 MiB, and whoever looks at each character holds up a thread.
fn one_line(message: &str) -> String {
    let message = crate::capability::cut(message, GUEST_MESSAGE_BYTES_MAX);
    message.replace(|c: char| c.is_control(), " ")
}
