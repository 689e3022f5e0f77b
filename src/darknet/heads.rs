//! The sections of detection heads: `[yolo]`, `[region]` and `[detection]`.

use super::cfg::Section;
use crate::error::Result;
use crate::tensor::Shape;
use crate::vision::Head;

/// More than any network has.
const MAX_CLASSES: usize = 1_000_000;
const MAX_BOXES: usize = 1000;

/// A head and the index of its section.
pub(super) struct PlacedHead {
    pub section: usize,
    pub head: Head,
}

pub(super) fn head(section: &Section) -> Result<Head> {
    let classes = |default| section.count("classes", default, 1..=MAX_CLASSES);
    match section.name {
        "yolo" => {
            let scale_x_y = match section.numbers("scale_x_y")?.as_deref() {
                None => 1.0,
                Some(&[scale]) if (1.0..=100.0).contains(&scale) => scale,
                Some(_) => return Err(section.invalid("scale_x_y", "a number from 1 to 100")),
            };
            let anchors = anchors(section)?;
            let mask = match section.integers("mask")? {
                None => (0..anchors.len()).collect(),
                Some(mask) => {
                    let mask = mask.iter().map(|&i| usize::try_from(i).ok());
                    let mask = mask.map(|i| i.filter(|&i| i < anchors.len()));
                    let mask: Option<Vec<usize>> = mask.collect();
                    let expected = format!("anchors from 0 to {}", anchors.len().saturating_sub(1));
                    mask.ok_or_else(|| section.invalid("mask", &expected))?
                }
            };
            Ok(Head::Yolo {
                anchors,
                mask,
                classes: classes(20)?,
                scale_x_y,
                new_coords: section.flag("new_coords")?,
            })
        }
        "region" => {
            section.refuse_unsupported(&[
                ("coords", "4"),
                ("background", "0"),
                ("classfix", "0"),
                ("tree", ""),
            ])?;
            Ok(Head::Region {
                anchors: anchors(section)?,
                classes: classes(20)?,
                softmax: section.flag("softmax")?,
            })
        }
        _ => {
            // Darknet's default is 1, which cannot describe a box.
            if section.required_count("coords", 1..=1000)? != 4 {
                return Err(section.invalid("coords", "4 (nothing else is supported)"));
            }
            Ok(Head::Detection {
                side: section.count("side", 7, 1..=1000)?,
                boxes: section.count("num", 1, 1..=MAX_BOXES)?,
                classes: classes(1)?,
                sqrt: section.flag("sqrt")?,
                softmax: section.flag("softmax")?,
            })
        }
    }
}

/// `num` pairs of width and height.
fn anchors(section: &Section) -> Result<Vec<[f32; 2]>> {
    let num = section.count("num", 1, 1..=MAX_BOXES)?;
    let expected = format!("{num} pairs of width and height above zero (num={num})");
    let numbers = section.numbers("anchors")?.unwrap_or_default();
    let fits = numbers.len() == num.saturating_mul(2) && numbers.iter().all(|&size| size > 0.0);
    match fits {
        true => Ok(numbers.as_chunks().0.to_vec()),
        false => Err(section.invalid("anchors", &expected)),
    }
}

/// Checks that every head can decode its output, and that all have the same number of classes.
pub(super) fn check(heads: &[PlacedHead], outputs: &[Shape], sections: &[Section]) -> Result<()> {
    let classes = heads.first().map(|placed| placed.head.classes());
    for (PlacedHead { section, head }, output) in heads.iter().zip(outputs) {
        let section = &sections[*section];
        head.check(output)
            .map_err(|error| section.error(error.to_string()))?;
        if Some(head.classes()) != classes {
            let expected = "as many classes as in the first such section";
            return Err(section.invalid("classes", expected));
        }
    }
    Ok(())
}
