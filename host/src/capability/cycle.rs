//! `chore:peer/cycle`: control of the chore's own cycles, and the wish that a call wind down.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wasmtime::component::{Accessor, HasData, Linker};

use crate::bindings::cycle::{self, State};
use crate::bindings::types::{Error, ErrorKind};
use crate::capability::{Traffic, error};

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
    /// A guest without `async func` was told so.
    pub was_told: bool,
    pub traffic: Traffic,
}

pub struct View<'a>(pub &'a mut Context);

struct Has;

impl HasData for Has {
    type Data<'a> = View<'a>;
}

fn refused(operation: &str, name: &str) -> impl FnOnce(Refusal) -> Error {
    move |refusal| {
        let (kind, why) = match refusal {
            Refusal::NotFound => (ErrorKind::NotFound, "no such cycle".to_owned()),
            Refusal::Exists => (ErrorKind::Conflict, "it exists already".to_owned()),
            Refusal::Invalid(why) => (ErrorKind::Invalid, why),
            Refusal::TooMany => (ErrorKind::TooLarge, "the chore has too many cycles".to_owned()),
        };
        error(kind, format!("{operation} cycle {name:?}: {why}"))
    }
}

impl Context {
    /// The wish to wind down, unless the guest knows of it and has taken that on itself.
    pub(super) fn wish(&self) -> Option<CancellationToken> {
        (!self.was_told).then(|| self.wind_down.clone())
    }

    /// Whether the call should wind down. A guest that hears so does it itself from then on.
    pub(super) fn is_cancelled(&mut self) -> bool {
        self.traffic.called(&[]);
        self.was_told |= self.wind_down.is_cancelled();
        self.was_told
    }

    pub(super) fn list(&self) -> Vec<String> {
        self.traffic.called(&[]).with(self.cycles.list())
    }

    pub(super) fn status(&self, name: &str) -> Result<State, Error> {
        self.traffic.called(&[&name]);
        let doing = self.cycles.status(name).map_err(refused("status of", name))?;
        Ok(match doing {
            Doing::Idle(next) => State::Idle(next),
            Doing::Running(since) => State::Running(since),
            Doing::Paused => State::Paused,
            Doing::Disabled => State::Disabled,
        })
    }

    pub(super) fn pause(&self, name: &str) -> Result<(), Error> {
        self.traffic.called(&[&name]);
        self.cycles.pause(name).map_err(refused("pause", name))
    }

    pub(super) fn restart(&self, name: &str) -> Result<(), Error> {
        self.traffic.called(&[&name]);
        self.cycles.restart(name).map_err(refused("restart", name))
    }

    pub(super) fn trigger(&self, name: &str) -> Result<(), Error> {
        self.traffic.called(&[&name]);
        self.cycles.trigger(name).map_err(refused("trigger", name))
    }

    /// In nanoseconds, as all times of guests.
    pub(super) fn change_interval(&self, name: &str, interval: u64) -> Result<(), Error> {
        self.traffic.called(&[&name]);
        let changed = self.cycles.change_interval(name, Duration::from_nanos(interval));
        changed.map_err(refused("change interval of", name))
    }

    pub(super) fn add(&self, name: &str, interval: u64, timeout: u64) -> Result<(), Error> {
        self.traffic.called(&[&name]);
        let (interval, timeout) = (Duration::from_nanos(interval), Duration::from_nanos(timeout));
        self.cycles.add(name, interval, timeout).map_err(refused("add", name))
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        self.traffic.called(&[&name]);
        self.cycles.remove(name).map_err(refused("remove", name))
    }
}

impl cycle::Host for View<'_> {
    fn list(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.0.list())
    }

    fn status(&mut self, name: String) -> wasmtime::Result<Result<State, Error>> {
        Ok(self.0.status(&name))
    }

    fn pause(&mut self, name: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.0.pause(&name))
    }

    fn restart(&mut self, name: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.0.restart(&name))
    }

    fn trigger(&mut self, name: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.0.trigger(&name))
    }

    fn change_interval(
        &mut self,
        name: String,
        interval: u64,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.0.change_interval(&name, interval))
    }

    fn add(
        &mut self,
        name: String,
        interval: u64,
        timeout: u64,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.0.add(&name, interval, timeout))
    }

    fn remove(&mut self, name: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.0.remove(&name))
    }
}

impl<T: Send + 'static> cycle::HostWithStore<T> for Has {
    async fn cancelled(accessor: &Accessor<T, Self>) -> wasmtime::Result<()> {
        let wind_down = accessor.with(|mut access| {
            let context = &access.get().0;
            context.traffic.called(&[]);
            context.wind_down.clone()
        });
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
