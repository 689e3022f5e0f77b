//! Writes a BigTIFF around strips or tiles that are compressed already.

use std::borrow::Cow;

/// The tags of a TIFF of gray levels, or of samples of no stated meaning.
#[derive(Debug)]
pub struct Container<'a> {
    pub is_big_endian: bool,
    pub width: u32,
    pub height: u32,
    pub bits: u64,
    pub samples: u64,
    pub format: u64,
    pub compression: u64,
    pub predictor: u64,
    /// The width and height of a strip or tile.
    pub chunk: (u32, u32),
    pub is_tiled: bool,
    pub jpeg_tables: Option<&'a [u8]>,
}

const SHORT: u16 = 3;
const UNDEFINED: u16 = 7;
const LONG8: u16 = 16;

/// The header: signature, size of offsets, and where the directory is.
const HEADER_BYTES: usize = 16;
const ENTRY_BYTES: usize = 20;
const INLINE_BYTES: usize = 8;

/// The bytes of a file with these tags and this data. None where its size is beyond the address space.
pub fn write(container: &Container, chunks: &[Cow<[u8]>]) -> Option<Vec<u8>> {
    let is_big_endian = container.is_big_endian;
    let number = |value: u64| number(value, 8, is_big_endian);
    let samples = usize::try_from(container.samples).ok()?;
    let short = |tag, value: u64| (tag, SHORT, 1, self::number(value, 2, is_big_endian));
    let long = |tag, value: u64| (tag, LONG8, 1, number(value));
    let mut entries = vec![
        long(256, container.width.into()),
        long(257, container.height.into()),
        short(258, container.bits),
        short(259, container.compression),
        short(262, 1), // black is zero
        short(277, container.samples),
        short(317, container.predictor),
        (
            339,
            SHORT,
            container.samples,
            self::number(container.format, 2, is_big_endian).repeat(samples),
        ),
    ];
    let (width, height) = container.chunk;
    if container.is_tiled {
        entries.push(long(322, width.into()));
        entries.push(long(323, height.into()));
    } else {
        entries.push(long(278, height.into()));
    }
    if let Some(tables) = container.jpeg_tables {
        let count = u64::try_from(tables.len()).ok()?;
        entries.push((347, UNDEFINED, count, tables.to_vec()));
    }
    let (offsets_tag, lengths_tag) = if container.is_tiled {
        (324, 325)
    } else {
        (273, 279)
    };
    let count = u64::try_from(chunks.len()).ok()?;
    let lengths = chunks.iter().map(|chunk| u64::try_from(chunk.len()).ok());
    let lengths: Vec<u64> = lengths.collect::<Option<_>>()?;
    entries.push((
        lengths_tag,
        LONG8,
        count,
        lengths.iter().flat_map(|&length| number(length)).collect(),
    ));
    // The offsets depend on the size of what is before the data, which their values do not change.
    entries.push((
        offsets_tag,
        LONG8,
        count,
        vec![0; chunks.len().checked_mul(INLINE_BYTES)?],
    ));
    let values: usize = (entries.iter().map(|(.., bytes)| bytes.len()))
        .filter(|&size| size > INLINE_BYTES)
        .sum();
    let values_at = HEADER_BYTES
        .checked_add(8)?
        .checked_add(entries.len().checked_mul(ENTRY_BYTES)?)?
        .checked_add(8)?;
    let mut at = u64::try_from(values_at.checked_add(values)?).ok()?;
    let mut offsets = Vec::new();
    for length in lengths {
        offsets.extend(number(at));
        at = at.checked_add(length)?;
    }
    if let Some((.., bytes)) = entries.last_mut() {
        *bytes = offsets;
    }
    entries.sort_by_key(|&(tag, ..)| tag);

    let mut file = if is_big_endian {
        b"MM\0+\0\x08\0\0".to_vec()
    } else {
        b"II+\0\x08\0\0\0".to_vec()
    };
    file.extend(number(u64::try_from(HEADER_BYTES).ok()?));
    file.extend(number(u64::try_from(entries.len()).ok()?));
    let mut values = Vec::new();
    for (tag, kind, count, bytes) in entries {
        file.extend(self::number(tag, 2, is_big_endian));
        file.extend(self::number(kind.into(), 2, is_big_endian));
        file.extend(number(count));
        if bytes.len() > INLINE_BYTES {
            file.extend(number(
                u64::try_from(values_at.checked_add(values.len())?).ok()?,
            ));
            values.extend(bytes);
        } else {
            let padding = INLINE_BYTES.checked_sub(bytes.len())?;
            file.extend(bytes);
            file.extend(std::iter::repeat_n(0, padding));
        }
    }
    file.extend(number(0)); // no further directory
    file.extend(values);
    for chunk in chunks {
        file.extend_from_slice(chunk);
    }
    Some(file)
}

/// The last `size` bytes of `value`.
fn number(value: u64, size: usize, is_big_endian: bool) -> Vec<u8> {
    let little = value.to_le_bytes();
    let bytes = little.iter().copied().take(size);
    if is_big_endian {
        bytes.rev().collect()
    } else {
        bytes.collect()
    }
}
