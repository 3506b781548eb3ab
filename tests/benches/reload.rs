//! From the rename of a file to the first run of its version, beside the bare compile.
fn main() {}
