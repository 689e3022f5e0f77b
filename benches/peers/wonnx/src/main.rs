//! Serves an ONNX file on wonnx; the protocol is that of `serve.py`.
//!
//!     serve_wonnx FILE.onnx SIDE
//!
//! `make_onnx.py` writes the files. SIDE is the height and width of the image.

#[path = "../../serve.rs"]
mod serve;

use std::collections::HashMap;
use std::process::ExitCode;

use wonnx::Session;
use wonnx::utils::{InputTensor, OutputTensor};

fn main() -> ExitCode {
    serve::serve("serve_wonnx FILE.onnx SIDE", |file, _| {
        let session = pollster::block_on(Session::from_path(file))?;
        Ok(move |image: &[f32], _| {
            let inputs = HashMap::from([("in0".to_string(), InputTensor::from(image))]);
            let mut outputs = pollster::block_on(session.run(&inputs))?;
            match outputs.remove("out0") {
                Some(OutputTensor::F32(values)) => Ok(values),
                _ => Err("the output is missing".into()),
            }
        })
    })
}
