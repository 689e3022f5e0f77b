//! PyTorch's checkpoints: a zip archive with a pickle of tensors, and their bytes.
//!
//! Nothing of a pickle is run. Tensors are found in it by what `torch.save` writes for them, and all else is ignored
//! where it is plain data (numbers, texts), or refused by name.

mod archive;
mod pickle;
mod tensors;

use super::header::Content;

/// How a zip archive begins.
const SIGNATURE: &[u8] = b"PK\x03\x04";
/// More than any checkpoint's pickle, which has about 300 bytes for a tensor.
const MAX_PICKLE: usize = 1 << 26;

/// Whether a file that begins with these bytes is a zip archive.
pub(super) fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

/// The tensors of a checkpoint.
///
/// # Errors
/// What is wrong, without the file's name.
pub(super) fn parse(bytes: &[u8]) -> Result<Content, String> {
    let archive = archive::Archive::open(bytes)?;
    if archive.place("constants.pkl").is_some() || archive.has_folder("code/") {
        return Err("it is a TorchScript archive, a program; save the weights with torch.save(torch.jit.load(FILE).state_dict(), OTHER)".to_owned());
    }
    archive.expect_stored()?;
    let pickled = archive.file("data.pkl").ok_or(
        "it is a zip archive without data.pkl, and so no checkpoint of torch.save; unpack it if it holds one",
    )?;
    if let Some(order) = archive.file("byteorder")
        && order != b"little"
    {
        return Err(format!(
            "its byte order is {}; save it on a machine with little-endian numbers",
            super::listing::quoted(&String::from_utf8_lossy(order))
        ));
    }
    if pickled.len() > MAX_PICKLE {
        return Err(format!(
            "its pickle has {} bytes, more than the {MAX_PICKLE} that are read",
            pickled.len()
        ));
    }
    let pickle = pickle::read(pickled, &tensors::is_allowed)
        .map_err(|reason| format!("its pickle is not one of tensors: {reason}"))?;
    tensors::find(&pickle, &archive)
}
