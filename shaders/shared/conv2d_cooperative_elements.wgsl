// Patches and weights of `shared/conv2d_cooperative.wgsl` in a workgroup's memory, in elements.
override A_LEN: u32 = TILE_M * ROW;
override B_LEN: u32 = TILE_N * ROW;
var<workgroup> a_tile: array<Element, A_LEN>;
var<workgroup> b_tile: array<Element, B_LEN>;

fn store_a(at: u32, pair: Pair) {
    a_tile[at] = pair.first;
    a_tile[at + 1u] = pair.second;
}

fn store_b(at: u32, pair: Pair) {
    b_tile[at] = pair.first;
    b_tile[at + 1u] = pair.second;
}
