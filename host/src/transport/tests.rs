//! Two peers on this machine, with real TLS; and clients that are none.

mod calls;
mod connections;
mod hostile;
mod net;
