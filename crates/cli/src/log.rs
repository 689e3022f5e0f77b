//! The log on standard error, off unless `-v` or `SHADERNET_LOG` asks for it.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, format::FmtSpan};
use tracing_subscriber::prelude::*;

/// The variable: a level, or `TARGET=LEVEL` separated by commas.
const VARIABLE: &str = "SHADERNET_LOG";

/// How often `-v` was given, once the log has started and where it prints anything.
static VERBOSE: OnceLock<u8> = OnceLock::new();

/// The flags that make a child process log as this one does; `None` where it logs nothing.
pub fn child_flags() -> Option<Vec<OsString>> {
    let verbose = *VERBOSE.get()?;
    Some(vec!["-v".into(); verbose.into()])
}

/// Starts the log. `verbose` is how often `-v` was given: once for the library's messages, twice for those of wgpu,
/// too, and more often for all there are. The variable counts for more.
///
/// # Errors
/// Where the variable is set and is not a filter: what is wrong with it.
pub fn init(verbose: u8) -> Result<(), String> {
    // Silent unless asked: every error that matters is returned as a value, and printed.
    let filter = match env::var(VARIABLE) {
        Ok(text) if !text.trim().is_empty() => text.parse::<Targets>().map_err(|error| {
            format!(
                "{VARIABLE}: {error}; expected a level such as debug, or TARGET=LEVEL such as \
                 shadernet=debug, separated by commas; found '{text}'"
            )
        })?,
        Ok(_) | Err(env::VarError::NotPresent) => match verbose {
            0 => Targets::new(),
            1 => Targets::new().with_target("shadernet", Level::DEBUG),
            2 => Targets::new().with_default(Level::DEBUG),
            _ => Targets::new().with_default(Level::TRACE),
        },
        Err(error) => return Err(format!("{VARIABLE}: {error}")),
    };
    if filter.iter().next().is_some() || filter.default_level().is_some() {
        let _ = VERBOSE.set(verbose);
    }
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // How long each span took.
        .with_span_events(FmtSpan::CLOSE)
        .with_filter(filter);
    tracing_subscriber::registry().with(lines).init();
    Ok(())
}
