//! `chore:peer/cycle`: control of the chore's own cycles, and the wish that a call wind down.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wasmtime::component::{Accessor, HasData, Linker};

use crate::bindings::cycle::{self, State};
use crate::bindings::types::{Error, ErrorKind};
use crate::capability::error;

/// Why a control was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No cycle of that name.
    NotFound,
    /// A cycle of that name exists already.
    Exists,
    /// Zero, or shorter or longer than the host allows; says so.
    Invalid(String),
    /// The chore has as many cycles as it may have.
    TooMany,
}

/// What a cycle is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Waits; due then, in nanoseconds since the Unix epoch.
    Idle(i64),
    /// Since then, in nanoseconds since the Unix epoch.
    Running(i64),
    Paused,
    Disabled,
}

/// The cycles of one chore, as the room that schedules them lets a guest see them. Every function
/// answers at once, in every state.
pub trait Cycles: Send + Sync + 'static {
    fn list(&self) -> Vec<String>;
    fn status(&self, name: &str) -> Result<Doing, Refusal>;
    fn pause(&self, name: &str) -> Result<(), Refusal>;
    fn restart(&self, name: &str) -> Result<(), Refusal>;
    fn trigger(&self, name: &str) -> Result<(), Refusal>;
    fn change_interval(&self, name: &str, interval: Duration) -> Result<(), Refusal>;
    fn add(&self, name: &str, interval: Duration, timeout: Duration) -> Result<(), Refusal>;
    fn remove(&self, name: &str) -> Result<(), Refusal>;
}

/// The cycles that one call may control, and its own wish to end.
pub struct Context {
    pub cycles: Arc<dyn Cycles>,
    /// Set when the call in progress should wind down.
    pub wind_down: CancellationToken,
}

pub struct View<'a>(pub &'a mut Context);

struct Has;

impl HasData for Has {
    type Data<'a> = View<'a>;
}

fn refused(operation: &str, name: &str, refusal: Refusal) -> Error {
    let (kind, why) = match refusal {
        Refusal::NotFound => (ErrorKind::NotFound, "no such cycle".to_owned()),
        Refusal::Exists => (ErrorKind::Conflict, "it exists already".to_owned()),
        Refusal::Invalid(why) => (ErrorKind::Invalid, why),
        Refusal::TooMany => (ErrorKind::TooLarge, "the chore has too many cycles".to_owned()),
    };
    error(kind, format!("{operation} cycle {name:?}: {why}"))
}

impl cycle::Host for View<'_> {
    fn list(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.0.cycles.list())
    }

    fn status(&mut self, name: String) -> wasmtime::Result<Result<State, Error>> {
        let doing = self.0.cycles.status(&name).map(|doing| match doing {
            Doing::Idle(next) => State::Idle(next),
            Doing::Running(since) => State::Running(since),
            Doing::Paused => State::Paused,
            Doing::Disabled => State::Disabled,
        });
        Ok(doing.map_err(|refusal| refused("status of", &name, refusal)))
    }

    fn pause(&mut self, name: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.0.cycles.pause(&name).map_err(|refusal| refused("pause", &name, refusal)))
    }

    fn restart(&mut self, name: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.0.cycles.restart(&name).map_err(|refusal| refused("restart", &name, refusal)))
    }

    fn trigger(&mut self, name: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.0.cycles.trigger(&name).map_err(|refusal| refused("trigger", &name, refusal)))
    }

    fn change_interval(
        &mut self,
        name: String,
        interval: u64,
    ) -> wasmtime::Result<Result<(), Error>> {
        let changed = self.0.cycles.change_interval(&name, Duration::from_nanos(interval));
        Ok(changed.map_err(|refusal| refused("change interval of", &name, refusal)))
    }

    fn add(
        &mut self,
        name: String,
        interval: u64,
        timeout: u64,
    ) -> wasmtime::Result<Result<(), Error>> {
        let (interval, timeout) = (Duration::from_nanos(interval), Duration::from_nanos(timeout));
        let added = self.0.cycles.add(&name, interval, timeout);
        Ok(added.map_err(|refusal| refused("add", &name, refusal)))
    }

    fn remove(&mut self, name: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.0.cycles.remove(&name).map_err(|refusal| refused("remove", &name, refusal)))
    }
}

impl<T: Send + 'static> cycle::HostWithStore<T> for Has {
    async fn cancelled(accessor: &Accessor<T, Self>) -> wasmtime::Result<()> {
        let wind_down = accessor.with(|mut access| access.get().0.wind_down.clone());
        wind_down.cancelled().await;
        Ok(())
    }
}

pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    cycle::add_to_linker::<T, Has>(linker, view)
}
