// Argmax over the classes of a pixel's logits, with the rules of `vision::Mask`: among equal logits the
// first wins, and NaN never wins except in channel 0. A single logit is that of a sigmoid: class 1 where
// it is above 0, else class 0.
#import shared/float_order

struct ArgMax {
    class_id: u32,
    // `float_order` of the class's logit.
    order: u32,
}

// The state after the logit of channel 0.
fn argmax_start(logit: f32, channels: u32) -> ArgMax {
    let order = float_order(logit);
    if channels == 1u {
        return ArgMax(u32(order > float_order(0.0) && order != NAN_ORDER), order);
    }
    return ArgMax(0u, order);
}

// The state after one more logit.
fn argmax_update(best: ArgMax, class_id: u32, logit: f32) -> ArgMax {
    let order = float_order(logit);
    if order > best.order && order != NAN_ORDER {
        return ArgMax(class_id, order);
    }
    return best;
}
