//! Text from files, drivers and users, made fit for a terminal.
//!
//! A label, a tensor's name or an adapter's name may hold escape sequences that move the cursor, line breaks
//! that imitate other messages, and characters that reverse the reading direction; and it may be of any
//! length. The messages of [`Error`](crate::Error) have been through this module. The text of fields, such as
//! [`Prediction::label`](crate::tasks::Prediction::label), is exact, and is for the program that prints it to
//! pass through here.
//!
//! Control characters (C0, C1 and DEL), line and paragraph separators, bidirectional controls and invisible
//! characters are printed as Rust's escapes, `\n` or `\u{1b}`. Text that is too long loses its middle: the
//! ends tell names apart.
//!
//! ```
//! use shadernet::printable;
//!
//! assert_eq!(printable::name("tabby cat"), "tabby cat");
//! assert_eq!(printable::name("\u{1b}[2J\n"), r"\u{1b}[2J\n");
//! assert_eq!(printable::lines("two\nlines\r"), "two\nlines\\r");
//! assert_eq!(printable::name(&"x".repeat(1000)).chars().count(), printable::NAME_LENGTH);
//! ```

use std::path::Path;

/// The largest number of characters of a [`name`]; escapes count as one.
pub const NAME_LENGTH: usize = 100;
/// A longer word of a message is a name without an end.
const WORD_LENGTH: usize = 400;
const LINE_LENGTH: usize = 4000;
/// `PATH_MAX` of Linux: no file has a longer path, but a list of files may.
const PATH_LENGTH: usize = 4096;

/// A name on its own, such as a label or a layer: escaped, and of at most [`NAME_LENGTH`] characters.
pub fn name(name: &str) -> String {
    escaped(&shortened(name, NAME_LENGTH), |_| false)
}

/// A message of one line, which may quote names: escaped, with long words shortened, then the whole.
pub fn line(text: &str) -> String {
    escaped(&with_short_words(text), |_| false)
}

/// As [`line()`], but line breaks and tabs are kept. For text of several lines whose line breaks are this
/// program's own, or a driver's.
pub fn lines(text: &str) -> String {
    let lines = text.split('\n').map(with_short_words);
    let lines: Vec<String> = lines.map(|line| escaped(&line, |c| c == '\t')).collect();
    lines.join("\n")
}

/// Only escaped, and with line breaks and tabs kept: for text of any length whose parts are in order.
pub fn escape(text: &str) -> String {
    escaped(text, |c| c == '\n' || c == '\t')
}

/// A path, complete unless it is longer than any file's.
pub fn path(path: impl AsRef<Path>) -> String {
    let text = path.as_ref().to_string_lossy();
    escaped(&shortened(&text, PATH_LENGTH), |_| false)
}

/// The first letters of a text, enough to recognize it. Not escaped.
pub(crate) fn beginning(text: &str) -> String {
    const LETTERS: usize = 60;
    match text.char_indices().nth(LETTERS) {
        // A boundary between characters.
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn with_short_words(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace);
    let short: String = words.map(|word| shortened(word, WORD_LENGTH)).collect();
    shortened(&short, LINE_LENGTH)
}

/// `text` without its middle, if it has more than `length` characters.
fn shortened(text: &str, length: usize) -> String {
    let count = text.chars().count();
    if count <= length {
        return text.to_owned();
    }
    let start = length / 2;
    // One character is the ellipsis.
    let end = length.saturating_sub(start).saturating_sub(1);
    let head = text.chars().take(start);
    let tail = text.chars().skip(count.saturating_sub(end));
    head.chain(['…']).chain(tail).collect()
}

fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match is_unprintable(c) && !is_kept(c) {
            true => escaped.extend(c.escape_default()),
            false => escaped.push(c),
        }
    }
    escaped
}

/// Whether `c` moves the cursor, changes the direction of other characters, or is invisible. The joiners
/// U+200C and U+200D are part of words in several scripts, and are not.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_affects_other_text_is_escaped() {
        for c in [
            '\0',
            '\u{7}',
            '\u{8}',
            '\t',
            '\n',
            '\r',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{9d}',
            '\u{200e}',
            '\u{2028}',
            '\u{202e}',
            '\u{2066}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            let text = format!("a{c}b");
            for printed in [name(&text), line(&text), path(&text)] {
                assert_eq!(printed, format!("a{}b", c.escape_default()));
            }
            for printed in [lines(&text), escape(&text)] {
                assert_eq!(printed == text, c == '\n' || c == '\t', "{printed}");
            }
        }
        for text in [
            "héllo wörld",
            "日本語",
            "می‌خواهم",
            "👩‍🔬",
            r"C:\models",
            "it's",
        ] {
            assert_eq!(name(text), text);
            assert_eq!(lines(text), text);
        }
        // Once is as good as twice.
        assert_eq!(line(&line("\u{1b}\n")), line("\u{1b}\n"));
    }

    #[test]
    fn long_text_keeps_its_ends() {
        let long = format!("start {} end", "x".repeat(1 << 20));
        for (printed, most) in [(name(&long), NAME_LENGTH), (line(&long), LINE_LENGTH)] {
            let count = printed.chars().count();
            assert!(count <= most, "{count}");
            assert!(printed.starts_with("start x") && printed.ends_with("x end"));
            assert!(printed.contains('…'));
        }
        let many = "word ".repeat(1 << 20);
        assert_eq!(line(&many).chars().count(), LINE_LENGTH);
        assert_eq!(lines(&format!("{many}\n{many}")).lines().count(), 2);
        let deep = "/folder".repeat(500);
        assert_eq!(path(&deep), deep);
        assert_eq!(path("/folder".repeat(5000)).chars().count(), PATH_LENGTH);
        assert_eq!(name(&"é".repeat(NAME_LENGTH)), "é".repeat(NAME_LENGTH));
    }
}
