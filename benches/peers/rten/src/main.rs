//! Serves an ONNX file on rten; the protocol is that of `serve.py`.
//!
//!     serve_rten FILE.onnx SIDE [THREADS]
//!
//! `make_onnx.py` writes the files. SIDE is the height and width of the image.

#[path = "../../serve.rs"]
mod serve;

use std::process::ExitCode;
use std::sync::Arc;

use rten::{ModelOptions, RunOptions, ThreadPool};
use rten_tensor::{NdTensorView, Tensor};

fn main() -> ExitCode {
    serve::serve("serve_rten FILE.onnx SIDE [THREADS]", |file, threads| {
        let mut options = ModelOptions::with_all_ops();
        options.prepack_weights(true);
        let model = options.load_file(file)?;
        let pool = Arc::new(ThreadPool::with_num_threads(threads));
        let run = RunOptions::default().with_thread_pool(Some(pool));
        Ok(move |image: &[f32], side| {
            let view = NdTensorView::from_data([1, 3, side, side], image);
            let output = model.run_one(view.into(), Some(run.clone()))?;
            let output: Tensor<f32> = output.try_into()?;
            Ok(output.into_data())
        })
    })
}
