//! Small text files about one device: the format's first line, the device with its driver and this version of the
//! crate, lines, and a checksum of all lines before it.

use std::fmt;

use crate::util::fnv::fnv1a64;

/// The device, driver and version that a file is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub adapter: String,
    pub backend: String,
    pub driver: String,
    pub version: String,
}

impl Identity {
    pub fn of(info: &wgpu::AdapterInfo) -> Self {
        let line = |text: &str| text.replace(char::is_control, " ").trim().to_owned();
        Self {
            adapter: line(&info.name),
            backend: line(info.backend.to_str()),
            driver: line(&format!("{} {}", info.driver, info.driver_info)),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// The name of a file of this kind in a folder with files for several devices. Every adapter and backend has its
    /// own; it is the same for all drivers and versions, whose files replace each other.
    pub fn file_name(&self, kind: &str) -> String {
        let Self {
            adapter, backend, ..
        } = self;
        let plain: String = (adapter.chars().take(40))
            .map(|c| match c.is_ascii_alphanumeric() {
                true => c.to_ascii_lowercase(),
                false => '-',
            })
            .collect();
        let hash = fnv1a64(adapter) & u64::from(u32::MAX);
        format!("{kind}-{backend}-{plain}-{hash:08x}.txt")
    }

    /// The text of a file of this format with `lines`.
    pub fn to_text(&self, format: &Format, lines: impl IntoIterator<Item = String>) -> String {
        let Self {
            adapter,
            backend,
            driver,
            version,
        } = self;
        let mut text = format!(
            "{}\nadapter: {adapter}\nbackend: {backend}\ndriver: {driver}\nversion: {version}\n",
            format.first_line
        );
        for line in lines {
            text += &line;
            text.push('\n');
        }
        let sum = checksum_line(&text);
        text + &sum + "\n"
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            adapter,
            backend,
            driver,
            version,
        } = self;
        write!(
            f,
            "{adapter} ({backend}, driver '{driver}', shadernet {version})"
        )
    }
}

/// A kind of file.
#[derive(Debug)]
pub(crate) struct Format {
    /// The first line, with the version of the format.
    pub first_line: &'static str,
    /// What such a file is called in messages, with its article.
    pub name: &'static str,
}

impl Format {
    /// The identity and the lines of a file's text.
    ///
    /// # Errors
    /// A message that says what is wrong with it.
    pub fn parse<'a>(&self, text: &'a str) -> Result<(Identity, Vec<&'a str>), String> {
        if text.lines().next() != Some(self.first_line) {
            return Err(format!("it is not {} of this version's format", self.name));
        }
        let damaged = || "its checksum does not match; it is damaged".to_owned();
        let text = text.strip_suffix('\n').ok_or_else(damaged)?;
        let (_, sum) = text.rsplit_once('\n').ok_or_else(damaged)?;
        let body = text.strip_suffix(sum).ok_or_else(damaged)?;
        if sum != checksum_line(body) {
            return Err(damaged());
        }
        // Not `lines`, which drops a carriage return: what is read is written again as it was.
        let mut lines = body.split_terminator('\n').skip(1);
        let mut field = |name: &str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name));
            let value = line.and_then(|rest| rest.strip_prefix(':'));
            let value = value.ok_or_else(|| format!("it has no line '{name}:' where it should be"));
            value.map(|value| value.trim().to_owned())
        };
        let identity = Identity {
            adapter: field("adapter")?,
            backend: field("backend")?,
            driver: field("driver")?,
            version: field("version")?,
        };
        Ok((identity, lines.collect()))
    }
}

/// The last line, without its line break, of a file whose other lines are `body`.
pub(crate) fn checksum_line(body: &str) -> String {
    format!("checksum: {:016x}", fnv1a64(body))
}
