//! A command that is ended by a signal leaves no temporary files behind, and says how it is continued.

use std::process;

use shadernet::output_file::remove_unfinished;

use super::partial_results::leave_unfinished;

/// Handles Ctrl-C, and the signals for ending and for a terminal that was closed. The process still dies by the
/// signal: a shell then stops its script, and sees the code 128 and the signal's number, 130 for Ctrl-C.
#[cfg(unix)]
pub fn handle() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;

    let handled = [SIGHUP, SIGINT, SIGTERM].into_iter();
    // Without a handler, only temporary files are left.
    let Ok(mut signals) = Signals::new(handled.filter(|signal| !is_ignored(*signal))) else {
        return;
    };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // No file is created or renamed from here on.
            let _unfinished = remove_unfinished();
            leave_unfinished();
            let _ = emulate_default_handler(signal);
            process::exit(128_i32.saturating_add(signal));
        }
    });
}

/// Whether whoever started this process lets it ignore a signal, as `nohup` does.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: the new action is null, so nothing is changed, and the old one is written where it says.
    let found = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: on success, the action has been written.
    found == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}

/// Handles Ctrl-C, Ctrl-Break and a console that is closed.
#[cfg(windows)]
pub fn handle() {
    /// `STATUS_CONTROL_C_EXIT`.
    const CONTROL_C: i32 = 0xc000_013a_u32.cast_signed();
    // Without a handler, only temporary files are left.
    let _ = ctrlc::set_handler(|| {
        let _unfinished = remove_unfinished();
        leave_unfinished();
        process::exit(CONTROL_C);
    });
}

#[cfg(not(any(unix, windows)))]
pub fn handle() {}
