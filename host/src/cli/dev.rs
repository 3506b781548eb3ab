//! `chore dev`: builds a chore whenever its source changes, and has it take over in a running peer,
//! all in one terminal.
//!
//! The peer is one of its own, in a temporary home, or that of `--home`. Either is reached by its
//! control socket, and replaces the chore as any peer does.

mod peer;
mod sources;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::Error as CliError;
use super::keys::Keys;
use super::output::Out;
use super::run::Stop;
use super::{build, change, child, show};
use crate::control::{Client, Command, Control};
use crate::error::chain;
use crate::peer::Home;
use crate::status::{Change, ChangeKind, LastRun};
use peer::OwnPeer;
use sources::Sources;

/// How often the peer of `--home` is asked how runs ended; our own says so in its log.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// What a chore without a config file may use in a peer of our own.
const EVERYTHING: &str = "grants = [\"orders\", \"kademlia\", \"transport\"]\n";

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("watch the source in {}", .path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("watch the source in {}", .path.display())]
    Watch { path: PathBuf, source: notify::Error },
    #[error("install the chore as {}", .path.display())]
    Install { path: PathBuf, source: io::Error },
}

/// With `home`, in the peer that runs there.
pub(super) async fn dev(
    out: &Out,
    asked: build::Asked,
    home: Option<Home>,
) -> Result<u8, CliError> {
    let build::Asked { path } = asked;
    let folder = path.canonicalize();
    let folder = folder.map_err(|source| Error::Folder { path: path.clone(), source })?;
    let sources = Sources::watch(&folder)?;
    let mut stop = Stop::new()?;
    let own = match &home {
        Some(_) => None,
        None => Some(OwnPeer::start().await?),
    };
    let is_own = own.is_some();
    let home = match (home, &own) {
        (Some(home), _) => home,
        (None, Some(own)) => own.home().clone(),
        (None, None) => return Err(CliError::NoHome),
    };
    // Before anything is built: is there a peer?
    Client::connect(&home).await?;
    let mut session = Session { out, path, home, is_own, name: None, paused: false, told: None };
    let ended = tokio::select! {
        ended = session.watch(sources) => ended,
        _ = stop.signal() => Ok(0),
    };
    if let Some(own) = own {
        own.close().await;
    }
    ended
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Trigger,
    Pause,
    Quit,
}

impl Key {
    fn of(byte: u8) -> Option<Key> {
        match byte.to_ascii_lowercase() {
            b't' => Some(Key::Trigger),
            b'p' => Some(Key::Pause),
            b'q' => Some(Key::Quit),
            _ => None,
        }
    }
}

struct Session<'a> {
    out: &'a Out,
    /// Of the source.
    path: PathBuf,
    home: Home,
    /// The peer is ours, and its log is on this terminal.
    is_own: bool,
    /// Of the chore, once it was built.
    name: Option<String>,
    paused: bool,
    /// The last run that was told.
    told: Option<u64>,
}

impl Session<'_> {
    /// Until somebody quits.
    async fn watch(&mut self, mut sources: Sources) -> Result<u8, CliError> {
        let mut keys = Keys::read(Key::of)?;
        let mut asks = tokio::time::interval(ASK_EVERY);
        asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let whose = if self.is_own { "a peer of its own" } else { "the peer" };
        let home = self.home.root().display();
        self.out.tell(&format!(
            "watching the source, for {whose} in {home}\n\
             keys: t triggers a run, p pauses and goes on, q quits"
        ))?;
        let mut changed = true;
        while !self.out.closed() {
            if std::mem::take(&mut changed) && !self.renew(&mut keys).await? {
                return Ok(0);
            }
            tokio::select! {
                () = sources.changed() => changed = true,
                key = keys.next() => if !self.press(key).await? { return Ok(0) },
                _ = asks.tick(), if !self.is_own => self.tell_run().await?,
            }
        }
        Ok(0)
    }

    /// Whether to go on.
    async fn press(&mut self, key: Key) -> Result<bool, CliError> {
        match key {
            Key::Trigger => self.trigger().await?,
            Key::Pause => self.pause().await?,
            Key::Quit => return Ok(false),
        }
        Ok(true)
    }

    /// Builds what there is, and lets it take over. What does not build changes nothing. Meanwhile
    /// keys are for what runs. Whether to go on.
    async fn renew(&mut self, keys: &mut Keys<Key>) -> Result<bool, CliError> {
        self.out.tell("\nbuilding ...")?;
        let begun = Instant::now();
        let (out, path) = (self.out, self.path.clone());
        let mut building = std::pin::pin!(build::built(out, &path));
        let built = loop {
            tokio::select! {
                built = &mut building => break built,
                key = keys.next() => if !self.press(key).await? { return Ok(false) },
            }
        };
        match built {
            Ok(component) => self.take_over(&component, begun.elapsed()).await?,
            // The compiler has said why.
            Err(CliError::Child(child::Error::Failed { .. })) => {
                self.out.tell("not built; waiting for a change")?;
            }
            Err(err) => {
                let line = show::plain(&chain(&err));
                self.out.tell(&format!("{line}; waiting for a change"))?;
            }
        }
        Ok(true)
    }

    async fn take_over(&mut self, component: &Path, took: Duration) -> Result<(), CliError> {
        let name = install(component, &self.home, self.is_own)?;
        let took = show::elapsed(took);
        self.out.tell(&format!("{name} is built, and the peer compiles it ..."))?;
        let reload = Control::Reload { force: true };
        let done = self.client().await?.control(&name, reload, None).await?;
        let changes: Vec<Change> = done.into_iter().flat_map(|done| done.changes).collect();
        self.name = Some(name);
        for made in &changes {
            self.out.tell(&format!("built in {took}; {}", change::line(made)))?;
        }
        // A chore that is loaded runs by itself; another version would wait for its slot.
        if changes.iter().any(|made| made.kind == ChangeKind::Replaced) {
            self.trigger().await?;
        }
        Ok(())
    }

    async fn trigger(&mut self) -> Result<(), CliError> {
        let Some(name) = &self.name else { return self.out.tell("nothing is built yet") };
        match self.client().await?.control(name, Control::Trigger { wait: false }, None).await {
            Ok(_) => Ok(()),
            Err(err) => self.out.tell(&show::plain(&chain(&err))),
        }
    }

    async fn pause(&mut self) -> Result<(), CliError> {
        let Some(name) = &self.name else { return self.out.tell("nothing is built yet") };
        let command = if self.paused { Command::Restart } else { Command::Pause { until: None } };
        let control = Control::Command(command);
        if let Err(err) = self.client().await?.control(name, control, None).await {
            return self.out.tell(&show::plain(&chain(&err)));
        }
        self.paused = !self.paused;
        let now = if self.paused { "paused; t still triggers a run" } else { "goes on" };
        self.out.tell(&format!("{name}: {now}"))
    }

    async fn tell_run(&mut self) -> Result<(), CliError> {
        let Some(name) = &self.name else { return Ok(()) };
        let chores = self.client().await?.status().await?.chores;
        let chore = chores.into_iter().find(|chore| chore.name == *name);
        let last: Option<LastRun> =
            chore.and_then(|chore| chore.cycles.into_iter().find_map(|cycle| cycle.last));
        match last.filter(|run| self.told != Some(run.iteration)) {
            Some(run) => {
                self.told = Some(run.iteration);
                self.out.tell(&format!("run {} {}", run.iteration, show::run(&run)))
            }
            None => Ok(()),
        }
    }

    async fn client(&self) -> Result<Client, CliError> {
        Ok(Client::connect(&self.home).await?)
    }
}

/// The component and its config file, each at once under its name; says the chore's name. The config
/// of a peer that is not ours is its operator's, so a file that is there stays.
fn install(component: &Path, home: &Home, is_own: bool) -> Result<String, Error> {
    let name = component.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (from, to) = (component.with_extension("toml"), home.chores().join(format!("{name}.toml")));
    let target = home.chores().join(format!("{name}.wasm"));
    // All of it before the config, of which a peer complains when it stands alone.
    let part = target.with_extension("part");
    let copied = fs::copy(component, &part);
    copied.map_err(|source| Error::Install { path: component.into(), source })?;
    if is_own || !to.exists() {
        match fs::read(&from) {
            Ok(config) => put(&config, &to)?,
            Err(_) if is_own => put(EVERYTHING.as_bytes(), &to)?,
            Err(_) => {}
        }
    }
    fs::rename(&part, &target).map_err(|source| Error::Install { path: target, source })?;
    Ok(name)
}

fn put(bytes: &[u8], target: &Path) -> Result<(), Error> {
    let part = target.with_extension("new");
    let put = fs::write(&part, bytes).and_then(|()| fs::rename(&part, target));
    put.map_err(|source| Error::Install { path: target.into(), source })
}
