// Of candidates of one class that overlap the surest alone, surest first: greedy non-maximum
// suppression as `vision::non_maximum_suppression` has it, in one workgroup. Each turn finds the best
// candidate that is left, lists it, and strikes out what it overlaps.
#import shared/grid
#import shared/float_order
#import shared/candidates

struct Params {
    // Candidates that fit, and boxes.
    capacity: u32,
    most: u32,
    // The overlap above which the surer one alone stays.
    iou: f32,
    unused: u32,
    // From the network's input, from 0 to 1, to pixels of the picture.
    scale: vec2<f32>,
    shift: vec2<f32>,
    // Of the picture, in pixels.
    size: vec2<f32>,
}

struct List {
    // Also those that did not fit.
    count: u32,
    not_a_number: u32,
    unused: vec2<u32>,
    candidates: array<Candidate>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> list: List;
// Eight numbers about the list; then six a box: the bits of left, top, right, bottom and score, and
// the class.
@group(0) @binding(2) var<storage, read_write> boxes: array<u32>;

const HEADER: u32 = 8u;
const RECORD: u32 = 6u;
// Candidates that there may be: as many bits as two words an invocation have.
const CAPACITY: u32 = WORKGROUP * 64u;

// The bits of a candidate's score, the complements of its class and sequence number, and where it is:
// the larger comes first. Scores are positive, and rise with their bits; nothing has a score of 0.
alias Place = vec4<u32>;

var<workgroup> places: array<Place, WORKGROUP>;
// A bit a candidate: whether it is left. An invocation has words of its own, for every 64th.
var<workgroup> left: array<u32, CAPACITY / 32u>;

fn is_before(a: Place, b: Place) -> bool {
    if a.x != b.x {
        return a.x > b.x;
    }
    if a.y != b.y {
        return a.y > b.y;
    }
    return a.z > b.z;
}

fn place_of(slot: u32) -> Place {
    let score = bitcast<u32>(list.candidates[slot].score);
    return Place(score, ~list.candidates[slot].id, ~list.candidates[slot].sequence, slot);
}

fn area(corners: vec4<f32>) -> f32 {
    let size = max(corners.zw - corners.xy, vec2<f32>(0.0));
    return size.x * size.y;
}

// Whether boxes share more of what they cover together than is allowed. Those whose area is not finite
// share nothing.
fn overlap(a: vec4<f32>, b: vec4<f32>) -> bool {
    let shared_area = area(vec4<f32>(max(a.xy, b.xy), min(a.zw, b.zw)));
    let together = area(a) + area(b) - shared_area;
    return shared_area > 0.0 && is_finite(together) && shared_area > params.iou * together;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) index: u32) {
    let count = min(list.count, min(params.capacity, CAPACITY));
    var best = Place(0u);
    left[index * 2u] = 0u;
    left[index * 2u + 1u] = 0u;
    for (var slot = index; slot < count; slot += WORKGROUP) {
        let round = slot / WORKGROUP;
        left[index * 2u + round / 32u] |= 1u << (round % 32u);
        let place = place_of(slot);
        if is_before(place, best) {
            best = place;
        }
    }

    var listed = 0u;
    var unlisted = 0u;
    // Each turn strikes out one candidate at least.
    for (var turn = 0u; turn < count; turn++) {
        places[index] = best;
        workgroupBarrier();
        for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
            if index < step && is_before(places[index + step], places[index]) {
                places[index] = places[index + step];
            }
            workgroupBarrier();
        }
        let winner = workgroupUniformLoad(&places[0]);
        if winner.x == 0u {
            break;
        }
        if listed == params.most {
            for (var word = 0u; word < CAPACITY / 32u; word++) {
                unlisted += countOneBits(left[word]);
            }
            break;
        }

        let chosen = list.candidates[winner.w];
        let scale = vec4<f32>(params.scale, params.scale);
        let shift = vec4<f32>(params.shift, params.shift);
        let size = vec4<f32>(params.size, params.size);
        let corners = clamp(chosen.corners * scale + shift, vec4<f32>(0.0), size);
        // What lies wholly outside the picture is not listed, but has struck out others before.
        if corners.x < corners.z && corners.y < corners.w {
            if index == 0u {
                let record = HEADER + listed * RECORD;
                boxes[record] = bitcast<u32>(corners.x);
                boxes[record + 1u] = bitcast<u32>(corners.y);
                boxes[record + 2u] = bitcast<u32>(corners.z);
                boxes[record + 3u] = bitcast<u32>(corners.w);
                boxes[record + 4u] = bitcast<u32>(chosen.score);
                boxes[record + 5u] = chosen.id;
            }
            listed++;
        }

        best = Place(0u);
        for (var slot = index; slot < count; slot += WORKGROUP) {
            let round = slot / WORKGROUP;
            let word = index * 2u + round / 32u;
            let bit = 1u << (round % 32u);
            if (left[word] & bit) == 0u {
                continue;
            }
            let candidate = list.candidates[slot];
            if slot == winner.w
                || (candidate.id == chosen.id && overlap(candidate.corners, chosen.corners)) {
                left[word] &= ~bit;
                continue;
            }
            let place = place_of(slot);
            if is_before(place, best) {
                best = place;
            }
        }
    }

    if index == 0u {
        boxes[0] = listed;
        boxes[1] = list.count;
        boxes[2] = list.count - count;
        boxes[3] = list.not_a_number;
        boxes[4] = unlisted;
        boxes[5] = 0u;
        boxes[6] = 0u;
        boxes[7] = 0u;
    }
}
