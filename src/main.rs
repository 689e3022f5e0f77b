//! The `shadernet` command.

mod cli;

fn main() -> std::process::ExitCode {
    // As near to the start of the process as can be told without asking the system for it: what the
    // loader does before is a few milliseconds.
    cli::main(std::time::Instant::now())
}
