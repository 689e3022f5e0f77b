//! Uniform blocks: Rust structs with the layout of the WGSL structs that shaders declare.

/// Defines the uniform structs of a module, all in one invocation.
///
/// `for` names the shaders whose uniform block is the struct; a struct without `for` is a member of others.
/// Field names are those of the WGSL struct. Padding is explicit, in fields named `unused` or beginning with
/// `unused_`: a vec2 begins at a multiple of 8 bytes, a vec3 or vec4 at a multiple of 16; and so do, in a uniform
/// block, a struct and the member after it.
///
/// In tests the structs are compared with the WGSL by reflection, through the function `uniforms` that this
/// generates. A module's `uniforms` has to be called from its parent's.
macro_rules! uniforms {
    ($(
        $(#[$meta:meta])*
        $vis:vis struct $name:ident $(for $($shader:ident),+)? {
            $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $ty:ty),+ $(,)?
        }
    )+) => {
        $(
            $(#[$meta])*
            #[repr(C)]
            #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
            $vis struct $name {
                $($(#[$field_meta])* $field_vis $field: $ty),+
            }

            #[cfg(test)]
            impl $crate::gpu::uniform::Layout for $name {
                fn layout() -> $crate::gpu::uniform::Type {
                    use $crate::gpu::uniform::{Layout, Member, Type};
                    Type::Struct {
                        size: size_of::<Self>(),
                        members: vec![$(Member {
                            name: stringify!($field).to_owned(),
                            offset: std::mem::offset_of!(Self, $field),
                            ty: <$ty as Layout>::layout(),
                        }),+],
                    }
                }
            }
        )+

        /// The uniform blocks that are defined here.
        #[cfg(test)]
        #[allow(dead_code)]
        pub(crate) fn uniforms() -> Vec<$crate::gpu::uniform::UniformBlock> {
            vec![$($($(
                $crate::gpu::uniform::UniformBlock::of::<$name>(&$crate::gpu::$shader),
            )+)?)+]
        }
    };
}

pub(crate) use uniforms;

#[cfg(test)]
pub(crate) use reflection::{Layout, Member, Type, UniformBlock};

#[cfg(test)]
mod reflection {
    use crate::gpu::Shader;

    /// The Rust struct of a shader's uniform block.
    pub(crate) struct UniformBlock {
        pub shader: &'static Shader,
        pub ty: Type,
    }

    impl UniformBlock {
        pub fn of<T: Layout>(shader: &'static Shader) -> Self {
            Self {
                shader,
                ty: T::layout(),
            }
        }
    }

    /// A type of a uniform block, in Rust or in WGSL.
    pub(crate) enum Type {
        /// One to four scalars of this WGSL type.
        Scalars(&'static str, usize),
        /// An array of elements of this type.
        Array(Box<Type>, usize),
        Struct {
            size: usize,
            members: Vec<Member>,
        },
    }

    pub(crate) struct Member {
        pub name: String,
        pub offset: usize,
        pub ty: Type,
    }

    /// A Rust type that a uniform block may contain.
    pub(crate) trait Layout {
        fn layout() -> Type;
    }

    macro_rules! scalars {
        ($($ty:ident),+) => {
            $(
                impl Layout for $ty {
                    fn layout() -> Type {
                        Type::Scalars(stringify!($ty), 1)
                    }
                }

                impl<const N: usize> Layout for [$ty; N] {
                    fn layout() -> Type {
                        Type::Scalars(stringify!($ty), N)
                    }
                }
            )+
        };
    }

    scalars!(u32, i32, f32);

    impl<T, const N: usize, const COUNT: usize> Layout for [[T; N]; COUNT]
    where
        [T; N]: Layout,
    {
        fn layout() -> Type {
            Type::Array(Box::new(<[T; N] as Layout>::layout()), COUNT)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Precision, SHADERS};

    /// The struct of the shader's uniform block, as naga lays it out.
    fn reflect(module: &naga::Module, ty: naga::Handle<naga::Type>) -> Type {
        let scalars = |scalar: naga::Scalar, count| {
            let name = match scalar {
                naga::Scalar::U32 => "u32",
                naga::Scalar::I32 => "i32",
                naga::Scalar::F32 => "f32",
                _ => panic!("a scalar of 32 bits was expected, found {scalar:?}"),
            };
            Type::Scalars(name, count)
        };
        match &module.types[ty].inner {
            naga::TypeInner::Scalar(scalar) => scalars(*scalar, 1),
            naga::TypeInner::Vector { size, scalar } => scalars(*scalar, *size as usize),
            naga::TypeInner::Array { base, size, stride } => {
                let naga::ArraySize::Constant(count) = size else {
                    panic!("an array of constant size was expected, found {size:?}");
                };
                let element = reflect(module, *base);
                // Those of Rust have no padding between elements.
                assert_eq!(self::size(&element), *stride as usize);
                Type::Array(Box::new(element), count.get() as usize)
            }
            naga::TypeInner::Struct { members, span } => Type::Struct {
                size: *span as usize,
                members: (members.iter())
                    .map(|member| Member {
                        name: member.name.clone().unwrap(),
                        offset: member.offset as usize,
                        ty: reflect(module, member.ty),
                    })
                    .collect(),
            },
            other => panic!("a scalar, vector or struct was expected, found {other:?}"),
        }
    }

    /// One line per member, including members of nested structs, without padding.
    fn lines(prefix: &str, start: usize, ty: &Type, out: &mut Vec<String>) {
        let Type::Struct { members, .. } = ty else {
            return;
        };
        for member in members {
            if member.name == "unused" || member.name.starts_with("unused_") {
                continue;
            }
            let path = format!("{prefix}{}", member.name);
            let offset = start + member.offset;
            match &member.ty {
                Type::Scalars(scalar, count) => {
                    out.push(format!("{offset:3} {path}: {count} {scalar}"));
                }
                Type::Array(element, count) => {
                    let size = size(element);
                    out.push(format!("{offset:3} {path}: {count} of {size} bytes"));
                }
                Type::Struct { size, .. } => {
                    out.push(format!("{offset:3} {path}: {size} bytes"));
                    lines(&format!("{path}."), offset, &member.ty, out);
                }
            }
        }
    }

    fn size(ty: &Type) -> usize {
        match ty {
            Type::Scalars(_, count) => 4 * count,
            Type::Array(element, count) => size(element) * count,
            Type::Struct { size, .. } => *size,
        }
    }

    fn blocks() -> Vec<UniformBlock> {
        let mut blocks = crate::kernels::uniforms();
        blocks.extend(crate::postprocess::uniforms());
        blocks.extend(crate::texture::uniforms());
        blocks.extend(crate::gpu::compute_units::uniforms());
        blocks.extend(crate::gpu::measurement_params::uniforms());
        blocks
    }

    #[test]
    fn every_uniform_block_has_a_rust_struct_of_its_layout() {
        let blocks = blocks();
        let mut wrong = Vec::new();
        for shader in SHADERS {
            let source = shader.assemble(Precision::F32);
            let module = naga::front::wgsl::parse_str(&source).unwrap();
            let uniforms: Vec<_> = (module.global_variables.iter())
                .filter(|(_, variable)| variable.space == naga::AddressSpace::Uniform)
                .collect();
            let [(_, uniform)] = uniforms[..] else {
                panic!("{}: {} uniform blocks", shader.name, uniforms.len());
            };
            let registered: Vec<_> = blocks.iter().filter(|b| b.shader == *shader).collect();
            let [block] = registered[..] else {
                wrong.push(format!(
                    "{}: {} Rust structs of its uniform block",
                    shader.name,
                    registered.len()
                ));
                continue;
            };
            let wgsl = reflect(&module, uniform.ty);
            let (mut expected, mut found) = (Vec::new(), Vec::new());
            lines("", 0, &wgsl, &mut expected);
            lines("", 0, &block.ty, &mut found);
            if expected != found {
                wrong.push(format!(
                    "{}:\nWGSL\n  {}\nRust\n  {}",
                    shader.name,
                    expected.join("\n  "),
                    found.join("\n  ")
                ));
            }
            // Buffers are padded to a multiple of 16 bytes, so Rust structs may be.
            let (least, found) = (size(&wgsl), size(&block.ty));
            if !(least..=least.next_multiple_of(16)).contains(&found) {
                wrong.push(format!(
                    "{}: {least} bytes in WGSL, {found} in Rust",
                    shader.name
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
