#!/usr/bin/env bash
# naga-cli 30.0.1: `x != x` in WGSL, the usual test for not-a-number, becomes OpFOrdNotEqual in SPIR-V, which is
# false where an operand is not a number, and plain `!=` in GLSL, which is true there. So one shader finds NaN on
# OpenGL and misses it on Vulkan. WGSL allows both. A test of the bits means the same everywhere:
#   (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u
#
# Output seen:
#   SPIR-V: 1 OpFOrdNotEqual (182), 0 OpFUnordNotEqual (183)
#   GLSL:   (x != x)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cargo install naga-cli --version 30.0.1 --locked --quiet --root "$folder"
cat >"$folder/nan.wgsl" <<'WGSL'
@group(0) @binding(0) var<storage, read_write> data: array<f32>;

@compute @workgroup_size(1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = data[id.x];
    if (x != x) {
        data[id.x] = 0.0;
    }
}
WGSL
"$folder/bin/naga" "$folder/nan.wgsl" "$folder/nan.spv" "$folder/nan.comp" \
    --entry-point main --profile es310 --shader-stage compute >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
spirv=$(python3 - "$folder/nan.spv" <<'PYTHON'
import struct, sys
data = open(sys.argv[1], "rb").read()
words = struct.unpack(f"<{len(data) // 4}I", data)
at, count = 5, {182: 0, 183: 0}
while at < len(words):
    code = words[at] & 0xFFFF
    if code in count:
        count[code] += 1
    at += words[at] >> 16
print(f"SPIR-V: {count[182]} OpFOrdNotEqual (182), {count[183]} OpFUnordNotEqual (183)")
PYTHON
)
glsl="GLSL:   $(grep -o '(x != x)' "$folder/nan.comp" | head -1)"
printf '%s\n%s\n' "$spirv" "$glsl"
[ "$spirv" = "SPIR-V: 1 OpFOrdNotEqual (182), 0 OpFUnordNotEqual (183)" ]
[ "$glsl" = "GLSL:   (x != x)" ]
