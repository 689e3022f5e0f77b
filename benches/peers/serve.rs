//! The protocol of `serve.py`, for engines that are Rust packages.

use std::io::BufRead;
use std::process::ExitCode;
use std::time::Instant;

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Serves what `load` makes of a file: passes, each from an image of three channels and so many pixels a
/// side to an answer. The command line is that file and the side.
pub fn serve<Pass>(usage: &str, load: impl FnOnce(&str) -> Result<Pass>) -> ExitCode
where
    Pass: FnMut(&[f32], usize) -> Result<Vec<f32>>,
{
    // `compare.py` shows the last line that is said, which would be the advice on backtraces.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    match rounds(usage, load) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn rounds<Pass>(usage: &str, load: impl FnOnce(&str) -> Result<Pass>) -> Result<()>
where
    Pass: FnMut(&[f32], usize) -> Result<Vec<f32>>,
{
    let [file, side] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err(usage.into());
    };
    let side: usize = side.parse()?;
    let mut pass = load(file)?;
    let image: Vec<f32> = (0..3 * side * side)
        .map(|i| (i as f32 * 0.37).sin())
        .collect();
    let mut checked = || -> Result<()> {
        let values = pass(&image, side)?;
        // The weights are random: nothing computes zeros, but kernels that failed without a word leave them.
        let sound = values.iter().all(|v| v.is_finite()) && values.iter().any(|v| *v != 0.0);
        match sound {
            true => Ok(()),
            false => Err("the answer is zeros or not finite".into()),
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
