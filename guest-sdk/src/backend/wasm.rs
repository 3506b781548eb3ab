//! The peer, through the contract's imports. It translates and knows no policy.

use std::error::Error as StdError;
use std::time::{Duration, Instant, SystemTime};

use crate::bindings::{peer as wit, wasi};
use crate::log::Level;
use crate::metrics::Labels;
use crate::state::Saved;
use crate::time::{Timestamp, nanos};
use crate::{Error, Kind, NodeId, Result, cycle, kademlia, orders};

mod streams;

pub(crate) use streams::*;

/// What the host said, if it is the host's. The generated type is a `std::error::Error`, so that
/// `?` takes it as it takes any other; here it keeps its kind.
pub(crate) fn host_error(err: &(dyn StdError + 'static)) -> Option<Error> {
    use wit::types::ErrorKind;
    let said: &wit::types::Error = err.downcast_ref()?;
    let kind = match said.kind {
        ErrorKind::Denied => Kind::Denied,
        ErrorKind::NotFound => Kind::NotFound,
        ErrorKind::Invalid => Kind::Invalid,
        ErrorKind::Conflict => Kind::Conflict,
        ErrorKind::Unavailable => Kind::Unavailable,
        ErrorKind::TimedOut => Kind::TimedOut,
        ErrorKind::Cancelled => Kind::Cancelled,
        ErrorKind::TooLarge => Kind::TooLarge,
        ErrorKind::Internal => Kind::Internal,
        ErrorKind::Other => Kind::Other,
    };
    Some(Error::of(kind, said.message.clone()))
}

// Log, settings, state, metrics.

fn level(level: Level) -> wit::log::Level {
    match level {
        Level::Trace => wit::log::Level::Trace,
        Level::Debug => wit::log::Level::Debug,
        Level::Info => wit::log::Level::Info,
        Level::Warn => wit::log::Level::Warn,
        Level::Error => wit::log::Level::Error,
    }
}

pub(crate) fn log_enabled(of: Level) -> bool {
    wit::log::enabled(level(of))
}

pub(crate) fn log_write(of: Level, message: String, fields: Vec<(String, String)>) {
    let field = |(key, value)| wit::log::Field { key, value };
    let fields: Vec<_> = fields.into_iter().map(field).collect();
    wit::log::write(level(of), &message, &fields);
}

pub(crate) fn settings_get(name: &str) -> Option<String> {
    wit::settings::get(name)
}

pub(crate) fn settings_all() -> Vec<(String, String)> {
    wit::settings::get_all()
}

pub(crate) async fn state_load() -> Result<Option<Saved>> {
    let found = wit::state::load().await?;
    Ok(found.map(|saved| Saved { data: saved.data, version: saved.version }))
}

pub(crate) async fn state_save(data: Vec<u8>) -> Result<()> {
    Ok(wit::state::save(data).await?)
}

fn labels(labels: Labels<'_>) -> Vec<wit::metrics::Label> {
    let label = |(key, value): &(&str, &str)| wit::metrics::Label {
        key: (*key).into(),
        value: (*value).into(),
    };
    labels.iter().map(label).collect()
}

pub(crate) fn metric_count(name: &str, of: Labels<'_>, delta: u64) {
    wit::metrics::count(name, &labels(of), delta);
}

pub(crate) fn metric_gauge(name: &str, of: Labels<'_>, value: f64) {
    wit::metrics::gauge(name, &labels(of), value);
}

pub(crate) fn metric_observe(name: &str, of: Labels<'_>, value: f64) {
    wit::metrics::observe(name, &labels(of), value);
}

// Cycle.

pub(crate) fn cycle_list() -> Vec<String> {
    wit::cycle::list()
}

pub(crate) fn cycle_status(name: &str) -> Result<cycle::State> {
    Ok(match wit::cycle::status(name)? {
        wit::cycle::State::Idle(next) => cycle::State::Idle(Timestamp::from_nanos(next)),
        wit::cycle::State::Running(since) => cycle::State::Running(Timestamp::from_nanos(since)),
        wit::cycle::State::Paused => cycle::State::Paused,
        wit::cycle::State::Disabled => cycle::State::Disabled,
    })
}

pub(crate) fn cycle_pause(name: &str) -> Result<()> {
    Ok(wit::cycle::pause(name)?)
}

pub(crate) fn cycle_restart(name: &str) -> Result<()> {
    Ok(wit::cycle::restart(name)?)
}

pub(crate) fn cycle_trigger(name: &str) -> Result<()> {
    Ok(wit::cycle::trigger(name)?)
}

pub(crate) fn cycle_change_interval(name: &str, interval: Duration) -> Result<()> {
    Ok(wit::cycle::change_interval(name, nanos(interval))?)
}

pub(crate) fn cycle_add(name: &str, interval: Duration, timeout: Duration) -> Result<()> {
    Ok(wit::cycle::add(name, nanos(interval), nanos(timeout))?)
}

pub(crate) fn cycle_remove(name: &str) -> Result<()> {
    Ok(wit::cycle::remove(name)?)
}

pub(crate) async fn cycle_cancelled() {
    wit::cycle::cancelled().await;
}

// Time and chance.

pub(crate) fn now() -> Timestamp {
    thread_local! {
        /// One look at the peer's clock, which may be set; from then on time only passes.
        static BEGAN: (SystemTime, Instant) = (SystemTime::now(), Instant::now());
    }
    BEGAN.with(|(time, instant)| {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_nanos(0).saturating_add(since_epoch + instant.elapsed())
    })
}

pub(crate) async fn sleep(duration: Duration) {
    wasi::clocks::monotonic_clock::wait_for(nanos(duration)).await;
}

pub(crate) fn random() -> u64 {
    wasi::random::random::get_random_u64()
}

// Orders and Kademlia.

fn id(id: NodeId) -> Vec<u8> {
    id.as_bytes().to_vec()
}

fn order(info: wit::orders::Info) -> Result<orders::Info> {
    Ok(orders::Info {
        satellite: NodeId::from_bytes(&info.satellite)?,
        serial: info.serial,
        limit: info.limit,
        order: info.order,
        expires: Timestamp::from_nanos(info.expires),
    })
}

fn orders_of(infos: Vec<wit::orders::Info>) -> Result<Vec<orders::Info>> {
    infos.into_iter().map(order).collect()
}

fn status(status: orders::Status) -> wit::orders::Status {
    match status {
        orders::Status::Unsent => wit::orders::Status::Unsent,
        orders::Status::Accepted => wit::orders::Status::Accepted,
        orders::Status::Rejected => wit::orders::Status::Rejected,
    }
}

fn archived(found: wit::orders::ArchivedInfo) -> Result<orders::ArchivedInfo> {
    Ok(orders::ArchivedInfo {
        info: order(found.info)?,
        status: match found.status {
            wit::orders::Status::Unsent => orders::Status::Unsent,
            wit::orders::Status::Accepted => orders::Status::Accepted,
            wit::orders::Status::Rejected => orders::Status::Rejected,
        },
        reason: found.reason,
        archived: Timestamp::from_nanos(found.archived),
    })
}

pub(crate) async fn orders_enqueue(info: orders::Info) -> Result<()> {
    let info = wit::orders::Info {
        satellite: id(info.satellite),
        serial: info.serial,
        limit: info.limit,
        order: info.order,
        expires: info.expires.as_nanos(),
    };
    Ok(wit::orders::enqueue(info).await?)
}

pub(crate) async fn orders_list_unsent(limit: u32) -> Result<Vec<orders::Info>> {
    orders_of(wit::orders::list_unsent(limit).await?)
}

pub(crate) async fn orders_list_unsent_by_satellite() -> Result<Vec<(NodeId, Vec<orders::Info>)>> {
    let found = wit::orders::list_unsent_by_satellite().await?;
    let group = |(id, infos): (Vec<u8>, _)| Ok((NodeId::from_bytes(&id)?, orders_of(infos)?));
    found.into_iter().map(group).collect()
}

pub(crate) async fn orders_count_unsent() -> Result<Vec<(NodeId, u64)>> {
    let found = wit::orders::count_unsent().await?;
    found.into_iter().map(|(id, count)| Ok((NodeId::from_bytes(&id)?, count))).collect()
}

pub(crate) async fn orders_archive(requests: Vec<orders::ArchiveRequest>) -> Result<Vec<Vec<u8>>> {
    let request = |request: orders::ArchiveRequest| wit::orders::ArchiveRequest {
        satellite: id(request.satellite),
        serial: request.serial,
        status: status(request.status),
        reason: request.reason,
    };
    Ok(wit::orders::archive(requests.into_iter().map(request).collect()).await?)
}

pub(crate) async fn orders_list_archived(limit: u32) -> Result<Vec<orders::ArchivedInfo>> {
    wit::orders::list_archived(limit).await?.into_iter().map(archived).collect()
}

pub(crate) async fn orders_clean_archive(before: Timestamp) -> Result<u64> {
    Ok(wit::orders::clean_archive(before.as_nanos()).await?)
}

pub(crate) async fn find_node(node: NodeId) -> Result<kademlia::Node> {
    let found = wit::kademlia::find_node(id(node)).await?;
    Ok(kademlia::Node { id: NodeId::from_bytes(&found.id)?, address: found.address })
}
