// Sums over a window that several dispatches compute, where a driver limits loops. Each dispatch has some rows
// and columns, and every dispatch but the first adds to the output.
override ACCUMULATE: u32 = 0u;

struct SumPart {
    // The first row and column, counted from those of the window, and their numbers.
    first: vec2<u32>,
    len: vec2<u32>,
}

// The part's share of a half-open range along one axis.
fn share_of(range: vec2<u32>, first: u32, len: u32) -> vec2<u32> {
    return vec2<u32>(range.x + first, min(range.y, range.x + first + len));
}
