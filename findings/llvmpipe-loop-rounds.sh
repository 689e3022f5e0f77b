#!/usr/bin/env bash
# Mesa 22.3.6 (Debian 12), llvmpipe by way of lavapipe: a compute shader's loop ends after 65,535 rounds, without an
# error, and whatever it has computed until then is the result. Two loops of 40,000 rounds one after the other, or
# 300 by 300 nested ones, are cut as well: the count is for all loops of an invocation together. Mesa 25.0.7
# (Debian's backports) runs all of them to their ends.
#
# Needs Mesa 22.3.6's software Vulkan driver (Debian 12: mesa-vulkan-drivers) and python3 with venv. wgpu-py 0.32.0
# runs the shaders.
#
# Output seen:
#   one loop of 65000: 65000
#   one loop of 100000: 65535
#   two loops of 40000: 65534
#   300 by 300, nested: 65101
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet wgpu==0.32.0
cat >"$folder/count.py" <<'PYTHON'
import struct
import wgpu

adapters = wgpu.gpu.enumerate_adapters_sync()
adapter = next(a for a in adapters if a.info["backend_type"] == "Vulkan" and "llvmpipe" in a.info["device"])
if "22.3.6" not in adapter.info["description"]:
    raise SystemExit("needs Mesa 22.3.6, found " + adapter.info["description"])
device = adapter.request_device_sync()
CASES = {
    "one loop of 65000": "for (var i = 0u; i < n; i++) { sum += one; x = x * 1664525u + 1013904223u; if (x == 7u) { break; } }",
    "one loop of 100000": "for (var i = 0u; i < n; i++) { sum += one; x = x * 1664525u + 1013904223u; if (x == 7u) { break; } }",
    "two loops of 40000": "for (var i = 0u; i < n; i++) { sum += one; x = x * 1664525u + 1013904223u; if (x == 7u) { break; } } for (var i = 0u; i < n; i++) { sum += one; x = x * 1664525u + 1013904223u; if (x == 7u) { break; } }",
    "300 by 300, nested": "for (var i = 0u; i < n; i++) { for (var j = 0u; j < n; j++) { sum += one; x = x * 1664525u + 1013904223u; if (x == 7u) { break; } } }",
}
COUNTS = [65000, 100000, 40000, 300]
for (name, loop), n in zip(CASES.items(), COUNTS):
    # `one` and `n` come from a buffer and `x` may end a loop, so that no compiler replaces it by a product.
    code = """@group(0) @binding(0) var<storage, read_write> data: array<u32>;
    @compute @workgroup_size(1) fn main() {
        let n = data[0]; let one = data[1]; var sum = 0u; var x = 1u; %s data[2] = sum;
    }""" % loop
    usage = wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.COPY_SRC
    buffer = device.create_buffer_with_data(data=struct.pack("<4I", n, 1, 0, 0), usage=usage)
    module = device.create_shader_module(code=code)
    pipeline = device.create_compute_pipeline(layout="auto", compute={"module": module, "entry_point": "main"})
    entries = [{"binding": 0, "resource": {"buffer": buffer}}]
    group = device.create_bind_group(layout=pipeline.get_bind_group_layout(0), entries=entries)
    encoder = device.create_command_encoder()
    work = encoder.begin_compute_pass()
    work.set_pipeline(pipeline)
    work.set_bind_group(0, group)
    work.dispatch_workgroups(1)
    work.end()
    device.queue.submit([encoder.finish()])
    print(f"{name}: {struct.unpack('<4I', device.queue.read_buffer(buffer))[2]}")
PYTHON
"$folder/venv/bin/python" "$folder/count.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
one loop of 65000: 65000
one loop of 100000: 65535
two loops of 40000: 65534
300 by 300, nested: 65101
SEEN
