//! `--layer '?'`: lists the layers of a network.

use std::io::{self, Write};

use serde_json::json;
use shadernet::tensor::Shape;

use super::output;

/// The value of `--layer` that asks for the list.
pub const LIST: &str = "?";

/// Prints `layers`. Those in `marked` get the text `mark` in the last column, or true as the JSON key `mark`.
pub fn print(
    layers: &[(String, &'static str, Shape)],
    marked: &[String],
    mark: &str,
    json: bool,
) -> io::Result<()> {
    let mut table = output::table(&["layer", "operator", "output", ""]);
    for (layer, operator, shape) in layers {
        let is_marked = marked.contains(layer);
        if json {
            output::json_line(&json!({
                "layer": layer,
                "operator": operator,
                "shape": shape.dims(),
                mark: is_marked,
            }))?;
        }
        let mark = if is_marked { mark } else { "" };
        table.add_row([layer, *operator, &shape.to_string(), mark]);
    }
    match json {
        true => Ok(()),
        false => writeln!(output::stdout(), "{}", table),
    }
}
