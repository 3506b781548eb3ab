//! One call of one program in a store of its own, which always ends.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wasmtime::{AsContext, FrameInfo, Store, UpdateDeadline, WasmBacktrace};

use crate::bindings::lifecycle::{CloseReason, Descriptor, OpenReason, Tick};
use crate::capability::Contexts;
use crate::limits::{
    BACKTRACE_FRAMES_MAX, DESCRIBE_BYTES_MAX, DESCRIBE_TIMEOUT, GUEST_MESSAGE_BYTES_MAX,
    HOSTCALL_BYTES_MAX, RESOURCES_MAX,
};
use crate::record::Usage;
use crate::runtime::compile::{Error, Program};
use crate::runtime::store::{Bare, Granted};
use crate::runtime::world::Request;

/// What a call gets.
pub struct Call {
    pub contexts: Contexts,
    /// Memory of the instance, in bytes.
    pub memory_bytes_max: usize,
    /// From here on the call is asked to wind down.
    pub deadline: Instant,
    /// What it has from then on before its instance is dropped.
    pub grace: Duration,
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
    OutOfMemory(String),
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
    /// Log lines over the limit.
    pub log_dropped: u64,
    /// All log lines.
    pub log_lines: u64,
    /// The last of them.
    pub log: Vec<String>,
    /// Where the guest was when it trapped or its time was up, the innermost function first.
    pub backtrace: Vec<String>,
    pub usage: Usage,
}

/// Set in the store's data error when the epoch tick finds the time is up.
#[derive(Debug, thiserror::Error)]
#[error("the call's time is up")]
struct TimeUp;

impl Program {
    /// What the component says of itself; calls no capability.
    pub async fn describe(&self, memory_bytes_max: usize) -> Result<Descriptor, Error> {
        let engine = &self.0.runtime.0.engine;
        let mut store = Store::new(engine, Bare::new(memory_bytes_max));
        store.limiter(|bare| &mut bare.limiter);
        store.set_hostcall_fuel(DESCRIBE_BYTES_MAX);
        watch(&mut store, Instant::now() + DESCRIBE_TIMEOUT, CancellationToken::new());
        let describe = async {
            let chore = self.0.bare.instantiate(&mut store).await?;
            chore.describe(&mut store).await
        };
        match tokio::time::timeout(DESCRIBE_TIMEOUT, describe).await {
            Ok(Ok(descriptor)) => Ok(descriptor),
            Ok(Err(err)) => Err(Error::Describe(match store.data().limiter.denied() {
                Some(denied) => denied.to_owned(),
                None => trap_message(&err, &store.data().last_words()),
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
        let Call { contexts, memory_bytes_max, deadline, grace, wind_down, interrupt } = call;
        let end = deadline + grace;
        let bare = Bare::new(memory_bytes_max);
        let mut store = Store::new(&self.0.runtime.0.engine, Granted { bare, contexts });
        store.limiter(|granted| &mut granted.bare.limiter);
        store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
        store.set_max_component_handles(RESOURCES_MAX);
        watch(&mut store, end, interrupt.clone());
        let mut cpu = Duration::ZERO;
        let answer = {
            let called = metered(&mut cpu, async {
                let chore = self.0.granted.instantiate(&mut store).await?;
                chore.call(&mut store, request).await
            });
            tokio::pin!(called);
            tokio::select! {
                biased;
                answer = &mut called => Some(answer),
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
            Some(Err(_)) if data.bare.limiter.denied().is_some() => {
                Ended::OutOfMemory(data.bare.limiter.denied().unwrap_or_default().to_owned())
            }
            Some(Err(_)) | None if interrupt.is_cancelled() => Ended::Interrupted,
            Some(Err(err)) if err.is::<TimeUp>() => Ended::TimedOut,
            Some(Err(err)) => Ended::Trapped(trap_message(&err, &data.bare.last_words())),
            None => Ended::TimedOut,
        };
        let saved = data.contexts.state.pending.take();
        let usage = Usage { cpu, memory_bytes: data.bare.limiter.peak() as u64 };
        let log = &mut data.contexts.log;
        let (log_dropped, log_lines, log) = (log.dropped(), log.lines(), log.take_last());
        Done { ended, saved, log_dropped, log_lines, log, backtrace, usage }
    }
}

/// Adds up the time that polling `work` takes on the processor: a guest runs while it is polled.
async fn metered<T>(cpu: &mut Duration, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    std::future::poll_fn(|cx| {
        let before = thread_time();
        let polled = work.as_mut().poll(cx);
        *cpu += thread_time().saturating_sub(before);
        polled
    })
    .await
}

/// What this thread has had of a processor.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Asks the call to wind down at its deadline, and answers at its end.
async fn nets(deadline: Instant, end: Instant, wind_down: &CancellationToken) {
    tokio::time::sleep_until(deadline).await;
    wind_down.cancel();
    tokio::time::sleep_until(end).await;
}

/// Looks at running guest code at every epoch tick: past its end it traps, before that it lets
/// others have the thread. The custom yield goes to the back of the queue.
fn watch<T: 'static>(store: &mut Store<T>, end: Instant, interrupt: CancellationToken) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |context| {
        let _ = context.as_context();
        if interrupt.is_cancelled() || Instant::now() >= end {
            return Err(TimeUp.into());
        }
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
}

/// A guest's own words if it left any: a panic's message says more than `unreachable`.
fn trap_message(err: &wasmtime::Error, last_words: &str) -> String {
    let cause = err.root_cause().to_string();
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

fn one_line(message: &str) -> String {
    let line = message.replace(|c: char| c.is_control(), " ");
    crate::capability::cut(&line, GUEST_MESSAGE_BYTES_MAX).to_owned()
}
