// Winograd's minimal filtering F(TILE x TILE, 3 x 3), after Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks" (2016). Overlapping input tiles of ALPHA x ALPHA pixels are transformed;
// each of the ALPHA^2 points of the transformed domain is one GEMM; the products are transformed back to
// TILE x TILE output pixels.
//
//   TILE           output rows and columns per tile, m in the paper: 2 or 4
//   ALPHA          input rows and columns per tile, m + r - 1 in the paper: TILE + 2
//   M, N, K        of each GEMM: tiles of a chunk of the batch, output channels, input channels
//   workgroup      transforms ELEMENTS_PER_WORKGROUP elements (four channels of one tile each) along both
//                  axes, columns first, then rows
//   invocation     one line (row or column) of one element's tile per axis
//   workgroup memory:
//     lines        [point along the other axis][point along this axis][element]: the lines between the two
//                  axes' transforms; neighboring invocations access neighboring elements. Each shader declares it
//                  as long as it needs: the shorter, the more workgroups a compute unit holds
//   transformed domain, in the buffers between the kernels: [point][tile][channels / 4]
//
// All values between the kernels are float32 whatever the precision: the transforms subtract large numbers
// from each other.
#import element
#import shared/tensor_view
#import shared/grid

override TILE: u32 = 4u;
const MAX_ALPHA: u32 = 6u;
override ALPHA: u32 = TILE + 2u;
// WORKGROUP / ALPHA, rounded down.
override ELEMENTS_PER_WORKGROUP: u32 = 64u / (TILE + 2u);

alias Line = array<vec4<f32>, MAX_ALPHA>;

struct Tiles {
    // Rows and columns of tiles in one image, and tiles of the chunk.
    size: vec2<u32>,
    count: u32,
    // Elements per point of a tile: channels / 4.
    c4: u32,
    // Elements before the first in the transformed domain's buffer.
    offset: u32,
    // The chunk's first tile in the batch. Padded: in a uniform block, the member after a struct begins at a
    // multiple of 16 bytes.
    @size(12) first: u32,
}

// One element of a tile.
struct TileElement {
    // Its tile in the chunk.
    tile: u32,
    c4_index: u32,
    // Batch, and row and column of the tile.
    position: vec3<u32>,
    // Whether there is such an element.
    inside: bool,
}

// What an invocation transforms: one line of one element.
struct LineTask {
    line: u32,
    // The element's index in the workgroup.
    local_element: u32,
    element: TileElement,
}

fn line_task(tiles: Tiles, workgroup: vec3<u32>, workgroups: vec3<u32>, local: u32) -> LineTask {
    let first = (workgroup.y * workgroups.x + workgroup.x) * ELEMENTS_PER_WORKGROUP;
    let local_element = local % ELEMENTS_PER_WORKGROUP;
    return LineTask(
        min(local / ELEMENTS_PER_WORKGROUP, ALPHA - 1u),
        local_element,
        tile_element(tiles, first + local_element),
    );
}

// The element of index `index`, elements of a tile varying fastest, then tiles.
fn tile_element(tiles: Tiles, index: u32) -> TileElement {
    // Indices beyond the last repeat the last, which is then not stored.
    let last = tiles.count * tiles.c4 - 1u;
    let element = min(index, last);
    let tile = element / tiles.c4;
    let in_batch = tiles.first + tile;
    let row = in_batch / tiles.size.y;
    let position = vec3<u32>(row / tiles.size.x, row % tiles.size.x, in_batch % tiles.size.y);
    return TileElement(tile, element % tiles.c4, position, index <= last);
}
