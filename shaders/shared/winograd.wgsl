// Winograd's minimal filtering F(TILE x TILE, 3 x 3) after Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks" (2016): tiles of TILE + 2 rows and columns are transformed,
// multiplied position by position, and transformed back to TILE x TILE outputs.
//
// A workgroup takes SPREAD elements (four channels of one tile) through both steps of a transform,
// columns first, then rows; an invocation does one line of one element, and the lines meet in
// workgroup memory. What lies between the steps is float32 always: the transforms subtract large
// numbers of each other.
#import element
#import shared/tensor_view
#import shared/grid

override TILE: u32 = 4u;
// The most positions along a side.
const MAX_SIDE: u32 = 6u;
// Positions along a side.
override SIDE: u32 = TILE + 2u;
// Elements a workgroup: WORKGROUP / SIDE, rounded down.
override SPREAD: u32 = 64u / (TILE + 2u);

alias Line = array<vec4<f32>, MAX_SIDE>;

struct Tiles {
    // Rows and columns of tiles in one image, and tiles over the whole batch.
    size: vec2<u32>,
    count: u32,
    // Elements of a tile's channels.
    groups: u32,
    // Where the first element lies. Filled up: what follows a struct in a uniform block begins at a
    // multiple of 16 bytes.
    @size(16) first: u32,
}

// [position along the other axis][position along this one][element], so that neighbours in the
// workgroup lie side by side.
var<workgroup> lines: array<vec4<f32>, 360>;

// A tile of one element; elements go fastest.
struct Place {
    tile: u32,
    group: u32,
    // Batch, row and column of the tile.
    at: vec3<u32>,
    inside: bool,
}

// What an invocation does: a line of one element.
struct Turn {
    line: u32,
    // The element's place among those of the workgroup.
    e: u32,
    place: Place,
}

fn turn_of(tiles: Tiles, workgroup: vec3<u32>, workgroups: vec3<u32>, local: u32) -> Turn {
    let first = (workgroup.y * workgroups.x + workgroup.x) * SPREAD;
    let e = local % SPREAD;
    return Turn(min(local / SPREAD, SIDE - 1u), e, place_of(tiles, first + e));
}

fn place_of(tiles: Tiles, index: u32) -> Place {
    // Past the last, the last is done again and not stored.
    let last = tiles.count * tiles.groups - 1u;
    let element = min(index, last);
    let tile = element / tiles.groups;
    let row = tile / tiles.size.y;
    let at = vec3<u32>(row / tiles.size.x, row % tiles.size.x, tile % tiles.size.y);
    return Place(tile, element % tiles.groups, at, index <= last);
}
