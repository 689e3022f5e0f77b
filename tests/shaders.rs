//! Every shader, in every variant that a kernel uses, compiles to the shading language of each platform:
//! SPIR-V (Vulkan), HLSL (Direct3D 12), MSL (Metal), GLSL ES (OpenGL).

use naga::back::{PipelineConstants, glsl, hlsl, msl, pipeline_constants, spv};
use naga::proc::BoundsCheckPolicies;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Arena, Expression, Handle};
use shadernet::gpu::{Precision, SHADERS, Shader, WriteTarget};
use shadernet::internals::forms;

/// Metal has cooperative matrices of 8×8 only; naga's HLSL and GLSL backends have none.
fn is_for_metal(shader: &Shader) -> bool {
    !shader.needs_cooperative_matrices() || shader.name == "conv2d_cooperative_8x8"
}

/// Invocations per workgroup, which lie along x.
fn workgroup_size(module: &naga::Module) -> u32 {
    let [x, y, z] = module.entry_points[0].workgroup_size;
    assert_eq!([y, z], [1, 1]);
    x
}

/// The capabilities that a shader may use: those of every WebGPU device, except that some shaders need
/// subgroups or cooperative matrices. WGSL's float16 packing functions need no feature.
fn capabilities(shader: &Shader) -> Capabilities {
    let mut allowed = match shader.needs_cooperative_matrices() {
        true => Capabilities::COOPERATIVE_MATRIX | Capabilities::SHADER_FLOAT16,
        false => Capabilities::SHADER_FLOAT16_IN_FLOAT32,
    };
    if shader.needs_cooperative_matrices() || shader.name.contains("_subgroup") {
        allowed |= Capabilities::SUBGROUP;
    }
    allowed
}

fn parse(shader: &Shader, precision: Precision) -> (naga::Module, ModuleInfo) {
    let source = shader.assemble(precision);
    let module = naga::front::wgsl::parse_str(&source)
        .unwrap_or_else(|e| panic!("{}: {}", shader.name, e.emit_to_string(&source)));
    let info = Validator::new(ValidationFlags::all(), capabilities(shader))
        .validate(&module)
        .unwrap_or_else(|e| panic!("{}: {}", shader.name, e.emit_to_string(&source)));
    (module, info)
}

/// Runs `check` on every variant of the selected shaders, with their override constants resolved.
fn for_every_variant(
    is_selected: impl Fn(&Shader) -> bool,
    check: impl Fn(&Shader, &naga::Module, &ModuleInfo, &str),
) {
    for shader in SHADERS.iter().filter(|shader| is_selected(shader)) {
        for &precision in shader.precisions() {
            let (module, info) = parse(shader, precision);
            for constants in forms(shader) {
                let what = format!("{} {precision:?} {constants:?}", shader.name);
                let values: PipelineConstants = (constants.iter())
                    .map(|(name, value)| (name.to_string(), f64::from(*value)))
                    .collect();
                let (module, info) =
                    pipeline_constants::process_overrides(&module, &info, None, &values)
                        .unwrap_or_else(|e| panic!("{what}: {e}"));
                check(shader, &module, &info, &what);
            }
        }
    }
}

#[test]
fn every_variant_compiles_to_spirv() {
    for_every_variant(
        |_| true,
        |_, module, info, what| {
            let words = spv::write_vec(module, info, &spv::Options::default(), None)
                .unwrap_or_else(|e| panic!("{what}: {e}"));
            assert!(words.len() > 100, "{what}");
        },
    );
}

#[test]
fn every_variant_compiles_to_hlsl() {
    for_every_variant(
        |shader| !shader.needs_cooperative_matrices(),
        |_, module, info, what| {
            let mut text = String::new();
            let options = hlsl::Options {
                // wgpu passes the number of workgroups in a separate constant buffer.
                special_constants_binding: Some(hlsl::BindTarget {
                    space: 1,
                    ..Default::default()
                }),
                ..Default::default()
            };
            let pipeline = hlsl::PipelineOptions::default();
            hlsl::Writer::new(&mut text, &options, &pipeline)
                .write(module, info, None)
                .unwrap_or_else(|e| panic!("{what}: {e}"));
            let size = format!("[numthreads({}, 1, 1)]", workgroup_size(module));
            assert!(text.contains(&size), "{what}: {text}");
        },
    );
}

#[test]
fn every_variant_compiles_to_msl() {
    for_every_variant(is_for_metal, |shader, module, info, what| {
        let options = msl::Options {
            // The first with matrices of a SIMD-group is 2.3, which wgpu requires for them.
            lang_version: if shader.needs_cooperative_matrices() {
                (2, 3)
            } else {
                (1, 0)
            },
            fake_missing_bindings: true,
            ..Default::default()
        };
        let pipeline = msl::PipelineOptions::default();
        let (text, _) = msl::write_string(module, info, &options, &pipeline)
            .unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(text.contains("kernel void"), "{what}: {text}");
        let multiplies = text.contains("simdgroup_multiply_accumulate(d,a,b,c)");
        assert_eq!(
            multiplies,
            shader.needs_cooperative_matrices(),
            "{what}: {text}"
        );
        // Metal loads matrices from scalars.
        let mut memory = (module.global_variables.iter())
            .filter(|(_, variable)| variable.space == naga::AddressSpace::WorkGroup)
            .map(|(_, variable)| &module.types[variable.ty].inner);
        let is_of_scalars = |ty: &naga::TypeInner| match ty {
            naga::TypeInner::Array { base, .. } => {
                matches!(module.types[*base].inner, naga::TypeInner::Scalar(_))
            }
            _ => false,
        };
        assert!(!multiplies || memory.all(is_of_scalars), "{what}");
    });
}

#[test]
fn every_variant_compiles_to_glsl_es() {
    for_every_variant(
        |shader| !shader.needs_cooperative_matrices(),
        |_, module, info, what| {
            let mut text = String::new();
            let options = glsl::Options {
                version: glsl::Version::new_gles(310),
                ..Default::default()
            };
            let pipeline = glsl::PipelineOptions {
                shader_stage: naga::ShaderStage::Compute,
                entry_point: "main".to_owned(),
                multiview: None,
            };
            let policies = BoundsCheckPolicies::default();
            glsl::Writer::new(&mut text, module, info, &options, &pipeline, policies)
                .and_then(|mut writer| writer.write())
                .unwrap_or_else(|e| panic!("{what}: {e}"));
            let size = format!("local_size_x = {}", workgroup_size(module));
            assert!(text.contains(&size), "{what}: {text}");
        },
    );
}

#[test]
fn bindings_match_their_registration() {
    for shader in SHADERS {
        let (module, _) = parse(shader, Precision::F32);
        let access = |load_only: bool| {
            module
                .global_variables
                .iter()
                .filter(|(_, v)| match v.space {
                    naga::AddressSpace::Storage { access } => {
                        access.contains(naga::StorageAccess::STORE) != load_only
                    }
                    _ => false,
                })
                .count()
        };
        let bindings = shader.bindings;
        assert_eq!(access(true), bindings.reads as usize, "{}", shader.name);
        let into_buffer = bindings.writes == WriteTarget::Buffer;
        assert_eq!(access(false), usize::from(into_buffer), "{}", shader.name);
        let textures = |stored: bool| {
            let is = |ty: naga::Handle<naga::Type>| match module.types[ty].inner {
                naga::TypeInner::Image { class, .. } => {
                    matches!(class, naga::ImageClass::Storage { .. }) == stored
                }
                _ => false,
            };
            module
                .global_variables
                .iter()
                .filter(|(_, v)| is(v.ty))
                .count()
        };
        assert_eq!(
            textures(false),
            bindings.textures as usize,
            "{}",
            shader.name
        );
        assert_eq!(textures(true), usize::from(!into_buffer), "{}", shader.name);
    }
}

/// naga 30 emits id 0 for a stride or matrix operand whose expression was not evaluated before the call, so
/// every operand is checked to be a valid id.
#[test]
fn cooperative_matrix_instructions_have_all_operands() {
    const LOAD: u32 = 4457;
    const STORE: u32 = 4458;
    const MULTIPLY_ADD: u32 = 4459;
    for_every_variant(
        Shader::needs_cooperative_matrices,
        |_, module, info, what| {
            let words = spv::write_vec(module, info, &spv::Options::default(), None).unwrap();
            let mut seen = [0; 3];
            let mut at = 5;
            while at < words.len() {
                let (code, len) = (words[at] & 0xffff, (words[at] >> 16) as usize);
                let operands = &words[at + 1..at + len];
                let (i, count) = match code {
                    // Type, result, pointer, layout, stride.
                    LOAD => (0, 5),
                    // Pointer, matrix, layout, stride.
                    STORE => (1, 4),
                    // Type, result, A, B, C.
                    MULTIPLY_ADD => (2, 5),
                    _ => {
                        at += len;
                        continue;
                    }
                };
                assert_eq!(operands.len(), count, "{what}");
                assert!(operands.iter().all(|&id| id != 0), "{what}: {operands:?}");
                seen[i] += 1;
                at += len;
            }
            assert_eq!(seen, [2, 1, 1], "{what}");
        },
    );
}

/// OpenGL ES guarantees this much workgroup memory, and WebGPU 32 bytes more. Since no shader exceeds it, a
/// plan need not check this limit. Only tiles of cooperative matrices may exceed it; they are selected where they fit.
#[test]
fn workgroup_memory_fits_every_device() {
    const EVERY_DEVICE: u32 = 16_352;
    assert_eq!(
        wgpu::Limits::downlevel_defaults().max_compute_workgroup_storage_size,
        EVERY_DEVICE
    );
    for_every_variant(
        |shader| !shader.name.starts_with("conv2d_cooperative"),
        |_, module, _, what| {
            let mut layouter = naga::proc::Layouter::default();
            layouter.update(module.to_ctx()).unwrap();
            let bytes: u32 = (module.global_variables.iter())
                .filter(|(_, variable)| variable.space == naga::AddressSpace::WorkGroup)
                .map(|(_, variable)| layouter[variable.ty].size)
                .sum();
            assert!(bytes <= EVERY_DEVICE, "{what}: {bytes} bytes");
        },
    );
}

/// An expression as text: that of two expressions which have the same value, unless something is stored in
/// between, is equal.
fn text(expressions: &Arena<Expression>, handle: Handle<Expression>) -> String {
    let text = |handle| text(expressions, handle);
    match &expressions[handle] {
        Expression::Load { pointer } => format!("load({})", text(*pointer)),
        Expression::Access { base, index } => format!("{}[{}]", text(*base), text(*index)),
        Expression::AccessIndex { base, index } => format!("{}[{index}]", text(*base)),
        Expression::Splat { size, value } => format!("splat {size:?}({})", text(*value)),
        Expression::Swizzle {
            size,
            vector,
            pattern,
        } => format!("{}.{:?}", text(*vector), &pattern[..*size as usize]),
        Expression::Unary { op, expr } => format!("{op:?}({})", text(*expr)),
        Expression::Binary { op, left, right } => {
            format!("({} {op:?} {})", text(*left), text(*right))
        }
        Expression::As {
            expr,
            kind,
            convert,
        } => format!("as {kind:?} {convert:?}({})", text(*expr)),
        Expression::Compose { ty, components } => {
            let components: Vec<String> = components.iter().map(|part| text(*part)).collect();
            format!("{ty:?}({})", components.join(", "))
        }
        Expression::Math {
            fun,
            arg,
            arg1,
            arg2,
            ..
        } => {
            let args = [Some(*arg), *arg1, *arg2].into_iter().flatten();
            format!(
                "{fun:?}({})",
                args.map(text).collect::<Vec<String>>().join(", ")
            )
        }
        Expression::Literal(literal) => format!("{literal:?}"),
        Expression::GlobalVariable(variable) => format!("global {variable:?}"),
        Expression::LocalVariable(variable) => format!("local {variable:?}"),
        Expression::FunctionArgument(index) => format!("argument {index}"),
        // A value of its own, such as a call's result.
        _ => format!("{handle:?}"),
    }
}

/// The comparisons of a value with itself.
fn self_comparisons(module: &naga::Module) -> Vec<String> {
    use naga::BinaryOperator::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    let entry_points = module.entry_points.iter().map(|entry| &entry.function);
    let functions = module.functions.iter().map(|(_, function)| function);
    let mut found = Vec::new();
    for function in functions.chain(entry_points) {
        let expressions = &function.expressions;
        for (handle, expression) in expressions.iter() {
            if let Expression::Binary { op, left, right } = expression
                && matches!(
                    op,
                    Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual
                )
                && text(expressions, *left) == text(expressions, *right)
            {
                found.push(text(expressions, handle));
            }
        }
    }
    found
}

/// `x != x` is no test for NaN: naga translates it to an ordered comparison in SPIR-V, which is false for NaN,
/// and compilers of other languages may assume that there is no NaN. Shaders test the bits.
#[test]
fn no_shader_compares_a_value_with_itself() {
    let source = |condition: &str| {
        format!(
            "@group(0) @binding(0) var<storage, read_write> a: array<vec4<f32>>;
             @compute @workgroup_size(1) fn main(@builtin(local_invocation_index) i: u32) {{
                 let x = a[i];
                 var y = a[i + 1u].x;
                 if {condition} {{ a[i] = vec4<f32>(); }}
             }}"
        )
    };
    for condition in [
        "any(x != x)",
        "y != y",
        "!(y == y)",
        "all(x.xy <= x.xy)",
        "any(a[i + 1u] != a[i + 1u])",
        "abs(y) != abs(y)",
    ] {
        let module = naga::front::wgsl::parse_str(&source(condition)).unwrap();
        assert_eq!(self_comparisons(&module).len(), 1, "{condition}");
    }
    let other = naga::front::wgsl::parse_str(&source("x.x == y && any(x.xy != x.yx)")).unwrap();
    assert!(self_comparisons(&other).is_empty());
    for shader in SHADERS {
        for precision in [Precision::F32, Precision::F16] {
            let (module, _) = parse(shader, precision);
            assert_eq!(
                self_comparisons(&module),
                Vec::<String>::new(),
                "{}",
                shader.name
            );
        }
    }
}
