//! Typed access to the objects of a `config.json`, with errors that name the key.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::printable::beginning;

/// One object of the file. Keys with the value null count as missing, as in timm.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    path: &'a Path,
    /// The key of this object; empty at the root.
    name: &'a str,
    map: &'a Map<String, Value>,
}

impl<'a> Section<'a> {
    /// The file's root object.
    pub fn root(path: &'a Path, map: &'a Map<String, Value>) -> Self {
        Self {
            path,
            name: "",
            map,
        }
    }

    /// The value of a key; `None` where it is missing or null.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// The keys whose values are not null, with their values.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let entries = self.map.iter().filter(|(_, value)| !value.is_null());
        entries.map(|(key, value)| (key.as_str(), value))
    }

    /// A boolean; false where it is missing.
    pub fn flag(&self, key: &str) -> Result<bool> {
        match self.get(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.fault(key, "true or false", other)),
        }
    }

    /// The objects of a list; an empty list where it is missing.
    pub fn sections(&self, key: &'a str) -> Result<Vec<Self>> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let section = |value: &'a Value| match value {
            Value::Object(map) => Some(Self {
                path: self.path,
                name: key,
                map,
            }),
            _ => None,
        };
        let sections = value
            .as_array()
            .and_then(|list| list.iter().map(section).collect());
        sections.ok_or_else(|| self.fault(key, "a list of objects", value))
    }

    /// An object; `None` where it is missing.
    pub fn section(&self, key: &'a str) -> Result<Option<Self>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self {
                path: self.path,
                name: key,
                map,
            })),
            Some(other) => Err(self.fault(key, "an object", other)),
        }
    }

    /// A string that is not empty; `None` where it is missing.
    pub fn string(&self, key: &str) -> Result<Option<&'a str>> {
        match self.text(key)? {
            Some("") => Err(self.fault(key, "a string", &"".into())),
            text => Ok(text),
        }
    }

    /// A string; `None` where it is missing.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let text = value.as_str();
        text.map(Some)
            .ok_or_else(|| self.fault(key, "a string", value))
    }

    /// A non-negative integer; `None` where it is missing.
    pub fn count(&self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        count(value)
            .map(Some)
            .ok_or_else(|| self.fault(key, "a whole number, zero or more", value))
    }

    /// A list of numbers, or one number as a list of one; `None` where it is missing.
    pub fn numbers(&self, key: &str) -> Result<Option<Vec<f32>>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let number = |value: &Value| value.as_f64().map(to_f32);
        let numbers = match value {
            Value::Array(values) => values.iter().map(number).collect::<Option<Vec<_>>>(),
            value => number(value).map(|number| vec![number]),
        };
        numbers
            .map(Some)
            .ok_or_else(|| self.fault(key, "a list of numbers, one per channel", value))
    }

    /// Channels, height and width; `None` where they are missing.
    pub fn input_size(&self) -> Result<Option<[usize; 3]>> {
        let key = "input_size";
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let sizes = value.as_array().and_then(|sizes| {
            let sizes: Option<Vec<usize>> = sizes.iter().map(count).collect();
            sizes?.try_into().ok()
        });
        sizes
            .map(Some)
            .ok_or_else(|| self.fault(key, "[channels, height, width]", value))
    }

    /// A name, parsed; `None` where it is missing.
    pub fn parsed<T: FromStr<Err: fmt::Display>>(&self, key: &str) -> Result<Option<T>> {
        let Some(text) = self.string(key)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|error| {
            Error::file(self.path, format!("key '{}{key}': {error}", self.prefix()))
        })
    }

    /// What the names of this object's keys are preceded by in messages.
    fn prefix(&self) -> String {
        if self.name.is_empty() {
            String::new()
        } else {
            format!("{}.", self.name)
        }
    }

    /// The error of checks on the object's values as a whole.
    pub fn invalid(&self, error: &Error) -> Error {
        Error::file(self.path, format!("{}{error}", self.prefix()))
    }

    /// The error of a key whose value is not what was expected.
    pub fn fault(&self, key: &str, expected: &str, found: &Value) -> Error {
        self.fault_found(key, expected, &excerpt(found))
    }

    /// As [`Self::fault`], with a description of what was found.
    pub fn fault_found(&self, key: &str, expected: &str, found: &str) -> Error {
        let prefix = self.prefix();
        Error::file(
            self.path,
            format!("key '{prefix}{key}': {expected} expected, found {found}"),
        )
    }
}

/// The nearest float32: infinite for a number beyond its range, and 0 for one too small.
#[allow(
    clippy::cast_possible_truncation,
    reason = "what a float32 cannot hold becomes infinite or 0, which the callers check"
)]
pub(super) fn to_f32(number: f64) -> f32 {
    number as f32
}

/// A value as a non-negative integer.
pub(super) fn count(value: &Value) -> Option<usize> {
    value.as_u64()?.try_into().ok()
}

/// A value as JSON, shortened.
pub(super) fn excerpt(value: &Value) -> String {
    beginning(&value.to_string())
}
