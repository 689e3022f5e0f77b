// mb FILE.wgsl X Y Z REPS FLOPS_PER_DISPATCH u=ints b=bytes,bytes(last = rw) [NAME=val...]
use std::time::Instant;
use wgpu::*;
unsafe extern "C" {
    fn clock() -> i64;
}
fn cpu() -> f64 {
    unsafe { clock() as f64 / 1e6 }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let src = std::fs::read_to_string(&a[1]).unwrap();
    let n: Vec<u32> = a[2..6].iter().map(|s| s.parse().unwrap()).collect();
    let flops: f64 = a[6].parse().unwrap();
    let mut uni: Vec<u32> = vec![];
    let mut bufs: Vec<u64> = vec![];
    let mut consts: Vec<(&str, f64)> = vec![];
    for s in &a[7..] {
        let (k, v) = s.split_once('=').unwrap();
        match k {
            "u" => uni = v.split(',').map(|x| x.parse().unwrap()).collect(),
            "b" => bufs = v.split(',').map(|x| x.parse().unwrap()).collect(),
            _ => consts.push((k, v.parse().unwrap())),
        }
    }
    uni.resize(uni.len().next_multiple_of(4).max(4), 0);
    let mut d = InstanceDescriptor::new_without_display_handle();
    d.backends = Backends::VULKAN;
    let inst = Instance::new(d);
    let ad = pollster::block_on(inst.request_adapter(&Default::default())).unwrap();
    let (dev, q) = pollster::block_on(ad.request_device(&DeviceDescriptor {
        required_limits: ad.limits(),
        required_features: ad.features() & (Features::SUBGROUP),
        ..Default::default()
    }))
    .unwrap();
    let t = Instant::now();
    let m = unsafe {
        dev.create_shader_module_trusted(
            ShaderModuleDescriptor {
                label: None,
                source: ShaderSource::Wgsl(src.into()),
            },
            ShaderRuntimeChecks::unchecked(),
        )
    };
    let p = dev.create_compute_pipeline(&ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &m,
        entry_point: Some("main"),
        compilation_options: PipelineCompilationOptions {
            constants: &consts,
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    });
    let compile = t.elapsed().as_secs_f64();
    let ub = dev.create_buffer(&BufferDescriptor {
        label: None,
        size: uni.len() as u64 * 4,
        usage: BufferUsages::UNIFORM | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    q.write_buffer(&ub, 0, bytemuck::cast_slice(&uni));
    let bb: Vec<Buffer> = bufs
        .iter()
        .map(|&s| {
            let b = dev.create_buffer(&BufferDescriptor {
                label: None,
                size: s,
                usage: BufferUsages::STORAGE | BufferUsages::COPY_DST,
                mapped_at_creation: true,
            });
            {
                let mut v = b.get_mapped_range_mut(..).unwrap();
                let x: Vec<f32> = (0..s / 4).map(|i| (i % 97) as f32 * 0.01 - 0.5).collect();
                v.copy_from_slice(bytemuck::cast_slice(&x));
            }
            b.unmap();
            b
        })
        .collect();
    let mut e = vec![BindGroupEntry {
        binding: 0,
        resource: ub.as_entire_binding(),
    }];
    for (i, b) in bb.iter().enumerate() {
        e.push(BindGroupEntry {
            binding: i as u32 + 1,
            resource: b.as_entire_binding(),
        });
    }
    let bg = dev.create_bind_group(&BindGroupDescriptor {
        label: None,
        layout: &p.get_bind_group_layout(0),
        entries: &e,
    });
    let go = |r: u32| {
        let mut enc = dev.create_command_encoder(&Default::default());
        {
            let mut c = enc.begin_compute_pass(&Default::default());
            c.set_pipeline(&p);
            c.set_bind_group(0, &bg, &[]);
            for _ in 0..r {
                c.dispatch_workgroups(n[0], n[1], n[2]);
            }
        }
        q.submit([enc.finish()]);
        dev.poll(PollType::wait_indefinitely()).unwrap();
    };
    let c0 = cpu();
    go(1);
    let first = cpu() - c0;
    let mut best = 1e9f64;
    let mut bestw = 1e9f64;
    for _ in 0..3 {
        let c = cpu();
        let t = Instant::now();
        go(n[3]);
        best = best.min(cpu() - c);
        bestw = bestw.min(t.elapsed().as_secs_f64());
    }
    let k = n[3] as f64;
    println!(
        "{:34} compile {compile:.2} firstcpu {first:.2} wall {:.2}ms cpu {:.2}ms  {:.1} GFLOP/s wall, {:.1} by cpu*2",
        a[1].rsplit('/').next().unwrap(),
        bestw / k * 1e3,
        best / k * 1e3,
        flops * k / bestw / 1e9,
        flops * k / best * 2.0 / 1e9
    );
}
