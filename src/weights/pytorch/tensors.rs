//! The tensors in a pickle, with where their elements are in the archive.

use std::collections::{BTreeMap, HashSet};

use super::super::header::{Content, Entry, bits};
use super::super::listing::quoted;
use super::archive::Archive;
use super::pickle::{Id, Object, Pickle};
use crate::tensor::Shape;

/// Functions of `torch._utils` that make tensors.
const TENSORS: [&str; 3] = [
    "_rebuild_tensor",
    "_rebuild_tensor_v2",
    "_rebuild_tensor_v3",
];
/// Those that make parameters of tensors.
const PARAMETERS: [&str; 2] = ["_rebuild_parameter", "_rebuild_parameter_with_state"];

/// Storages of PyTorch, and the names of their elements' types in safetensors files.
const STORAGES: [(&str, &str); 12] = [
    ("FloatStorage", "F32"),
    ("HalfStorage", "F16"),
    ("BFloat16Storage", "BF16"),
    ("DoubleStorage", "F64"),
    ("LongStorage", "I64"),
    ("IntStorage", "I32"),
    ("ShortStorage", "I16"),
    ("CharStorage", "I8"),
    ("ByteStorage", "U8"),
    ("BoolStorage", "BOOL"),
    ("ComplexFloatStorage", "C64"),
    ("ComplexDoubleStorage", "C128"),
];

/// Types that tensors of untyped storages name.
const DTYPES: [(&str, &str); 18] = [
    ("float32", "F32"),
    ("float16", "F16"),
    ("bfloat16", "BF16"),
    ("float64", "F64"),
    ("float8_e4m3fn", "F8_E4M3"),
    ("float8_e5m2", "F8_E5M2"),
    ("float8_e4m3fnuz", "F8_E4M3FNUZ"),
    ("float8_e5m2fnuz", "F8_E5M2FNUZ"),
    ("int64", "I64"),
    ("int32", "I32"),
    ("int16", "I16"),
    ("int8", "I8"),
    ("uint8", "U8"),
    ("uint16", "U16"),
    ("uint32", "U32"),
    ("uint64", "U64"),
    ("bool", "BOOL"),
    ("complex64", "C64"),
];

/// The keys under which training code keeps a network's tensors, the first that is there. Averages of the weights
/// come first, as in timm: they are what is evaluated.
const HOLDERS: [&str; 10] = [
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "params_ema",
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "params",
    "weights",
];

/// Dictionaries in dictionaries.
const MAX_DEPTH: usize = 8;
/// More than the tensors of any checkpoint.
const MAX_TENSORS: usize = 1 << 18;
/// More than the objects of any checkpoint.
const MAX_STEPS: usize = 1 << 23;
/// The most dimensions of a tensor.
const MAX_RANK: usize = 64;

/// Whether a checkpoint of tensors may name this global.
pub(super) fn is_allowed(module: &str, name: &str) -> bool {
    let is_of = |list: &[(&str, &str)]| list.iter().any(|(own, _)| *own == name);
    match module {
        "collections" => name == "OrderedDict",
        "torch._utils" => TENSORS.contains(&name) || PARAMETERS.contains(&name),
        "torch.storage" => name == "UntypedStorage",
        "torch" => name == "Size" || name == "UntypedStorage" || is_of(&STORAGES) || is_of(&DTYPES),
        _ => false,
    }
}

/// The tensors of a pickle, named by the keys that lead to them.
pub(super) fn find(pickle: &Pickle, archive: &Archive) -> Result<Content, String> {
    let mut finder = Finder {
        pickle,
        archive,
        tensors: Vec::new(),
        names: HashSet::new(),
        steps: 0,
    };
    let root = finder.holder(pickle.root)?;
    finder.walk(root, String::new(), MAX_DEPTH)?;
    if finder.tensors.is_empty() {
        return Err("there are no tensors in it; save the network's state_dict".to_owned());
    }
    Ok(Content {
        tensors: finder.tensors,
        metadata: BTreeMap::new(),
    })
}

struct Finder<'a, 'p> {
    pickle: &'p Pickle<'a>,
    archive: &'p Archive<'a>,
    tensors: Vec<Entry>,
    names: HashSet<String>,
    /// Objects that were visited. A dictionary may be in several others.
    steps: usize,
}

/// The elements of a storage.
struct Storage<'a> {
    /// The name of its type in safetensors files; `None` for bytes of any type.
    dtype: Option<&'static str>,
    key: &'a str,
}

impl<'a> Finder<'a, '_> {
    fn object(&self, id: Id) -> Option<&Object<'a>> {
        self.pickle.objects.get(id)
    }

    /// The dictionary of the network's tensors: the root, or what training code keeps in it.
    fn holder(&self, root: Id) -> Result<Id, String> {
        let Some(Object::Dict(items)) = self.object(root) else {
            // One tensor is no network, but a file of it is no error.
            return match self.object(root) {
                Some(Object::Call(..)) => Ok(root),
                _ => Err(
                    "a dictionary of tensors was expected; save the network's state_dict"
                        .to_owned(),
                ),
            };
        };
        let held = |holder: &str| {
            let mut found = items
                .iter()
                .filter(|(key, _)| self.object(*key) == Some(&Object::Text(holder)));
            let (_, value) = found.next()?;
            matches!(self.object(*value), Some(Object::Dict(own)) if !own.is_empty())
                .then_some(*value)
        };
        Ok(HOLDERS
            .iter()
            .find_map(|holder| held(holder))
            .unwrap_or(root))
    }

    /// Adds the tensors of an object.
    fn walk(&mut self, id: Id, name: String, depth: usize) -> Result<(), String> {
        self.steps = self.steps.saturating_add(1);
        if self.steps > MAX_STEPS {
            return Err(format!(
                "it has more than {MAX_STEPS} objects in dictionaries"
            ));
        }
        match self.object(id) {
            Some(Object::Dict(items)) => {
                let below = depth.checked_sub(1).ok_or_else(|| {
                    format!(
                        "{} has dictionaries in more than {MAX_DEPTH} dictionaries",
                        quoted(&name)
                    )
                })?;
                for (key, value) in items.clone() {
                    let key = match self.object(key) {
                        Some(Object::Text(key)) => (*key).to_owned(),
                        Some(Object::Int(key)) => key.to_string(),
                        // Keys of no network's tensors.
                        _ => continue,
                    };
                    let path = match name.is_empty() {
                        true => key,
                        false => format!("{name}.{key}"),
                    };
                    self.walk(value, path, below)?;
                }
                Ok(())
            }
            Some(&Object::Call(callable, arguments)) => {
                let tensor = self.tensor(callable, arguments, &name);
                let tensor =
                    tensor.map_err(|reason| format!("tensor {}: {reason}", quoted(&name)))?;
                self.add(tensor)
            }
            // Numbers and texts beside the tensors, and lists of them.
            _ => Ok(()),
        }
    }

    fn add(&mut self, tensor: Option<Entry>) -> Result<(), String> {
        let Some(tensor) = tensor else {
            return Ok(());
        };
        if self.tensors.len() >= MAX_TENSORS {
            return Err(format!("it has more than {MAX_TENSORS} tensors"));
        }
        if !self.names.insert(tensor.name.clone()) {
            return Err(format!("it has tensor {} twice", quoted(&tensor.name)));
        }
        self.tensors.push(tensor);
        Ok(())
    }

    fn items(&self, id: Id) -> Option<&[Id]> {
        match self.object(id)? {
            Object::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The tensor that a call makes; `None` for a call of something else, such as a type.
    fn tensor(&self, callable: Id, arguments: Id, name: &str) -> Result<Option<Entry>, String> {
        let (mut callable, mut arguments) = (callable, arguments);
        // A parameter is made of a tensor.
        for _ in 0..MAX_DEPTH {
            let Some(&Object::Global("torch._utils", function)) = self.object(callable) else {
                return Ok(None);
            };
            let items = self
                .items(arguments)
                .ok_or("its arguments are not a tuple")?;
            if !PARAMETERS.contains(&function) {
                return self.rebuilt(items, name).map(Some);
            }
            match items.first().and_then(|id| self.object(*id)) {
                Some(&Object::Call(inner, of)) => (callable, arguments) = (inner, of),
                _ => return Err("a parameter is made of no tensor".to_owned()),
            }
        }
        Err("a parameter is made of parameters".to_owned())
    }

    /// Of the arguments of `_rebuild_tensor_v2`: storage, offset, size and stride; the others say nothing of the
    /// elements, but for the type that `_rebuild_tensor_v3` names.
    fn rebuilt(&self, arguments: &[Id], name: &str) -> Result<Entry, String> {
        let [storage, offset, size, stride, others @ ..] = arguments else {
            return Err("it is made of too few arguments".to_owned());
        };
        let storage = self.storage(*storage)?;
        let dtype = match storage.dtype {
            Some(dtype) => dtype,
            None => (others.iter())
                .find_map(|id| self.named(*id, &DTYPES))
                .ok_or("its storage has no type")?,
        };
        let offset = self
            .number(*offset)
            .ok_or("its offset is not a number from 0")?;
        let [size, strides] = [size, stride].map(|id| {
            let items = self.items(*id)?;
            items
                .iter()
                .map(|id| self.number(*id))
                .collect::<Option<Vec<usize>>>()
        });
        let size = size.ok_or("its size is not a tuple of numbers")?;
        let strides = strides.ok_or("its stride is not a tuple of numbers")?;
        if size.len() != strides.len() || size.len() > MAX_RANK {
            return Err(format!("it has sizes {size:?} and strides {strides:?}"));
        }
        let file = format!("data/{}", storage.key);
        let place = (self.archive.place(&file))
            .ok_or_else(|| format!("its storage {} is not in the archive", quoted(&file)))?;
        let bits = bits(dtype).ok_or_else(|| format!("its type {dtype} is not known"))?;
        let element = bits.div_ceil(8);
        // The elements from the first to the last, one after the other or not.
        let is_empty = size.contains(&0);
        let reach = (size.iter().zip(&strides)).try_fold(1_usize, |reach, (size, stride)| {
            reach.checked_add(size.saturating_sub(1).checked_mul(*stride)?)
        });
        let reach = if is_empty { Some(0) } else { reach };
        let range = reach.and_then(|reach| {
            let start = place.start.checked_add(offset.checked_mul(element)?)?;
            Some(start..start.checked_add(reach.checked_mul(element)?)?)
        });
        let range = range.filter(|range| range.end <= place.end && range.start <= place.end);
        let range = range.ok_or_else(|| {
            format!(
                "with size {size:?}, stride {strides:?} and offset {offset} it lies outside its storage {} of {} bytes",
                quoted(&file),
                place.len()
            )
        })?;
        // A small file must not become a large tensor.
        let len = Shape::from(size.clone()).checked_len();
        let stored = place.len().checked_div(element).unwrap_or(0);
        if len.is_none_or(|len| len > stored) {
            return Err(format!(
                "its size {size:?} is more than the {stored} elements of its storage, some of which it repeats; save it after .contiguous()"
            ));
        }
        let strides = (!is_empty && !is_contiguous(&size, &strides)).then_some(strides);
        Ok(Entry {
            name: name.to_owned(),
            dtype: dtype.to_owned(),
            shape: Shape::from(size),
            bytes: range,
            strides,
        })
    }

    /// `('storage', TYPE, KEY, DEVICE, NUMBER OF ELEMENTS)`.
    fn storage(&self, id: Id) -> Result<Storage<'a>, String> {
        let Some(&Object::Persistent(of)) = self.object(id) else {
            return Err("it is made of no storage".to_owned());
        };
        let items = self.items(of).ok_or("its storage is no tuple")?;
        let (kind, key) = match *items {
            [_, kind, key, ..] => (kind, key),
            _ => return Err("its storage has too few fields".to_owned()),
        };
        let Some(&Object::Text(key)) = self.object(key) else {
            return Err("its storage has no key".to_owned());
        };
        let dtype = match self.object(kind) {
            Some(Object::Global(_, "UntypedStorage")) => None,
            _ => Some((self.named(kind, &STORAGES)).ok_or("its storage has an unknown type")?),
        };
        Ok(Storage { dtype, key })
    }

    /// What a global of `torch` means by a list of names.
    fn named(&self, id: Id, list: &[(&str, &'static str)]) -> Option<&'static str> {
        let Some(&Object::Global("torch", name)) = self.object(id) else {
            return None;
        };
        list.iter()
            .find(|(own, _)| *own == name)
            .map(|(_, dtype)| *dtype)
    }

    fn number(&self, id: Id) -> Option<usize> {
        match self.object(id)? {
            Object::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }
}

/// Whether elements follow one another in row-major order.
fn is_contiguous(size: &[usize], strides: &[usize]) -> bool {
    let mut step = 1_usize;
    (size.iter().zip(strides).rev()).all(|(size, stride)| {
        let follows = *size == 1 || *stride == step;
        step = step.saturating_mul(*size);
        follows
    })
}
