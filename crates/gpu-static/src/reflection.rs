//! What a SPIR-V module expects of its pipeline's layout.

use std::collections::{BTreeMap, HashMap, HashSet};

use ash::vk::DescriptorType;
use spirv::{Decoration, Op, StorageClass};

use crate::error::Error;

/// Words before the first instruction.
const HEADER: usize = 5;
/// The operand of `OpTypeImage` that tells how an image is used, and its value for those that are written.
const IMAGE_SAMPLED: usize = 6;
const STORAGE_IMAGE: u32 = 2;

/// What a module expects of its pipeline's layout.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// The bindings of set 0, the only one, with what they are of.
    pub bindings: Vec<(u32, DescriptorType)>,
    /// Whether it has push constants.
    pub has_push_constants: bool,
}

/// What the instructions before the functions say, by result.
#[derive(Default)]
struct Declarations {
    bindings: HashMap<u32, u32>,
    sets: HashMap<u32, u32>,
    /// Types that are storage buffers although their class is `Uniform`, as before SPIR-V 1.3.
    buffer_blocks: HashSet<u32>,
    pointees: HashMap<u32, u32>,
    images: HashMap<u32, u32>,
    /// Types and classes of variables.
    variables: BTreeMap<u32, (u32, u32)>,
}

impl Interface {
    /// Reads a module.
    ///
    /// # Errors
    /// Where it is not SPIR-V, and where it has several sets or other resources than buffers and images.
    pub fn of(words: &[u32]) -> Result<Self, Error> {
        if words.first() != Some(&spirv::MAGIC_NUMBER) {
            return Err(Error::Spirv("it does not begin as SPIR-V does"));
        }
        let mut declarations = Declarations::default();
        let mut rest = words.get(HEADER..).unwrap_or_default();
        while let Some(&first) = rest.first() {
            let instruction = (rest.get(..(first >> 16) as usize))
                .filter(|instruction| !instruction.is_empty())
                .ok_or(Error::Spirv("an instruction is longer than the module"))?;
            declarations.add(first & 0xffff, &instruction[1..]);
            rest = &rest[instruction.len()..];
        }
        declarations.interface()
    }
}

impl Declarations {
    fn add(&mut self, op: u32, operands: &[u32]) {
        match (Op::from_u32(op), operands) {
            (Some(Op::Decorate), &[target, decoration, ref values @ ..]) => {
                match (Decoration::from_u32(decoration), values) {
                    (Some(Decoration::Binding), &[value]) => {
                        self.bindings.insert(target, value);
                    }
                    (Some(Decoration::DescriptorSet), &[value]) => {
                        self.sets.insert(target, value);
                    }
                    (Some(Decoration::BufferBlock), _) => {
                        self.buffer_blocks.insert(target);
                    }
                    _ => {}
                }
            }
            (Some(Op::TypePointer), &[result, _, pointee]) => {
                self.pointees.insert(result, pointee);
            }
            (Some(Op::TypeImage), &[result, ..]) => {
                let sampled = operands.get(IMAGE_SAMPLED).copied().unwrap_or_default();
                self.images.insert(result, sampled);
            }
            (Some(Op::Variable), &[type_, result, class, ..]) => {
                self.variables.insert(result, (type_, class));
            }
            _ => {}
        }
    }

    fn interface(&self) -> Result<Interface, Error> {
        let mut interface = Interface::default();
        for (variable, &(type_, class)) in &self.variables {
            let pointee = self.pointees.get(&type_).copied().unwrap_or_default();
            let kind = match StorageClass::from_u32(class) {
                Some(StorageClass::StorageBuffer) => DescriptorType::STORAGE_BUFFER,
                Some(StorageClass::Uniform) if self.buffer_blocks.contains(&pointee) => {
                    DescriptorType::STORAGE_BUFFER
                }
                Some(StorageClass::Uniform) => DescriptorType::UNIFORM_BUFFER,
                Some(StorageClass::UniformConstant) => match self.images.get(&pointee) {
                    Some(&STORAGE_IMAGE) => DescriptorType::STORAGE_IMAGE,
                    Some(_) => DescriptorType::SAMPLED_IMAGE,
                    None => {
                        return Err(Error::Spirv("it has a resource that is no buffer or image"));
                    }
                },
                Some(StorageClass::PushConstant) => {
                    interface.has_push_constants = true;
                    continue;
                }
                _ => continue,
            };
            if self.sets.get(variable).is_some_and(|&set| set != 0) {
                return Err(Error::Spirv("it has several descriptor sets"));
            }
            let binding = (self.bindings.get(variable))
                .ok_or(Error::Spirv("it has a resource without a binding"))?;
            interface.bindings.push((*binding, kind));
        }
        interface
            .bindings
            .sort_unstable_by_key(|(binding, _)| *binding);
        Ok(interface)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spirv::Source;

    #[test]
    fn the_interface_is_read_from_the_module() {
        let text = "
            @group(0) @binding(2) var<storage, read_write> to: array<f32>;
            @group(0) @binding(0) var<uniform> size: u32;
            @group(0) @binding(1) var<storage> from_: array<f32>;
            @group(0) @binding(3) var image: texture_2d<f32>;
            @group(0) @binding(4) var output: texture_storage_2d<rgba8unorm, write>;
            @compute @workgroup_size(64) fn main() {
                to[size] = from_[size];
                textureStore(output, vec2(0), textureLoad(image, vec2(0), 0));
            }";
        let (words, _) = Source::parse("test", text)
            .unwrap()
            .spirv("test", &[])
            .unwrap();
        let interface = Interface::of(&words).unwrap();
        let expected = [
            DescriptorType::UNIFORM_BUFFER,
            DescriptorType::STORAGE_BUFFER,
            DescriptorType::STORAGE_BUFFER,
            DescriptorType::SAMPLED_IMAGE,
            DescriptorType::STORAGE_IMAGE,
        ];
        assert_eq!(interface.bindings, (0..).zip(expected).collect::<Vec<_>>());
        assert!(!interface.has_push_constants);
        let cut = [&words[..], &[3 << 16 | Op::Decorate as u32]].concat();
        assert!(Interface::of(&cut).is_err());
        assert!(Interface::of(&[]).is_err());
    }
}
