//! The compiler of shaders on Direct3D 12: which one wgpu uses there.
//!
//! wgpu translates WGSL to HLSL, which DXC or FXC compiles. It does not say which one it has loaded, so this follows
//! its rules (`wgpu-hal`, `src/dx12/instance.rs`), and what it offers for each (`src/dx12/adapter.rs`).

use wgpu::{Backend, Dx12Compiler, Features};

/// What compiles shaders on Direct3D 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShaderCompiler {
    /// DXC, built in (wgpu's feature `static-dxc`) or from `dxcompiler.dll`.
    Dxc,
    /// FXC, part of Windows: old and slow, and limited to shader model 5.1, without subgroups and float16.
    Fxc,
}

impl ShaderCompiler {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dxc => "dxc",
            Self::Fxc => "fxc",
        }
    }

    /// What to do about it, where there is something better.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::Dxc => None,
            Self::Fxc => Some(
                "FXC compiles slowly, and has no subgroups and no float16; build with the feature static-dxc \
                 (wgpu's, where an app depends on wgpu), or put dxcompiler.dll, version 1.8.2502 or later, beside \
                 the executable",
            ),
        }
    }

    /// The compiler on `adapter`, whoever made its instance: what the adapter offers tells which one wgpu loaded
    /// there. `None` where its backend is not Direct3D 12.
    pub fn of(adapter: &wgpu::Adapter) -> Option<Self> {
        let backend = adapter.get_info().backend;
        Self::choose(backend, &Dx12Compiler::Auto, adapter.features())
    }

    /// The compiler where `configured` is that of [`wgpu::Dx12BackendOptions`], and the adapter of `backend` has
    /// these features; `None` where the backend is not Direct3D 12.
    ///
    /// [`Dx12Compiler::Auto`] is DXC where it is built in or can be loaded, and FXC elsewhere. The features tell
    /// which: wgpu offers subgroups, 64-bit integers and float16 with shader model 6 only, which FXC does not have.
    /// It lists no adapter with DXC that lacks shader model 6, whose drivers have subgroups.
    ///
    /// ```
    /// use shadernet::gpu::ShaderCompiler;
    /// use shadernet::wgpu::{Backend, Dx12Compiler, Features};
    ///
    /// let auto = |features| ShaderCompiler::choose(Backend::Dx12, &Dx12Compiler::Auto, features);
    /// assert_eq!(auto(Features::SUBGROUP), Some(ShaderCompiler::Dxc));
    /// assert_eq!(auto(Features::empty()), Some(ShaderCompiler::Fxc));
    /// ```
    pub fn choose(backend: Backend, configured: &Dx12Compiler, features: Features) -> Option<Self> {
        let model_6 = Features::SUBGROUP | Features::SHADER_INT64 | Features::SHADER_F16;
        if backend != Backend::Dx12 {
            return None;
        }
        Some(match configured {
            Dx12Compiler::Fxc => Self::Fxc,
            Dx12Compiler::DynamicDxc { .. } | Dx12Compiler::StaticDxc => Self::Dxc,
            Dx12Compiler::Auto if features.intersects(model_6) => Self::Dxc,
            Dx12Compiler::Auto => Self::Fxc,
        })
    }
}

/// The compiler that this crate asks wgpu for: `WGPU_DX12_COMPILER` (`dxc`, `fxc`), or the best there is.
pub(super) fn configured() -> Dx12Compiler {
    usable(Dx12Compiler::from_env().unwrap_or_default())
}

/// wgpu panics where the built-in DXC is asked for and not built in. The best there is has it where it is.
fn usable(asked: Dx12Compiler) -> Dx12Compiler {
    match asked {
        Dx12Compiler::StaticDxc => Dx12Compiler::Auto,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_direct3d_12_has_one() {
        for backend in [Backend::Vulkan, Backend::Metal, Backend::Gl] {
            for configured in [Dx12Compiler::Auto, Dx12Compiler::Fxc] {
                let found = ShaderCompiler::choose(backend, &configured, Features::all());
                assert_eq!(found, None, "{backend}");
            }
        }
    }

    #[test]
    fn the_one_that_is_asked_for_runs() {
        let choose = |configured: &str| {
            let configured: Dx12Compiler = configured.parse().unwrap();
            ShaderCompiler::choose(Backend::Dx12, &configured, Features::empty())
        };
        assert_eq!(choose("fxc"), Some(ShaderCompiler::Fxc));
        for dxc in ["dxc", "staticdxc"] {
            assert_eq!(choose(dxc), Some(ShaderCompiler::Dxc), "{dxc}");
        }
    }

    #[test]
    fn features_of_shader_model_6_tell_which_was_found() {
        let auto = |features| ShaderCompiler::choose(Backend::Dx12, &Dx12Compiler::Auto, features);
        // What wgpu offers with shader model 5.1, too.
        let old = Features::TIMESTAMP_QUERY | Features::MAPPABLE_PRIMARY_BUFFERS;
        assert_eq!(auto(old), Some(ShaderCompiler::Fxc));
        for new in [
            Features::SUBGROUP,
            Features::SHADER_F16,
            Features::SHADER_INT64,
        ] {
            assert_eq!(auto(old | new), Some(ShaderCompiler::Dxc), "{new:?}");
        }
    }

    #[test]
    fn only_fxc_has_advice() {
        assert_eq!(ShaderCompiler::Dxc.advice(), None);
        let advice = ShaderCompiler::Fxc.advice().unwrap();
        assert!(advice.contains("static-dxc") && advice.contains("dxcompiler.dll"));
    }

    /// wgpu would panic.
    #[test]
    fn a_compiler_that_is_not_built_in_is_not_asked_for() {
        assert!(matches!(
            usable(Dx12Compiler::StaticDxc),
            Dx12Compiler::Auto
        ));
        assert!(matches!(usable(Dx12Compiler::Fxc), Dx12Compiler::Fxc));
    }
}
