//! The log on standard error, off unless `SHADERNET_LOG` asks for it.

use std::env;
use std::io;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, format::FmtSpan};
use tracing_subscriber::prelude::*;

/// The variable: a level, or `TARGET=LEVEL` separated by commas.
const VARIABLE: &str = "SHADERNET_LOG";

/// Starts the log.
///
/// # Errors
/// Where the variable is set and is not a filter: what is wrong with it.
pub fn init() -> Result<(), String> {
    // Silent unless asked: every error that matters is returned as a value, and printed.
    let filter = match env::var(VARIABLE) {
        Ok(text) if !text.trim().is_empty() => text.parse::<Targets>().map_err(|error| {
            format!(
                "{VARIABLE}: {error}; expected a level such as debug, or TARGET=LEVEL such as \
                 shadernet=debug, separated by commas; found '{text}'"
            )
        })?,
        Ok(_) | Err(env::VarError::NotPresent) => Targets::new(),
        Err(error) => return Err(format!("{VARIABLE}: {error}")),
    };
    let lines = fmt::layer()
        .with_writer(io::stderr)
        // How long each span took.
        .with_span_events(FmtSpan::CLOSE)
        .with_filter(filter);
    tracing_subscriber::registry().with(lines).init();
    Ok(())
}
