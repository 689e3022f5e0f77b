//! Lines of standard input.

use std::io::{BufRead, Read};
use std::iter;

use shadernet::{Error, Result};

/// More than any path has.
const MAX_LINE: usize = 64 << 10;

/// The lines of `input`, which messages call standard input, without their ends. Ends after an error: that
/// reading failed, or that a line has more than 65,536 bytes.
pub fn lines(mut input: impl BufRead) -> impl Iterator<Item = Result<Vec<u8>>> {
    let mut numbers = 1_u64..;
    let mut failed = false;
    iter::from_fn(move || {
        if failed {
            return None;
        }
        let number = numbers.next()?;
        let mut line = Vec::new();
        let limit = MAX_LINE as u64 + 1;
        let error = match input.by_ref().take(limit).read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Ok(_) if line.ends_with(b"\n") => {
                line.pop();
                return Some(Ok(line));
            }
            Ok(_) if line.len() <= MAX_LINE => return Some(Ok(line)),
            Ok(_) => Error::file(
                "standard input",
                format!("line {number}: at most {MAX_LINE} bytes were expected, found more"),
            ),
            Err(error) => Error::io("standard input")(error),
        };
        failed = true;
        Some(Err(error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded() {
        let read = |text: &[u8]| lines(text).map(Result::ok).collect::<Vec<_>>();
        assert_eq!(read(b""), []);
        let expected = [&b"a"[..], b"", b"b"].map(|line| Some(line.to_vec()));
        assert_eq!(read(b"a\n\nb"), expected);
        assert_eq!(read(b"a\n\nb\n"), expected);
        let long = vec![b'x'; MAX_LINE];
        assert_eq!(read(&long), [Some(long.clone())]);
        assert_eq!(
            read(&[b"a\n", &long[..], b"x\nb"].concat()),
            [Some(b"a".to_vec()), None]
        );
        // A stream without an end.
        let error = lines(std::io::BufReader::new(std::io::repeat(0))).next();
        let text = error.unwrap().unwrap_err().to_string();
        assert_eq!(
            text,
            "standard input: line 1: at most 65536 bytes were expected, found more"
        );
    }
}
