//! The program `chore`. Everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    chore_host::cli::main()
}
