//! Too much memory, of the guest's or of the host's.

use chore_sdk::__private::bindings;
use chore_sdk::prelude::*;

const MIB: usize = 1024 * 1024;

/// Until it gets no more.
pub fn allocates() -> ! {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(vec![1; MIB]);
        std::hint::black_box(&taken);
    }
}

/// As much as it may have, and keeps it.
pub async fn allocates_slowly() -> ! {
    let taken = vec![1_u8; 8 * MIB];
    loop {
        time::sleep(Duration::from_millis(1)).await;
        std::hint::black_box(&taken);
    }
}

/// More random bytes than the host makes at once.
pub fn asks_for_chance() -> Result<()> {
    let bytes = bindings::wasi::random::random::get_random_bytes(8 * MIB as u64);
    bail!("got {} bytes of chance", bytes.len())
}

pub fn panics_hugely() -> ! {
    panic!("{}", "last words ".repeat(MIB / 4))
}

pub async fn saves(bytes: usize) -> Result<()> {
    state::save(vec![7; bytes]).await
}
