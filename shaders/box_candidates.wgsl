// Decodes one head of a detector, as `vision::Head` does, and lists the boxes whose score is above a
// threshold. An invocation decodes one box, with all of its classes.
#import shared/grid
#import shared/float_order
#import shared/candidates

struct Params {
    // Where the tensor begins, in floats.
    offset: u32,
    // MAP, VECTOR or DECODED.
    form: u32,
    // Cells per row and per column. Decoded boxes are a row of cells.
    width: u32,
    height: u32,
    // Boxes per cell, and classes.
    boxes: u32,
    classes: u32,
    // 1 where a softmax is applied to the classes.
    softmax: u32,
    // 1 where a vector has the square roots of sizes.
    sqrt: u32,
    // The sequence number of the first box.
    sequence: u32,
    // The most candidates that the list can hold.
    capacity: u32,
    threshold: f32,
    // Width and height of the image in the unit of the anchors, or of decoded boxes.
    unit_width: f32,
    unit_height: f32,
    // By how much the centers of a feature map's boxes can reach beyond their cell.
    scale_x_y: f32,
    // 1 where a feature map's values went through a sigmoid, and its sizes are squared.
    new_coords: u32,
    // Of decoded boxes: 1 where a box's values follow each other, and not the boxes of one value.
    by_box: u32,
    // 1 where they have an objectness.
    has_objectness: u32,
    // 1 where coordinates are left, top, right and bottom, and not center and size.
    has_corners: u32,
    unused: u32,
    unused_too: u32,
}

// A feature map: x, y, w, h, objectness and classes for each box of a cell.
const MAP: u32 = 0u;
// The output vector of YOLOv1: class scores, confidences and coordinates one after the other, no activation to apply.
const VECTOR: u32 = 1u;
// Boxes that the network has decoded: 4 coordinates, perhaps an objectness, and class scores.
const DECODED: u32 = 2u;

struct List {
    // Candidates found, including those that did not fit.
    count: atomic<u32>,
    // Values of the tensor that are NaN or infinite.
    not_finite: atomic<u32>,
    unused: vec2<u32>,
    candidates: array<Candidate>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
// Width and height of each anchor.
@group(0) @binding(2) var<storage, read> anchors: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> list: List;

// Where a box's values are.
struct Source {
    coordinates: u32,
    objectness: u32,
    classes: u32,
    // Strides from one coordinate to the next, and from one class to the next.
    coordinate_stride: u32,
    class_stride: u32,
}

fn source_of(index: u32, cells: u32) -> Source {
    if params.form == DECODED {
        let rest = 4u + params.has_objectness;
        if params.by_box != 0u {
            let first = params.offset + index * (rest + params.classes);
            return Source(first, first + 4u, first + rest, 1u, 1u);
        }
        let first = params.offset + index;
        return Source(first, first + 4u * cells, first + rest * cells, cells, cells);
    }
    if params.form == VECTOR {
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

fn has_objectness() -> bool {
    return params.form != DECODED || params.has_objectness != 0u;
}

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(-x));
}

// The activation of a feature map's centers, objectness and classes.
fn activate(x: f32) -> f32 {
    if params.new_coords != 0u {
        return x;
    }
    return sigmoid(x);
}

// The number of a box's values that are NaN or infinite. The classes of a vector are shared by the boxes of a cell, and
// are counted for one of them.
fn count_not_finite(source: Source, counts_classes: bool) -> u32 {
    var count = 0u;
    if has_objectness() {
        count += u32(!is_finite(values[source.objectness]));
    }
    for (var i = 0u; i < 4u; i++) {
        count += u32(!is_finite(values[source.coordinates + i * source.coordinate_stride]));
    }
    if counts_classes {
        for (var i = 0u; i < params.classes; i++) {
            count += u32(!is_finite(values[source.classes + i * source.class_stride]));
        }
    }
    return count;
}

// The largest of the class scores, and the sum of exp(score - largest). The sum is 0 where every probability
// would be NaN.
fn softmax_of(source: Source) -> vec2<f32> {
    var largest = values[source.classes];
    for (var i = 0u; i < params.classes; i++) {
        let value = values[source.classes + i * source.class_stride];
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
        sum += exp(values[source.classes + i * source.class_stride] - largest);
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
    let is_vector = params.form == VECTOR;
    let is_map = params.form == MAP;
    let not_finite = count_not_finite(source, !is_vector || index % params.boxes == 0u);
    if not_finite > 0u {
        atomicAdd(&list.not_finite, not_finite);
    }

    var objectness = 1.0;
    if has_objectness() {
        objectness = values[source.objectness];
        if !is_number(objectness) {
            return;
        }
    }
    if is_map {
        objectness = activate(objectness);
    }
    // But for vectors, no class score can be above the threshold unless the objectness is.
    if (!is_vector && objectness <= params.threshold) || params.classes == 0u {
        return;
    }

    var center_in_cell = vec2<f32>(values[source.coordinates], values[source.coordinates + source.coordinate_stride]);
    var size = vec2<f32>(
        values[source.coordinates + 2u * source.coordinate_stride],
        values[source.coordinates + 3u * source.coordinate_stride],
    );
    var cell = index % cells;
    if is_vector {
        cell = index / params.boxes;
        if params.sqrt != 0u {
            size *= size;
        }
    } else if is_map {
        center_in_cell = vec2<f32>(activate(center_in_cell.x), activate(center_in_cell.y)) * params.scale_x_y
            - 0.5 * (params.scale_x_y - 1.0);
        let unit = vec2<f32>(params.unit_width, params.unit_height);
        let share = select(exp(size), 4.0 * size * size, vec2<bool>(params.new_coords != 0u));
        size = share * anchors[index / cells] / unit;
    }
    let grid = vec2<u32>(params.width, params.height);
    let center = (vec2<f32>(vec2<u32>(cell % grid.x, cell / grid.x)) + center_in_cell) / vec2<f32>(grid);
    var corners = vec4<f32>(center - size / 2.0, center + size / 2.0);
    if params.form == DECODED {
        let unit = vec2<f32>(params.unit_width, params.unit_height);
        let first = center_in_cell / unit;
        let second = size / unit;
        corners = select(
            vec4<f32>(first - second / 2.0, first + second / 2.0),
            vec4<f32>(first, second),
            vec4<bool>(params.has_corners != 0u),
        );
    }
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
    // A decoded box is of its best class only.
    var first_class = 0u;
    var end_class = params.classes;
    if params.form == DECODED {
        var best = values[source.classes];
        for (var i = 1u; i < params.classes; i++) {
            let value = values[source.classes + i * source.class_stride];
            if value > best {
                best = value;
                first_class = i;
            }
        }
        end_class = first_class + 1u;
    }
    for (var i = first_class; i < end_class; i++) {
        let value = values[source.classes + i * source.class_stride];
        var class_score = value;
        if params.softmax != 0u {
            class_score = exp(value - softmax.x) / softmax.y;
        } else if is_map {
            class_score = activate(value);
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
