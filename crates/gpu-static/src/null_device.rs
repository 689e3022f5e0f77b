//! RADV's null device: pipelines are compiled as for a GPU of the family that `RADV_FORCE_FAMILY` names, and nothing
//! can be run. Mesa reads the variable when the instance is made, so that a process sees one family.

use std::ffi::{CStr, c_char};

use ash::vk;

use crate::error::Error;
use crate::reflection::Interface;

/// The most that every device has.
const PUSH_CONSTANT_BYTES: u32 = 128;

/// What the compiler made of a shader.
#[derive(Debug)]
pub struct Compiled {
    /// The driver's statistics, by its names.
    pub statistics: Vec<(String, u64)>,
    /// Invocations per subgroup.
    pub subgroup_size: u32,
    /// The machine code as text.
    pub assembly: String,
}

/// The device of one family.
pub struct NullDevice {
    // Keeps the loaded library.
    _entry: ash::Entry,
    instance: ash::Instance,
    device: ash::Device,
    executables: ash::khr::pipeline_executable_properties::Device,
    /// Whether it has cooperative matrices.
    pub has_cooperative_matrices: bool,
}

impl std::fmt::Debug for NullDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NullDevice").finish_non_exhaustive()
    }
}

fn text(name: &[c_char]) -> String {
    // SAFETY: Vulkan's names are arrays that end with zero.
    unsafe { CStr::from_ptr(name.as_ptr()) }
        .to_string_lossy()
        .into_owned()
}

fn fault(doing: &'static str) -> impl Fn(vk::Result) -> Error {
    move |result| Error::Vulkan { doing, result }
}

impl NullDevice {
    /// Opens the null device of this process's family.
    ///
    /// # Errors
    /// Where Vulkan's loader or the driver cannot be loaded, and where the first device is another one.
    pub fn open() -> Result<Self, Error> {
        // SAFETY: Vulkan's loader is trusted.
        let entry =
            unsafe { ash::Entry::load() }.map_err(|error| Error::Loader(error.to_string()))?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let info = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: the structures live until the call returns, here and below.
        let instance =
            unsafe { entry.create_instance(&info, None) }.map_err(fault("making an instance"))?;
        let physical = unsafe { instance.enumerate_physical_devices() };
        let physical = physical.map_err(fault("listing devices"))?;
        let named = physical.into_iter().map(|device| {
            let properties = unsafe { instance.get_physical_device_properties(device) };
            (device, text(&properties.device_name))
        });
        let named: Vec<_> = named.collect();
        let Some((physical, _)) = named.iter().find(|(_, name)| name.starts_with("Null")) else {
            let names = named.into_iter().map(|(_, name)| name).collect();
            unsafe { instance.destroy_instance(None) };
            return Err(Error::NoNullDevice(names));
        };
        let extensions = unsafe { instance.enumerate_device_extension_properties(*physical) };
        let extensions = extensions.map_err(fault("listing extensions"))?;
        let cooperative = ash::khr::cooperative_matrix::NAME;
        let has_cooperative_matrices = (extensions.iter())
            .any(|extension| extension.extension_name_as_c_str() == Ok(cooperative));

        let mut enabled = vec![ash::khr::pipeline_executable_properties::NAME.as_ptr()];
        let mut matrices =
            vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default().cooperative_matrix(true);
        let mut executables = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default()
            .pipeline_executable_info(true);
        let mut features_11 =
            vk::PhysicalDeviceVulkan11Features::default().storage_buffer16_bit_access(true);
        let mut features_12 = vk::PhysicalDeviceVulkan12Features::default()
            .shader_float16(true)
            .vulkan_memory_model(true)
            .vulkan_memory_model_device_scope(true);
        let mut features_13 = vk::PhysicalDeviceVulkan13Features::default()
            .subgroup_size_control(true)
            .compute_full_subgroups(true)
            .shader_zero_initialize_workgroup_memory(true);
        let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
        let mut info = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .push_next(&mut executables)
            .push_next(&mut features_11)
            .push_next(&mut features_12)
            .push_next(&mut features_13);
        if has_cooperative_matrices {
            enabled.push(cooperative.as_ptr());
            info = info.push_next(&mut matrices);
        }
        let info = info.enabled_extension_names(&enabled);
        let device = unsafe { instance.create_device(*physical, &info, None) }
            .map_err(fault("making a device"))?;
        Ok(Self {
            executables: ash::khr::pipeline_executable_properties::Device::new(&instance, &device),
            has_cooperative_matrices,
            device,
            instance,
            _entry: entry,
        })
    }

    /// Compiles a module whose entry point is `main`, with values of specialization constants by their ids, and with
    /// subgroups of this size, or of that which the driver chooses.
    ///
    /// # Errors
    /// Where it is not a module that [`Interface`] knows, and where the driver refuses it.
    pub fn compile(
        &self,
        spirv: &[u32],
        constants: &[(u32, u32)],
        subgroup_size: Option<u32>,
    ) -> Result<Compiled, Error> {
        let interface = Interface::of(spirv)?;
        let bindings = interface.bindings.iter().map(|&(binding, kind)| {
            vk::DescriptorSetLayoutBinding::default()
                .binding(binding)
                .descriptor_type(kind)
                .descriptor_count(1)
                .stage_flags(vk::ShaderStageFlags::COMPUTE)
        });
        let bindings: Vec<_> = bindings.collect();
        let push_constants = vk::PushConstantRange::default()
            .stage_flags(vk::ShaderStageFlags::COMPUTE)
            .size(PUSH_CONSTANT_BYTES);
        let push_constants = match interface.has_push_constants {
            true => &[push_constants][..],
            false => &[],
        };
        let values: Vec<u8> = (constants.iter())
            .flat_map(|(_, value)| value.to_ne_bytes())
            .collect();
        let entries = constants.iter().zip((0..).step_by(4));
        let entries = entries.map(|(&(id, _), offset)| {
            vk::SpecializationMapEntry::default()
                .constant_id(id)
                .offset(offset)
                .size(4)
        });
        let entries: Vec<_> = entries.collect();
        let specialization = vk::SpecializationInfo::default()
            .map_entries(&entries)
            .data(&values);
        let device = &self.device;
        // SAFETY: each object is made of live ones, and destroyed after its last use.
        unsafe {
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let set = (device.create_descriptor_set_layout(&info, None))
                .map_err(fault("making a descriptor set layout"))?;
            let sets = [set];
            let info = vk::PipelineLayoutCreateInfo::default()
                .set_layouts(&sets)
                .push_constant_ranges(push_constants);
            let layout = (device.create_pipeline_layout(&info, None))
                .map_err(fault("making a pipeline layout"))?;
            let info = vk::ShaderModuleCreateInfo::default().code(spirv);
            let module =
                (device.create_shader_module(&info, None)).map_err(fault("making a module"))?;
            let mut size = vk::PipelineShaderStageRequiredSubgroupSizeCreateInfo::default()
                .required_subgroup_size(subgroup_size.unwrap_or_default());
            let mut stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(c"main")
                .specialization_info(&specialization);
            if subgroup_size.is_some() {
                stage = stage.push_next(&mut size);
            }
            let capture = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
            let info = vk::ComputePipelineCreateInfo::default()
                .flags(capture)
                .stage(stage)
                .layout(layout);
            let pipelines =
                device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None);
            let compiled = match pipelines {
                Ok(pipelines) => {
                    let compiled = self.describe(pipelines[0]);
                    device.destroy_pipeline(pipelines[0], None);
                    compiled
                }
                Err((_, result)) => Err(fault("compiling a pipeline")(result)),
            };
            device.destroy_shader_module(module, None);
            device.destroy_pipeline_layout(layout, None);
            device.destroy_descriptor_set_layout(set, None);
            compiled
        }
    }

    /// What the driver tells of a pipeline.
    unsafe fn describe(&self, pipeline: vk::Pipeline) -> Result<Compiled, Error> {
        let info = vk::PipelineInfoKHR::default().pipeline(pipeline);
        // SAFETY: the caller's pipeline is alive.
        unsafe {
            let properties = (self.executables.get_pipeline_executable_properties(&info))
                .map_err(fault("reading a pipeline's properties"))?;
            let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
            let statistics = (self.executables.get_pipeline_executable_statistics(&info))
                .map_err(fault("reading a pipeline's statistics"))?;
            let statistics = statistics.iter().map(|statistic| {
                // RADV's are all 64-bit integers.
                (text(&statistic.name), statistic.value.u64)
            });
            Ok(Compiled {
                statistics: statistics.collect(),
                subgroup_size: properties.first().map_or(0, |p| p.subgroup_size),
                assembly: self.assembly(&info)?,
            })
        }
    }

    /// The machine code: the last of the representations.
    unsafe fn assembly(&self, info: &vk::PipelineExecutableInfoKHR) -> Result<String, Error> {
        // SAFETY: the caller's pipeline is alive, and buffers are as large as the driver says.
        unsafe {
            let get =
                |representations: &mut Vec<vk::PipelineExecutableInternalRepresentationKHR>| {
                    let mut count = representations.len() as u32;
                    let function = self
                        .executables
                        .fp()
                        .get_pipeline_executable_internal_representations_khr;
                    let to = match representations.is_empty() {
                        true => std::ptr::null_mut(),
                        false => representations.as_mut_ptr(),
                    };
                    function(self.device.handle(), info, &mut count, to)
                        .result()
                        .map_err(fault("reading machine code"))?;
                    Ok(count as usize)
                };
            let mut representations = Vec::new();
            let count = get(&mut representations)?;
            representations.resize(count, Default::default());
            get(&mut representations)?;
            let mut texts: Vec<Vec<u8>> = representations
                .iter()
                .map(|r| vec![0; r.data_size])
                .collect();
            for (representation, text) in representations.iter_mut().zip(&mut texts) {
                representation.p_data = text.as_mut_ptr().cast();
            }
            get(&mut representations)?;
            let assembly = representations.iter().zip(&texts).rev();
            let assembly = assembly
                .clone()
                .find(|(r, _)| text(&r.name).contains("ssembly"));
            let (_, bytes) = assembly.ok_or_else(|| {
                Error::NoAssembly(representations.iter().map(|r| text(&r.name)).collect())
            })?;
            let end = bytes
                .iter()
                .position(|&byte| byte == 0)
                .unwrap_or(bytes.len());
            Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
        }
    }
}

impl Drop for NullDevice {
    fn drop(&mut self) {
        // SAFETY: all that was made of them is destroyed.
        unsafe {
            self.device.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}
