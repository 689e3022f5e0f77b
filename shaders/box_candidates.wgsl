// The boxes of one head of a YOLO network whose score is above a threshold, as `vision::Head` decodes
// them. An invocation answers a box, with all of its classes.
#import shared/grid
#import shared/float_order
#import shared/candidates

struct Params {
    // Where the tensor begins, in numbers.
    offset: u32,
    // Whether it is a vector of the first version: class scores, confidences and coordinates are apart,
    // and all are as they are to be. Else a map: for each box of a cell x, y, w, h, objectness, classes.
    is_vector: u32,
    // Cells.
    width: u32,
    height: u32,
    // Of each cell.
    boxes: u32,
    classes: u32,
    // Whether classes need a softmax.
    softmax: u32,
    // Whether sizes are given by their square roots; of vectors.
    sqrt: u32,
    // The sequence number of the first box.
    sequence: u32,
    // Candidates that fit.
    capacity: u32,
    threshold: f32,
    // Width and height of the picture in the unit of the anchors.
    unit_width: f32,
    unit_height: f32,
}

struct List {
    // Also those that did not fit.
    count: atomic<u32>,
    not_a_number: atomic<u32>,
    unused: vec2<u32>,
    candidates: array<Candidate>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
// Width and height of each.
@group(0) @binding(2) var<storage, read> anchors: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> list: List;

// Where a box's numbers are.
struct Source {
    coordinates: u32,
    objectness: u32,
    classes: u32,
    // From a coordinate to the next, and from a class to the next.
    coordinate: u32,
    class_score: u32,
}

fn source_of(index: u32, cells: u32) -> Source {
    if params.is_vector != 0u {
        let confidences = params.offset + cells * params.classes;
        return Source(
            confidences + cells * params.boxes + index * 4u,
            confidences + index,
            params.offset + index / params.boxes * params.classes,
            1u,
            1u,
        );
    }
    let first = params.offset + index / cells * (5u + params.classes) * cells + index % cells;
    return Source(first, first + 4u * cells, first + 5u * cells, cells, cells);
}

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(-x));
}

// How many of a box's numbers are none. The classes of a vector belong to a cell: they count once.
fn not_numbers(source: Source, counts_classes: bool) -> u32 {
    var count = u32(!is_number(values[source.objectness]));
    for (var i = 0u; i < 4u; i++) {
        count += u32(!is_number(values[source.coordinates + i * source.coordinate]));
    }
    if counts_classes {
        for (var i = 0u; i < params.classes; i++) {
            count += u32(!is_number(values[source.classes + i * source.class_score]));
        }
    }
    return count;
}

// The largest of the class scores, and the sum of exp(score - largest); a sum of 0 where all would be
// NaN.
fn softmax_of(source: Source) -> vec2<f32> {
    var largest = values[source.classes];
    for (var i = 0u; i < params.classes; i++) {
        let value = values[source.classes + i * source.class_score];
        if !is_number(value) {
            return vec2<f32>(0.0);
        }
        largest = max(largest, value);
    }
    if !is_finite(largest) {
        return vec2<f32>(0.0);
    }
    var sum = 0.0;
    for (var i = 0u; i < params.classes; i++) {
        sum += exp(values[source.classes + i * source.class_score] - largest);
    }
    return vec2<f32>(largest, sum);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let index = flat_index(id, workgroups);
    let cells = params.width * params.height;
    if index >= cells * params.boxes {
        return;
    }
    let source = source_of(index, cells);
    let is_vector = params.is_vector != 0u;
    let not_a_number = not_numbers(source, !is_vector || index % params.boxes == 0u);
    if not_a_number > 0u {
        atomicAdd(&list.not_a_number, not_a_number);
    }

    var objectness = values[source.objectness];
    if !is_vector {
        objectness = sigmoid(objectness);
    }
    // No class of a map can be above the threshold where this is not; and there may be no classes.
    if !is_number(values[source.objectness])
        || (!is_vector && objectness <= params.threshold)
        || params.classes == 0u {
        return;
    }

    var at = vec2<f32>(values[source.coordinates], values[source.coordinates + source.coordinate]);
    var size = vec2<f32>(
        values[source.coordinates + 2u * source.coordinate],
        values[source.coordinates + 3u * source.coordinate],
    );
    var cell = index % cells;
    if is_vector {
        cell = index / params.boxes;
        if params.sqrt != 0u {
            size *= size;
        }
    } else {
        at = vec2<f32>(sigmoid(at.x), sigmoid(at.y));
        let unit = vec2<f32>(params.unit_width, params.unit_height);
        size = exp(size) * anchors[index / cells] / unit;
    }
    let grid = vec2<u32>(params.width, params.height);
    let centre = (vec2<f32>(vec2<u32>(cell % grid.x, cell / grid.x)) + at) / vec2<f32>(grid);
    let corners = vec4<f32>(centre - size / 2.0, centre + size / 2.0);
    if !(is_number(corners.x) && is_number(corners.y) && is_number(corners.z) && is_number(corners.w)) {
        return;
    }

    var softmax = vec2<f32>(0.0);
    if params.softmax != 0u {
        softmax = softmax_of(source);
        if softmax.y == 0.0 {
            return;
        }
    }
    for (var i = 0u; i < params.classes; i++) {
        let value = values[source.classes + i * source.class_score];
        var class_score = value;
        if params.softmax != 0u {
            class_score = exp(value - softmax.x) / softmax.y;
        } else if !is_vector {
            class_score = sigmoid(value);
        }
        let score = objectness * class_score;
        if is_number(value) && is_number(score) && score > params.threshold {
            let slot = atomicAdd(&list.count, 1u);
            if slot < params.capacity {
                list.candidates[slot] =
                    Candidate(corners, score, i, params.sequence + index, 0u);
            }
        }
    }
}
