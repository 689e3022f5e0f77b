//! Text in files that say nothing about their encoding.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;

/// The name that [`decode`] returns for UTF-8.
pub const UTF_8: &str = "UTF-8";

/// `text` without the byte order mark with which Windows' editors begin files.
pub fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Decodes text and returns it with the name of its encoding: that of the byte order mark where it has one, UTF-8
/// where it is valid, and otherwise the most likely one, as browsers guess it.
pub fn decode(bytes: &[u8]) -> (Cow<'_, str>, &'static str) {
    let encoding = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding,
        None if str::from_utf8(bytes).is_ok() => encoding_rs::UTF_8,
        None => {
            let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
            detector.feed(bytes, true);
            detector.guess(None, Utf8Detection::Deny)
        }
    };
    // Without the mark.
    let (text, encoding, _) = encoding.decode(bytes);
    (text, encoding.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_recognized() {
        assert_eq!(decode(b"cat\ndog"), ("cat\ndog".into(), UTF_8));
        assert_eq!(decode("\u{feff}猫\n".as_bytes()), ("猫\n".into(), UTF_8));
        let utf_16: Vec<u8> = "\u{feff}cat"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(decode(&utf_16), ("cat".into(), "UTF-16LE"));
        let latin = encoding_rs::WINDOWS_1252
            .encode("piéton\nvélo\nfeu de circulation\nchat\nâne")
            .0;
        assert_eq!(
            decode(&latin).0,
            "piéton\nvélo\nfeu de circulation\nchat\nâne"
        );
        let gbk = encoding_rs::GBK
            .encode("行人\n自行车\n汽车\n摩托车\n飞机\n公共汽车\n火车")
            .0;
        assert_eq!(
            decode(&gbk).0,
            "行人\n自行车\n汽车\n摩托车\n飞机\n公共汽车\n火车"
        );
    }
}
