//! A model as its file has it.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use super::element_type::ElementType;
use super::external;
use super::functions;
use super::node::EDIT_DOMAIN;
use super::order;
use super::proto::{GraphProto, ModelProto, TensorProto, ValueInfoProto};
use crate::error::{Error, Result};
use crate::printable;
use crate::weights::{FileBytes, FileKind};

const ONNX: FileKind = FileKind {
    description: "an ONNX file",
    example: "model.onnx",
};

/// What opens a file.
pub(super) type OpenFile<'a> = &'a dyn Fn(&Path) -> Result<Bytes>;

/// The versions of ONNX's operators that are read.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=28;

/// A network in an ONNX file: its graph, which is imported for shapes of its inputs, and its weights.
///
/// The file has been read and checked: nodes read only what is there, and all bytes of the weights are present.
pub struct OnnxModel {
    pub(super) path: PathBuf,
    /// Nodes are in an order in which each follows those that it reads, and functions are expanded.
    pub(super) graph: GraphProto,
    pub(super) opset: i64,
    /// The index of each initializer by name.
    pub(super) initializers: HashMap<String, usize>,
    /// The bytes of initializers in other files, by index.
    pub(super) external: HashMap<usize, Bytes>,
    /// All files of the model; none in memory.
    pub(super) files: Vec<Arc<FileBytes>>,
    /// How many nodes were added to the file's.
    pub(super) added: usize,
    pub(super) inputs: Vec<OnnxValue>,
    pub(super) outputs: Vec<OnnxValue>,
    metadata: Vec<(String, String)>,
    producer: String,
}

/// An input or output of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct OnnxValue {
    /// The name.
    pub name: String,
    /// The type of its elements.
    pub element_type: ElementType,
    /// The extents; `None` where the file does not say how many there are.
    pub dims: Option<Vec<OnnxDim>>,
}

/// An extent of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnnxDim {
    /// Always this.
    Fixed(usize),
    /// Free. Extents of the same name are equal; some have no name.
    Free(Option<String>),
}

impl std::fmt::Display for OnnxDim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(extent) => write!(f, "{extent}"),
            Self::Free(Some(name)) => f.write_str(&printable::name(name)),
            Self::Free(None) => f.write_str("?"),
        }
    }
}

/// The bytes of a file, as `bytes::Bytes` owns them.
struct Owner(Arc<FileBytes>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl OnnxModel {
    /// Reads a model, and the files with its weights where it has them in files of their own.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read; [`Error::File`] where it is not an ONNX model, is damaged, or is
    /// of a version that is not supported.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path.as_ref(), &|path| FileBytes::read(path, ONNX))
    }

    /// As [`Self::open`], with the files mapped into memory: weights are read from disk when they are used.
    ///
    /// # Safety
    /// Until the model and all weights imported from it are dropped, no process may modify or truncate its files.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub unsafe fn open_mmap(path: impl AsRef<Path>) -> Result<Self> {
        // SAFETY: the caller promises that the files do not change while their bytes are in use.
        let map = |path: &Path| unsafe { FileBytes::map(path, ONNX) };
        Self::open_with(path.as_ref(), &map)
    }

    /// A model in memory. Messages use `name` for the file. Weights in other files are refused.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_bytes(name: impl AsRef<Path>, bytes: impl Into<Bytes>) -> Result<Self> {
        Self::parse(name.as_ref(), bytes.into(), None)
    }

    fn open_with(path: &Path, open: &dyn Fn(&Path) -> Result<FileBytes>) -> Result<Self> {
        // Many initializers have their data in the same file.
        let opened: RefCell<HashMap<PathBuf, (Arc<FileBytes>, Bytes)>> = RefCell::default();
        let file = |path: &Path| {
            let mut opened = opened.borrow_mut();
            if let Some((_, bytes)) = opened.get(path) {
                return Ok(bytes.clone());
            }
            let file = Arc::new(open(path)?);
            let bytes = Bytes::from_owner(Owner(file.clone()));
            opened.insert(path.to_owned(), (file, bytes.clone()));
            Ok(bytes)
        };
        let model = Self::parse(path, file(path)?, Some(&file))?;
        let files = opened.into_inner().into_values();
        Ok(Self {
            files: files.map(|(file, _)| file).collect(),
            ..model
        })
    }

    fn parse(path: &Path, bytes: Bytes, open: Option<OpenFile>) -> Result<Self> {
        let error = |reason: String| Error::file(path, reason);
        if bytes.is_empty() {
            return Err(error(
                "an ONNX model was expected; the file is empty (0 bytes)".to_owned(),
            ));
        }
        let model = ModelProto::decode(bytes).map_err(|source| {
            let reason = "an ONNX model was expected; the file is truncated, damaged or of another format: export or download it again";
            Error::file_caused_by(path, reason, source)
        })?;
        let Some(graph) = model.graph else {
            return Err(error(
                "an ONNX model was expected; this one holds no graph: export it again".to_owned(),
            ));
        };
        let opset = opset(&model.opset_import).map_err(error)?;
        if !graph.sparse_initializer.is_empty() {
            return Err(error(format!(
                "{} of its weights are sparse, which is not supported; export them dense",
                graph.sparse_initializer.len()
            )));
        }
        let mut graph = functions::expand(graph, &model.functions).map_err(error)?;
        let mut initializers = HashMap::new();
        let mut external = HashMap::new();
        for (index, tensor) in graph.initializer.iter().enumerate() {
            let about = |reason| {
                error(format!(
                    "initializer '{}': {reason}",
                    printable::name(&tensor.name)
                ))
            };
            if tensor.data_location == external::EXTERNAL {
                let open = open.ok_or_else(|| {
                    about(
                        "its data is in another file, but the model was given in memory".to_owned(),
                    )
                })?;
                external.insert(index, external::read(path, tensor, open)?);
            }
            check_size(tensor, external.get(&index)).map_err(about)?;
            if initializers.insert(tensor.name.clone(), index).is_some() {
                return Err(about("there are two of this name".to_owned()));
            }
        }
        order::sort(&mut graph, &initializers).map_err(error)?;
        order::remove_unused(&mut graph);
        let values = |values: &[ValueInfoProto]| values.iter().map(value).collect::<Vec<_>>();
        let inputs = values(&graph.input);
        Ok(Self {
            path: path.to_owned(),
            opset,
            added: 0,
            // Before IR version 4, weights were inputs too.
            inputs: (inputs.into_iter())
                .filter(|input| !initializers.contains_key(&input.name))
                .collect(),
            outputs: values(&graph.output),
            graph,
            initializers,
            external,
            files: Vec::new(),
            metadata: (model.metadata_props.into_iter())
                .map(|entry| (entry.key, entry.value))
                .collect(),
            producer: format!("{} {}", model.producer_name, model.producer_version)
                .trim()
                .to_owned(),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's name without its ending.
    pub fn name(&self) -> String {
        let name = self.path.file_stem().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The inputs, without the weights.
    pub fn inputs(&self) -> &[OnnxValue] {
        &self.inputs
    }

    /// The outputs.
    pub fn outputs(&self) -> &[OnnxValue] {
        &self.outputs
    }

    /// The version of ONNX's operators that the model uses.
    pub fn opset(&self) -> i64 {
        self.opset
    }

    /// The program that wrote the file, with its version; empty where the file does not say.
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// What the exporter wrote under `key`, such as Ultralytics' `names`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        let entry = self.metadata.iter().find(|(name, _)| name == key);
        entry.map(|(_, value)| value.as_str())
    }

    /// The files beside the model's that hold weights, by their paths relative to its folder.
    pub(crate) fn external_files(&self) -> BTreeSet<&str> {
        let tensors = self.external.keys();
        let entries = tensors
            .filter_map(|&index| self.graph.initializer.get(index))
            .flat_map(|tensor| &tensor.external_data);
        let locations = entries.filter(|entry| entry.key == external::LOCATION);
        locations.map(|entry| entry.value.as_str()).collect()
    }

    /// The number of weights and other constants.
    pub(crate) fn weight_count(&self) -> usize {
        self.initializers.len()
    }

    pub(super) fn error(&self, reason: impl Into<String>) -> Error {
        Error::file(&self.path, reason.into())
    }

    /// The initializer called `name`, with its bytes where they are in another file.
    pub(super) fn initializer(&self, name: &str) -> Option<(&TensorProto, Option<&Bytes>)> {
        let index = *self.initializers.get(name)?;
        Some((
            self.graph.initializer.get(index)?,
            self.external.get(&index),
        ))
    }
}

impl std::fmt::Debug for OnnxModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnnxModel")
            .field("path", &self.path)
            .field("opset", &self.opset)
            .field("inputs", &self.inputs)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

/// The version of the operators of ONNX's own domain.
fn opset(imports: &[super::proto::OperatorSetIdProto]) -> Result<i64, String> {
    let own = |import: &&super::proto::OperatorSetIdProto| is_onnx_domain(&import.domain);
    let Some(import) = imports.iter().find(own) else {
        return Err("it does not say which version of ONNX's operators (opset) it uses".to_owned());
    };
    match OPSETS.contains(&import.version) {
        true => Ok(import.version),
        false => Err(format!(
            "it uses opset {}; {} to {} are supported: export it with one of them, or convert it with onnx.version_converter",
            import.version,
            OPSETS.start(),
            OPSETS.end()
        )),
    }
}

/// Whether a domain is that of ONNX's own operators.
pub(super) fn is_onnx_domain(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx" | EDIT_DOMAIN)
}

fn value(info: &ValueInfoProto) -> OnnxValue {
    let tensor = info
        .r#type
        .as_ref()
        .and_then(|kind| kind.tensor_type.as_ref());
    let dims = tensor
        .and_then(|tensor| tensor.shape.as_ref())
        .map(|shape| {
            let dims = shape.dim.iter().map(|dim| {
                // Some exporters write 0 or -1 for a free extent.
                let fixed = dim.dim_value.and_then(|value| usize::try_from(value).ok());
                match fixed {
                    Some(extent) if extent > 0 => OnnxDim::Fixed(extent),
                    _ => OnnxDim::Free(dim.dim_param.clone().filter(|name| !name.is_empty())),
                }
            });
            dims.collect()
        });
    OnnxValue {
        name: info.name.clone(),
        element_type: ElementType(tensor.map_or(0, |tensor| tensor.elem_type)),
        dims,
    }
}

/// The extents of a tensor in the file, and the number of its elements.
pub(super) fn extents(tensor: &TensorProto) -> Result<(Vec<usize>, usize), String> {
    let dims: Option<Vec<usize>> = (tensor.dims.iter())
        .map(|&dim| usize::try_from(dim).ok())
        .collect();
    let len = dims
        .as_deref()
        .and_then(|dims| (dims.iter()).try_fold(1_usize, |len, &dim| len.checked_mul(dim)));
    match (dims, len) {
        (Some(dims), Some(len)) => Ok((dims, len)),
        _ => Err(format!("its shape {:?} is not possible", tensor.dims)),
    }
}

/// Checks that there are as many elements as the shape says.
fn check_size(tensor: &TensorProto, external: Option<&Bytes>) -> Result<(), String> {
    let (_, len) = extents(tensor)?;
    let element_type = ElementType(tensor.data_type);
    let Some(size) = element_type.size() else {
        // Whoever reads it refuses it, by its user's name.
        return Ok(());
    };
    let raw = external.unwrap_or(&tensor.raw_data);
    let (found, expected, unit) = match raw.is_empty() {
        false => (raw.len(), len.checked_mul(size), "bytes"),
        true => (typed_len(tensor), Some(len), "elements"),
    };
    match expected == Some(found) {
        true => Ok(()),
        false => Err(format!(
            "{} {unit} were expected for {:?} {element_type}, found {found}: export or download it again",
            expected.map_or("more than 2^64".to_owned(), |expected| expected.to_string()),
            tensor.dims,
        )),
    }
}

/// The number of elements in the fields for each type.
fn typed_len(tensor: &TensorProto) -> usize {
    match ElementType(tensor.data_type) {
        ElementType::FLOAT => tensor.float_data.len(),
        ElementType::DOUBLE => tensor.double_data.len(),
        ElementType::INT64 => tensor.int64_data.len(),
        ElementType::UINT32 | ElementType::UINT64 => tensor.uint64_data.len(),
        _ => tensor.int32_data.len(),
    }
}
