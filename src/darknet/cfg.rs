//! The text of a `.cfg`: sections with their line numbers, and typed access to their settings.

use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::printable::beginning;

/// One `[section]` with its settings.
pub(super) struct Section<'a> {
    path: &'a Path,
    /// Without the brackets.
    pub name: &'a str,
    /// The line of its heading, from 1.
    pub line: usize,
    settings: Vec<Setting<'a>>,
}

struct Setting<'a> {
    key: &'a str,
    value: &'a str,
    line: usize,
}

/// `text` without the blanks in its lines, which Darknet ignores (`strip` in `utils.c`).
pub(super) fn without_blanks(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, ' ' | '\t' | '\r'))
        .collect()
}

/// Splits `text` into sections. Comments begin with `#` or `;`, as in Darknet.
pub(super) fn sections<'a>(path: &'a Path, text: &'a str) -> Result<Vec<Section<'a>>> {
    let mut sections: Vec<Section> = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.split(['#', ';']).next().unwrap_or_default().trim();
        let fault = |reason: &str| {
            let found = beginning(content);
            Error::file(path, format!("line {line}: {reason}, found '{found}'"))
        };
        if content.is_empty() {
            continue;
        }
        if let Some(heading) = content.strip_prefix('[') {
            let name = heading.strip_suffix(']').filter(|name| !name.is_empty());
            sections.push(Section {
                path,
                name: name.ok_or_else(|| fault("expected a section such as [convolutional]"))?,
                line,
                settings: Vec::new(),
            });
            continue;
        }
        let (key, value) = content
            .split_once('=')
            .ok_or_else(|| fault("expected a [section] or key=value"))?;
        let section = sections
            .last_mut()
            .ok_or_else(|| fault("expected [net] before the first setting"))?;
        section.settings.push(Setting {
            key: key.trim(),
            value: value.trim(),
            line,
        });
    }
    Ok(sections)
}

impl<'a> Section<'a> {
    /// An error about the section as a whole.
    pub fn error(&self, reason: impl AsRef<str>) -> Error {
        let (line, name, reason) = (self.line, beginning(self.name), reason.as_ref());
        Error::file(self.path, format!("line {line}: [{name}]: {reason}"))
    }

    /// An error about a section with an unknown name.
    pub fn unknown(&self, reason: &str) -> Error {
        let (line, name) = (self.line, beginning(self.name));
        Error::file(
            self.path,
            format!("line {line}: unknown section [{name}]; {reason}"),
        )
    }

    /// The first setting with this name, as in Darknet.
    fn setting(&self, key: &str) -> Option<&Setting<'a>> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    fn fault(&self, setting: &Setting, expected: &str) -> Error {
        Error::file(
            self.path,
            format!(
                "line {}: [{}] {}: {expected} expected, found '{}'",
                setting.line,
                beginning(self.name),
                setting.key,
                beginning(setting.value)
            ),
        )
    }

    /// The error of a missing setting that is required.
    fn missing(&self, key: &str, expected: &str) -> Error {
        self.error(format!("{key} is missing; {expected} expected"))
    }

    /// The error of a setting whose value cannot be used, or that is missing.
    pub fn invalid(&self, key: &str, expected: &str) -> Error {
        match self.setting(key) {
            Some(setting) => self.fault(setting, expected),
            None => self.missing(key, expected),
        }
    }

    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.setting(key).map(|setting| setting.value)
    }

    /// A non-negative integer; `default` where it is not set.
    pub fn count(&self, key: &str, default: usize, range: RangeInclusive<usize>) -> Result<usize> {
        let Some(setting) = self.setting(key) else {
            return Ok(default);
        };
        let value = whole(setting.value);
        value.filter(|value| range.contains(value)).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            self.fault(setting, &format!("a whole number from {least} to {most}"))
        })
    }

    /// A required non-negative integer.
    pub fn required_count(&self, key: &str, range: RangeInclusive<usize>) -> Result<usize> {
        if self.setting(key).is_none() {
            let expected = format!("a whole number from {} to {}", range.start(), range.end());
            return Err(self.missing(key, &expected));
        }
        self.count(key, 0, range)
    }

    /// A switch, 0 or 1; off where it is not set.
    pub fn flag(&self, key: &str) -> Result<bool> {
        Ok(self.count(key, 0, 0..=1)? == 1)
    }

    /// A switch, 0 or 1; `None` where it is not set.
    pub fn optional_flag(&self, key: &str) -> Result<Option<bool>> {
        self.setting(key).map(|_| self.flag(key)).transpose()
    }

    /// A list of numbers; `None` where it is not set.
    pub fn numbers(&self, key: &str) -> Result<Option<Vec<f32>>> {
        self.list(key, "finite numbers, separated by commas,", |text| {
            text.parse().ok().filter(|number: &f32| number.is_finite())
        })
    }

    /// A list of integers; `None` where it is not set.
    pub fn integers(&self, key: &str) -> Result<Option<Vec<i64>>> {
        self.list(key, "whole numbers, separated by commas,", whole)
    }

    fn list<T>(
        &self,
        key: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<Vec<T>>> {
        let Some(setting) = self.setting(key) else {
            return Ok(None);
        };
        // Darknet's own files end some lists with a comma.
        let items = setting.value.trim_end_matches(',').split(',');
        let items: Option<Vec<T>> = items.map(|item| parse(item.trim())).collect();
        items.map(Some).ok_or_else(|| self.fault(setting, expected))
    }

    /// Refuses settings that would change the network's output and are not supported, unless they have
    /// their neutral value. `keys` are pairs of a key and its neutral value.
    pub fn refuse_unsupported(&self, keys: &[(&str, &str)]) -> Result<()> {
        for (key, neutral) in keys {
            if let Some(setting) = self.setting(key)
                && !is_same_value(setting.value, neutral)
            {
                let only = if neutral.is_empty() {
                    "nothing"
                } else {
                    neutral
                };
                return Err(self.fault(setting, &format!("{only} (nothing else is supported)")));
            }
        }
        Ok(())
    }
}

/// A whole number as C's `atoi` reads it: what follows its digits does not count. Only what is found in files is
/// accepted there: decimals and commas.
fn whole<T: FromStr>(text: &str) -> Option<T> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let rest = unsigned.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = text.strip_suffix(rest)?;
    let decimals = rest.strip_prefix('.').unwrap_or(rest);
    match decimals
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .trim_end_matches(',')
    {
        "" => number.parse().ok(),
        _ => None,
    }
}

/// Whether two values are equal; numbers are compared by value.
fn is_same_value(a: &str, b: &str) -> bool {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}
