// Top-k classes of every image, most probable first, from logits or probabilities. A workgroup computes one
// image: it finds the next class k times, in order of the values read. k and the number of classes are small.
#import shared/grid
#import shared/float_order

struct Params {
    // Where the tensor begins, in floats.
    offset: u32,
    images: u32,
    classes: u32,
    // Classes to return per image, at most `classes`.
    k: u32,
    // 1 where the values are logits, to which a softmax is applied.
    softmax: u32,
    // The ranks that this dispatch finds. The classes before them are in `top_classes`.
    first: u32,
    end: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
// k pairs per image: a class, and the bits of its probability.
@group(0) @binding(2) var<storage, read_write> top_classes: array<vec2<u32>>;

const LOWEST: f32 = -3.4028234e38;
const NAN: u32 = 0x7fc00000u;

// The largest of some logits, the sum of exp(logit - largest), and whether one of them makes all
// probabilities NaN.
struct Softmax {
    largest: f32,
    sum: f32,
    is_nan: u32,
}

// A sort key: the value's `float_order`, and the complement of its class. The larger key comes first.
alias SortKey = vec2<u32>;

var<workgroup> softmaxes: array<Softmax, WORKGROUP>;
var<workgroup> keys: array<SortKey, WORKGROUP>;

fn softmax_of(source: u32, index: u32) -> Softmax {
    var found = Softmax(LOWEST, 0.0, 0u);
    for (var i = index; i < params.classes; i += WORKGROUP) {
        let value = values[source + i];
        let order = float_order(value);
        // NaN and infinity.
        if order >= 0xff800000u {
            found.is_nan = 1u;
        } else {
            let largest = max(found.largest, value);
            found.sum = found.sum * exp(found.largest - largest) + exp(value - largest);
            found.largest = largest;
        }
    }
    softmaxes[index] = found;
    workgroupBarrier();
    for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
        if index < step {
            let a = softmaxes[index];
            let b = softmaxes[index + step];
            let largest = max(a.largest, b.largest);
            let sum = a.sum * exp(a.largest - largest) + b.sum * exp(b.largest - largest);
            softmaxes[index] = Softmax(largest, sum, a.is_nan | b.is_nan);
        }
        workgroupBarrier();
    }
    return softmaxes[0];
}

fn is_before(a: SortKey, b: SortKey) -> bool {
    return a.x > b.x || (a.x == b.x && a.y > b.y);
}

// The first of all invocations' keys.
fn first_key(own: SortKey, index: u32) -> SortKey {
    keys[index] = own;
    workgroupBarrier();
    for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
        if index < step && is_before(keys[index + step], keys[index]) {
            keys[index] = keys[index + step];
        }
        workgroupBarrier();
    }
    let first = keys[0];
    // `keys` is overwritten by the next search.
    workgroupBarrier();
    return first;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    // Surplus workgroups repeat the last image, since a barrier must not follow a return.
    let image = min(workgroup.y * workgroups.x + workgroup.x, params.images - 1u);
    let source = params.offset + image * params.classes;

    var softmax = Softmax(0.0, 1.0, 0u);
    if params.softmax != 0u {
        softmax = softmax_of(source, index);
        if softmax.sum <= 0.0 {
            // All logits are minus infinity.
            softmax.is_nan = 1u;
        }
    }

    var previous = SortKey(0xffffffffu, 0xffffffffu);
    if params.first > 0u {
        let class_id = top_classes[image * params.k + params.first - 1u].x;
        let order = select(float_order(values[source + class_id]), NAN_ORDER, softmax.is_nan != 0u);
        previous = SortKey(order, ~class_id);
    }
    for (var rank = params.first; rank < params.end; rank++) {
        var own = SortKey(0u, 0u);
        for (var i = index; i < params.classes; i += WORKGROUP) {
            // Where all probabilities are NaN, classes are returned in order.
            let order = select(float_order(values[source + i]), NAN_ORDER, softmax.is_nan != 0u);
            let candidate = SortKey(order, ~i);
            if is_before(previous, candidate) && is_before(candidate, own) {
                own = candidate;
            }
        }
        previous = first_key(own, index);
        if index == 0u {
            let class_id = ~previous.y;
            let value = values[source + class_id];
            var probability = bitcast<u32>(value);
            if previous.x == NAN_ORDER {
                probability = NAN;
            } else if params.softmax != 0u {
                probability = bitcast<u32>(exp(value - softmax.largest) / softmax.sum);
            }
            top_classes[image * params.k + rank] = vec2<u32>(class_id, probability);
        }
    }
}
