// Greedy non-maximum suppression per class, as `vision::non_maximum_suppression`, in one workgroup. Each
// iteration finds the best remaining candidate, lists it, and removes the candidates that it suppresses.
#import shared/grid
#import shared/float_order
#import shared/candidates

struct Params {
    // The most candidates that the list of candidates can hold, and the most boxes to list.
    capacity: u32,
    most: u32,
    // The intersection over union above which the lower score is suppressed.
    iou: f32,
    // The most iterations of this dispatch. If that may be too few for all candidates, it saves its state for
    // the next dispatch.
    iterations: u32,
    // From coordinates in the network's input, from 0 to 1, to pixels of the image.
    scale: vec2<f32>,
    shift: vec2<f32>,
    // Width and height of the image, in pixels.
    size: vec2<f32>,
    // 1 where an earlier dispatch has saved its state.
    continues: u32,
}

struct List {
    // Candidates found, including those that did not fit.
    count: u32,
    not_finite: u32,
    unused: vec2<u32>,
    candidates: array<Candidate>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> list: List;
// A header of 8 words, then 6 words per box: the bits of left, top, right, bottom and score, and the class.
@group(0) @binding(2) var<storage, read_write> boxes: array<u32>;

const HEADER: u32 = 8u;
const RECORD: u32 = 6u;
// After the last box: `remaining` between dispatches.
fn state() -> u32 {
    return HEADER + params.most * RECORD;
}
// The most candidates this shader supports: one bit each, in two words per invocation.
const CAPACITY: u32 = WORKGROUP * 64u;

// A sort key: the bits of a candidate's score, the complements of its class and sequence number, and its
// index. The larger key comes first. Scores are positive, so that their bits order them; a score of 0 means no
// candidate.
alias SortKey = vec4<u32>;

var<workgroup> keys: array<SortKey, WORKGROUP>;
// One bit per candidate: whether it remains. Each invocation owns two words, for every 64th candidate.
var<workgroup> remaining: array<u32, CAPACITY / 32u>;

fn is_before(a: SortKey, b: SortKey) -> bool {
    if a.x != b.x {
        return a.x > b.x;
    }
    if a.y != b.y {
        return a.y > b.y;
    }
    return a.z > b.z;
}

fn sort_key(candidate_index: u32) -> SortKey {
    let score = bitcast<u32>(list.candidates[candidate_index].score);
    return SortKey(score, ~list.candidates[candidate_index].class_id, ~list.candidates[candidate_index].sequence, candidate_index);
}

fn area(corners: vec4<f32>) -> f32 {
    let size = max(corners.zw - corners.xy, vec2<f32>(0.0));
    return size.x * size.y;
}

// Whether the intersection over union of two boxes is above the threshold. Boxes whose area is not finite
// overlap nothing.
fn overlaps(a: vec4<f32>, b: vec4<f32>) -> bool {
    let intersection = area(vec4<f32>(max(a.xy, b.xy), min(a.zw, b.zw)));
    let union_area = area(a) + area(b) - intersection;
    return intersection > 0.0 && is_finite(union_area) && intersection > params.iou * union_area;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) index: u32) {
    let count = min(list.count, min(params.capacity, CAPACITY));
    var best = SortKey(0u);
    let continues = params.continues != 0u;
    remaining[index * 2u] = 0u;
    remaining[index * 2u + 1u] = 0u;
    if continues {
        remaining[index * 2u] = boxes[state() + index * 2u];
        remaining[index * 2u + 1u] = boxes[state() + index * 2u + 1u];
    }
    for (var candidate_index = index; candidate_index < count; candidate_index += WORKGROUP) {
        let round = candidate_index / WORKGROUP;
        let word = index * 2u + round / 32u;
        let bit = 1u << (round % 32u);
        if !continues {
            remaining[word] |= bit;
        } else if (remaining[word] & bit) == 0u {
            continue;
        }
        let key = sort_key(candidate_index);
        if is_before(key, best) {
            best = key;
        }
    }

    if index == 0u {
        keys[0] = SortKey(select(0u, boxes[0], continues), 0u, 0u, 0u);
    }
    var listed = workgroupUniformLoad(&keys[0]).x;
    var unlisted = 0u;
    // Each iteration removes at least one candidate. One more finds that none remains, or counts those that do.
    for (var iteration = 0u; iteration < min(count + 1u, params.iterations); iteration++) {
        keys[index] = best;
        workgroupBarrier();
        for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
            if index < step && is_before(keys[index + step], keys[index]) {
                keys[index] = keys[index + step];
            }
            workgroupBarrier();
        }
        let winner = workgroupUniformLoad(&keys[0]);
        if winner.x == 0u {
            break;
        }
        if listed == params.most {
            for (var word = 0u; word < CAPACITY / 32u; word++) {
                unlisted += countOneBits(remaining[word]);
            }
            break;
        }

        let chosen = list.candidates[winner.w];
        let scale = vec4<f32>(params.scale, params.scale);
        let shift = vec4<f32>(params.shift, params.shift);
        let size = vec4<f32>(params.size, params.size);
        let corners = clamp(chosen.corners * scale + shift, vec4<f32>(0.0), size);
        // Boxes wholly outside the image are not listed, but suppress others.
        if corners.x < corners.z && corners.y < corners.w {
            if index == 0u {
                let record = HEADER + listed * RECORD;
                boxes[record] = bitcast<u32>(corners.x);
                boxes[record + 1u] = bitcast<u32>(corners.y);
                boxes[record + 2u] = bitcast<u32>(corners.z);
                boxes[record + 3u] = bitcast<u32>(corners.w);
                boxes[record + 4u] = bitcast<u32>(chosen.score);
                boxes[record + 5u] = chosen.class_id;
            }
            listed++;
        }

        best = SortKey(0u);
        for (var candidate_index = index; candidate_index < count; candidate_index += WORKGROUP) {
            let round = candidate_index / WORKGROUP;
            let word = index * 2u + round / 32u;
            let bit = 1u << (round % 32u);
            if (remaining[word] & bit) == 0u {
                continue;
            }
            let candidate = list.candidates[candidate_index];
            if candidate_index == winner.w
                || (candidate.class_id == chosen.class_id && overlaps(candidate.corners, chosen.corners)) {
                remaining[word] &= ~bit;
                continue;
            }
            let key = sort_key(candidate_index);
            if is_before(key, best) {
                best = key;
            }
        }
    }

    if params.iterations <= CAPACITY {
        boxes[state() + index * 2u] = remaining[index * 2u];
        boxes[state() + index * 2u + 1u] = remaining[index * 2u + 1u];
    }
    if index == 0u {
        boxes[0] = listed;
        boxes[1] = list.count;
        boxes[2] = list.count - count;
        boxes[3] = list.not_finite;
        boxes[4] = unlisted;
        boxes[5] = 0u;
        boxes[6] = 0u;
        boxes[7] = 0u;
    }
}
