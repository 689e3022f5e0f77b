// The likeliest classes of every image, likeliest first, from logits or probabilities. A workgroup
// answers an image: the next likeliest is found once for each place, in the order of what it read, of
// which there is little.
#import shared/grid
#import shared/float_order

struct Params {
    // Where the tensor begins, in numbers.
    offset: u32,
    images: u32,
    classes: u32,
    // Classes to answer, no more than there are.
    k: u32,
    // Whether there are logits, of which a softmax makes probabilities.
    softmax: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
// k pairs an image: a class, and the bits of its probability.
@group(0) @binding(2) var<storage, read_write> likeliest: array<vec2<u32>>;

const LOWEST: f32 = -3.4028234e38;
const NAN: u32 = 0x7fc00000u;

// The largest logit that an invocation has seen, the sum of exp(logit - largest), and whether there
// was one that makes all probabilities NaN.
struct Softmax {
    largest: f32,
    sum: f32,
    broken: u32,
}

// A value's order, and the complement of its class: the larger comes first.
alias Place = vec2<u32>;

var<workgroup> softmaxes: array<Softmax, WORKGROUP>;
var<workgroup> places: array<Place, WORKGROUP>;

fn softmax_of(source: u32, index: u32) -> Softmax {
    var found = Softmax(LOWEST, 0.0, 0u);
    for (var i = index; i < params.classes; i += WORKGROUP) {
        let value = values[source + i];
        let order = order_of(value);
        // NaN, and infinity.
        if order >= 0xff800000u {
            found.broken = 1u;
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
            softmaxes[index] = Softmax(largest, sum, a.broken | b.broken);
        }
        workgroupBarrier();
    }
    return softmaxes[0];
}

fn is_before(a: Place, b: Place) -> bool {
    return a.x > b.x || (a.x == b.x && a.y > b.y);
}

// The first of all invocations' places.
fn first_place(own: Place, index: u32) -> Place {
    places[index] = own;
    workgroupBarrier();
    for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
        if index < step && is_before(places[index + step], places[index]) {
            places[index] = places[index + step];
        }
        workgroupBarrier();
    }
    let first = places[0];
    // Before the next place is looked for.
    workgroupBarrier();
    return first;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    // Workgroups that are left over redo the last image, since a barrier may not stand behind a return.
    let image = min(workgroup.y * workgroups.x + workgroup.x, params.images - 1u);
    let source = params.offset + image * params.classes;

    var softmax = Softmax(0.0, 1.0, 0u);
    if params.softmax != 0u {
        softmax = softmax_of(source, index);
        if softmax.sum <= 0.0 {
            // All logits are infinitely small.
            softmax.broken = 1u;
        }
    }

    var before = Place(0xffffffffu, 0xffffffffu);
    for (var place = 0u; place < params.k; place++) {
        var own = Place(0u, 0u);
        for (var i = index; i < params.classes; i += WORKGROUP) {
            // Where all are NaN, they come in order.
            let order = select(order_of(values[source + i]), NAN_ORDER, softmax.broken != 0u);
            let candidate = Place(order, ~i);
            if is_before(before, candidate) && is_before(candidate, own) {
                own = candidate;
            }
        }
        before = first_place(own, index);
        if index == 0u {
            let id = ~before.y;
            let value = values[source + id];
            var probability = bitcast<u32>(value);
            if before.x == NAN_ORDER {
                probability = NAN;
            } else if params.softmax != 0u {
                probability = bitcast<u32>(exp(value - softmax.largest) / softmax.sum);
            }
            likeliest[image * params.k + place] = vec2<u32>(id, probability);
        }
    }
}
