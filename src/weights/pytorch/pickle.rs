//! The part of Python's pickle format that PyTorch's checkpoints consist of.
//!
//! A pickle is a program for a machine with a stack (`Lib/pickletools.py` of CPython describes the opcodes). Nothing is
//! imported or called here: names of what would be are kept, and those that no checkpoint of tensors needs are
//! refused. No crate reads the persistent ids and calls that tensors are made of without running them.

use super::super::listing::quoted;

/// An object, by its position in [`Pickle::objects`].
pub(super) type Id = usize;

/// An object of a pickle.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Object<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// A number that nothing of a tensor is: a float, or an integer of more than 64 bits.
    Number,
    Text(&'a str),
    Bytes,
    /// Also a list and a set.
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// The name of something in a Python module.
    Global(&'a str, &'a str),
    /// What stands for a storage.
    Persistent(Id),
    /// A call of a global with a tuple of arguments.
    Call(Id, Id),
}

/// A pickle that has been read.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    pub objects: Vec<Object<'a>>,
    pub root: Id,
}

/// More than the objects of any checkpoint: a tensor has about 20.
const MAX_OBJECTS: usize = 1 << 23;

struct Machine<'a, 'b> {
    rest: &'a [u8],
    /// The length of the whole.
    len: usize,
    objects: Vec<Object<'a>>,
    stack: Vec<Id>,
    /// The lengths of the stack at the marks.
    marks: Vec<usize>,
    memo: Vec<Option<Id>>,
    /// Whether a global may be named.
    is_allowed: &'b dyn Fn(&str, &str) -> bool,
}

/// Reads a pickle. Globals for which `is_allowed`, given module and name, is false are refused.
///
/// # Errors
/// What is wrong, without the file's name.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    is_allowed: &dyn Fn(&str, &str) -> bool,
) -> Result<Pickle<'a>, String> {
    let mut machine = Machine {
        rest: bytes,
        len: bytes.len(),
        objects: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        is_allowed,
    };
    while machine.step()? {}
    let root = machine.pop()?;
    Ok(Pickle {
        objects: machine.objects,
        root,
    })
}

impl<'a> Machine<'a, '_> {
    /// Runs one opcode. Returns whether more follow.
    fn step(&mut self) -> Result<bool, String> {
        let at = self.len.saturating_sub(self.rest.len());
        let opcode = self.array::<1>()?[0];
        match opcode {
            // PROTO, FRAME: only about the encoding.
            0x80 => drop(self.array::<1>()?),
            0x95 => drop(self.array::<8>()?),
            b'.' => return Ok(false),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'N' => self.push(Object::None)?,
            0x88 => self.push(Object::Bool(true))?,
            0x89 => self.push(Object::Bool(false))?,
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Object::Int(value.into()))?;
            }
            b'K' => {
                let [value] = self.array()?;
                self.push(Object::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Object::Int(value.into()))?;
            }
            0x8a => {
                let [len] = self.array()?;
                let bytes = self.take(len.into())?;
                self.push(integer(bytes))?;
            }
            b'G' => {
                self.array::<8>()?;
                self.push(Object::Number)?;
            }
            b'X' => {
                let len = u32::from_le_bytes(self.array()?);
                self.text(len.into())?;
            }
            0x8c => {
                let [len] = self.array()?;
                self.text(len.into())?;
            }
            0x8d => {
                let len = u64::from_le_bytes(self.array()?);
                self.text(len)?;
            }
            // Bytes, and text of Python 2.
            b'C' | b'U' => {
                let [len] = self.array()?;
                self.bytes(len.into())?;
            }
            b'B' | b'T' => {
                let len = u32::from_le_bytes(self.array()?);
                self.bytes(len.into())?;
            }
            b')' | b']' | 0x8f => self.push(Object::Tuple(Vec::new()))?,
            b'}' => self.push(Object::Dict(Vec::new()))?,
            b't' | b'l' | 0x91 => {
                let items = self.pop_mark()?;
                self.push(Object::Tuple(items))?;
            }
            0x85..=0x87 => {
                let count = usize::from(opcode).saturating_sub(0x84);
                let first = (self.stack.len().checked_sub(count)).ok_or_else(too_few)?;
                let items = self.stack.split_off(first);
                self.push(Object::Tuple(items))?;
            }
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Object::Dict(Vec::new()))?;
                self.extend(items)?;
            }
            b'a' | b's' => {
                let count = if opcode == b'a' { 1 } else { 2 };
                let first = (self.stack.len().checked_sub(count)).ok_or_else(too_few)?;
                let items = self.stack.split_off(first);
                self.extend(items)?;
            }
            b'e' | b'u' | 0x90 => {
                let items = self.pop_mark()?;
                self.extend(items)?;
            }
            b'q' => {
                let [place] = self.array()?;
                self.memorize(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.array()?);
                self.memorize(usize::try_from(place).map_err(|_| too_many())?)?;
            }
            0x94 => self.memorize(self.memo.len())?,
            b'h' => {
                let [place] = self.array()?;
                self.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.array()?);
                self.recall(usize::try_from(place).map_err(|_| too_many())?)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.objects.get(module), self.objects.get(name)) {
                    (Some(&Object::Text(module)), Some(&Object::Text(name))) => {
                        self.global(module, name)?;
                    }
                    _ => return Err("a global has a name that is not text".to_owned()),
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Object::Persistent(id))?;
            }
            b'R' => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)?;
            }
            // The state of an ordered dictionary: attributes such as `_metadata`.
            b'b' => {
                let _state = self.pop()?;
                let object = *self.stack.last().ok_or_else(too_few)?;
                if !matches!(self.objects.get(object), Some(Object::Dict(_))) {
                    return Err("it sets the state of an object; only that of a dictionary is ignored, and nothing else has one in a checkpoint of tensors".to_owned());
                }
            }
            0x81 | 0x92 | b'i' | b'o' => {
                return Err(
                    "it makes an object of a class, which a checkpoint of tensors does not"
                        .to_owned(),
                );
            }
            other => {
                return Err(format!(
                    "byte {at} is opcode {other:#04x}, which checkpoints of tensors do not have"
                ));
            }
        }
        Ok(true)
    }

    fn push(&mut self, object: Object<'a>) -> Result<(), String> {
        if self.objects.len() >= MAX_OBJECTS {
            return Err(too_many());
        }
        self.stack.push(self.objects.len());
        self.objects.push(object);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        self.stack.pop().ok_or_else(too_few)
    }

    /// What is on the stack above the last mark.
    fn pop_mark(&mut self) -> Result<Vec<Id>, String> {
        let first = self.marks.pop().ok_or_else(too_few)?;
        match first <= self.stack.len() {
            true => Ok(self.stack.split_off(first)),
            false => Err(too_few()),
        }
    }

    /// Adds items to the list or dictionary on top of the stack.
    fn extend(&mut self, items: Vec<Id>) -> Result<(), String> {
        let top = *self.stack.last().ok_or_else(too_few)?;
        match self.objects.get_mut(top) {
            Some(Object::Tuple(own)) => own.extend(items),
            Some(Object::Dict(own)) => {
                let (pairs, rest) = items.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err("a dictionary has a key without a value".to_owned());
                }
                own.extend(pairs.iter().map(|&[key, value]| (key, value)));
            }
            _ => return Err("it adds to what is neither a list nor a dictionary".to_owned()),
        }
        Ok(())
    }

    fn memorize(&mut self, place: usize) -> Result<(), String> {
        let top = *self.stack.last().ok_or_else(too_few)?;
        // Places are counted up, so that none is far beyond the objects.
        if place > self.objects.len() {
            return Err(format!(
                "it remembers object {place} before there are as many"
            ));
        }
        if place >= self.memo.len() {
            self.memo.resize(place.saturating_add(1), None);
        }
        if let Some(entry) = self.memo.get_mut(place) {
            *entry = Some(top);
        }
        Ok(())
    }

    fn recall(&mut self, place: usize) -> Result<(), String> {
        let object = self.memo.get(place).copied().flatten();
        let object =
            object.ok_or_else(|| format!("it reads object {place}, which it has not kept"))?;
        self.stack.push(object);
        Ok(())
    }

    fn global(&mut self, module: &'a str, name: &'a str) -> Result<(), String> {
        match (self.is_allowed)(module, name) {
            true => self.push(Object::Global(module, name)),
            false => Err(format!(
                "it names {}, which a checkpoint of tensors does not need; a pickle could run any code, so that nothing but tensors is read: save the state_dict of the network",
                quoted(&format!("{module}.{name}"))
            )),
        }
    }

    fn call(&mut self, callable: Id, arguments: Id) -> Result<(), String> {
        let Some(&Object::Global(module, name)) = self.objects.get(callable) else {
            return Err("it calls what is not a global".to_owned());
        };
        let Some(Object::Tuple(items)) = self.objects.get(arguments) else {
            return Err("it calls something without a tuple of arguments".to_owned());
        };
        match (module, name, items.is_empty()) {
            ("collections", "OrderedDict", true) => self.push(Object::Dict(Vec::new())),
            _ => self.push(Object::Call(callable, arguments)),
        }
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], String> {
        let len = usize::try_from(len).ok();
        let split = len.and_then(|len| self.rest.split_at_checked(len));
        let (taken, rest) = split.ok_or("it ends in the middle of an object")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (array, rest) =
            (self.rest.split_first_chunk::<N>()).ok_or("it ends before its last opcode")?;
        self.rest = rest;
        Ok(*array)
    }

    fn text(&mut self, len: u64) -> Result<(), String> {
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| "a text is not UTF-8")?;
        self.push(Object::Text(text))
    }

    /// Text of Python 2, if it is ASCII, or bytes.
    fn bytes(&mut self, len: u64) -> Result<(), String> {
        let bytes = self.take(len)?;
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|text| text.is_ascii());
        self.push(text.map_or(Object::Bytes, Object::Text))
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let end = end.ok_or("it ends in the middle of a name")?;
        let line = self.take(end as u64)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| "a name is not UTF-8".to_owned())
    }
}

/// A little-endian integer in two's complement.
fn integer(bytes: &[u8]) -> Object<'static> {
    if bytes.len() > 8 {
        return Object::Number;
    }
    let is_negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
    let mut wide = if is_negative { [0xFF; 8] } else { [0; 8] };
    for (to, from) in wide.iter_mut().zip(bytes) {
        *to = *from;
    }
    Object::Int(i64::from_le_bytes(wide))
}

fn too_few() -> String {
    "it takes more objects from its stack than there are".to_owned()
}

fn too_many() -> String {
    format!("it has more than {MAX_OBJECTS} objects")
}
