//! The protocol of `serve.py`, for engines that are Rust packages.

use std::io::BufRead;
use std::process::ExitCode;
use std::time::Instant;

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Runs the passes of the network that `load` returns for a file and a number of threads. A pass takes an image of
/// three channels and its side in pixels, and returns the output. The command line is the file, the side and,
/// for engines that compute on the CPU, the number of threads.
pub fn serve<Pass>(usage: &str, load: impl FnOnce(&str, usize) -> Result<Pass>) -> ExitCode
where
    Pass: FnMut(&[f32], usize) -> Result<Vec<f32>>,
{
    // `compare.py` shows the last line of output, which would be the advice on backtraces.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    match rounds(usage, load) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn rounds<Pass>(usage: &str, load: impl FnOnce(&str, usize) -> Result<Pass>) -> Result<()>
where
    Pass: FnMut(&[f32], usize) -> Result<Vec<f32>>,
{
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [file, side, threads @ ..] = &words[..] else {
        return Err(usage.into());
    };
    let side: usize = side.parse()?;
    let threads = match threads {
        [] => 1,
        [number] => number.parse()?,
        _ => return Err(usage.into()),
    };
    let mut pass = load(file, threads)?;
    let image: Vec<f32> = (0..3 * side * side)
        .map(|i| (i as f32 * 0.37).sin())
        .collect();
    let mut checked = || -> Result<()> {
        let values = pass(&image, side)?;
        // The weights are random, so no output is all zeros, unless kernels failed without an error.
        let is_valid = values.iter().all(|v| v.is_finite()) && values.iter().any(|v| *v != 0.0);
        match is_valid {
            true => Ok(()),
            false => Err("the output is zeros or not finite".into()),
        }
    };
    checked()?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        line?;
        let begin = Instant::now();
        checked()?;
        println!("{:.6}", begin.elapsed().as_secs_f64());
    }
    Ok(())
}
