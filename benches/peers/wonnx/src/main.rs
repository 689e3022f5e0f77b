//! Serves an ONNX file on wonnx; the protocol is that of `serve.py`.
//!
//!     serve_wonnx FILE.onnx SIDE
//!
//! `make_onnx.py` writes the files. SIDE is the height and width of the image.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::time::Instant;

use wonnx::Session;
use wonnx::utils::{InputTensor, OutputTensor};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() {
    // wonnx panics at much that it cannot do. `compare.py` shows the last line that is said, which would
    // be the advice on backtraces.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    if let Err(error) = serve() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<()> {
    let [file, side] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("serve_wonnx FILE.onnx SIDE".into());
    };
    let side: usize = side.parse()?;
    let session = pollster::block_on(Session::from_path(file))?;
    let image: Vec<f32> = (0..3 * side * side)
        .map(|i| (i as f32 * 0.37).sin())
        .collect();

    let forward = || -> Result<()> {
        let input = InputTensor::from(&image[..]);
        let outputs =
            pollster::block_on(session.run(&HashMap::from([("in0".to_string(), input)])))?;
        match outputs.get("out0") {
            Some(OutputTensor::F32(values)) if !values.is_empty() => Ok(()),
            _ => Err("no answer".into()),
        }
    };

    forward()?;
    println!("ready");
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        line?;
        let begin = Instant::now();
        forward()?;
        writeln!(out, "{:.6}", begin.elapsed().as_secs_f64())?;
    }
    Ok(())
}
