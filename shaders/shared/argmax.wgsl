// The likeliest class of some logits, as `vision::Mask` has it: of equals the first, and NaN never,
// but where it comes first. A single logit is a sigmoid's: two classes, of which it is the second.
#import shared/float_order

struct Likeliest {
    id: u32,
    order: u32,
}

// After the first logit.
fn first_of(logit: f32, channels: u32) -> Likeliest {
    let order = order_of(logit);
    if channels == 1u {
        return Likeliest(u32(order > order_of(0.0) && order != NAN_ORDER), order);
    }
    return Likeliest(0u, order);
}

// After one more.
fn likelier(best: Likeliest, id: u32, logit: f32) -> Likeliest {
    let order = order_of(logit);
    if order > best.order && order != NAN_ORDER {
        return Likeliest(id, order);
    }
    return best;
}
