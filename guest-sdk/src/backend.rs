//! The seam between the SDK and what answers its calls: in a component the peer, in native tests
//! the fakes of [`testing`](crate::testing). Both have the same functions.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::*;
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::*;
