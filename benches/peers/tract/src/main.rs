//! Serves an ONNX file on tract; the protocol is that of `serve.py`.
//!
//!     serve_tract FILE.onnx SIDE [THREADS]
//!
//! `make_onnx.py` writes the files. SIDE is the height and width of the image.

#[path = "../../serve.rs"]
mod serve;

use std::process::ExitCode;

use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

fn main() -> ExitCode {
    serve::serve("serve_tract FILE.onnx SIDE [THREADS]", |file, threads| {
        // A pool of one thread would only add the way to it and back.
        if threads > 1 {
            set_default_executor(Executor::multithread(threads));
        }
        let plan = tract_onnx::onnx()
            .model_for_path(file)?
            .into_optimized()?
            .into_runnable()?;
        Ok(move |image: &[f32], side| {
            let image = Tensor::from_shape(&[1, 3, side, side], image)?;
            let outputs = plan.run(tvec!(image.into()))?;
            Ok(outputs[0].try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
        })
    })
}
