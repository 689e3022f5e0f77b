//! The sections of detection heads.

use shadernet::darknet::Network;

use crate::hostile::refusal;

/// A network of one convolution and `head`.
pub fn with_head(filters: usize, head: &str) -> String {
    format!(
        "[net]\nwidth=32\nheight=32\n[convolutional]\nfilters={filters}\nactivation=linear\n{head}"
    )
}

#[test]
fn heads_are_checked() {
    let yolo = "[yolo]\nmask=0,1\nanchors=1,2, 3,4, 5,6\nnum=3\nclasses=2";
    let network = Network::parse("ok.cfg", &with_head(14, yolo)).unwrap();
    assert_eq!(network.heads()[0].classes(), 2);
    let region = "[region]\nanchors=1.5,2.25\nnum=1\nclasses=2\nsoftmax=1\ncoords=4";
    Network::parse("ok.cfg", &with_head(7, region)).unwrap();
    let grid = "[connected]\noutput=52\nactivation=linear\n[detection]\nclasses=3\ncoords=4\nside=2\nnum=2\nsqrt=1";
    Network::parse("ok.cfg", &with_head(1, grid)).unwrap();

    for (filters, head, from, to, part) in [
        (
            15,
            yolo,
            "",
            "",
            "line 7: [yolo]: an output [N, 14, H, W] (2 anchors of 4 coordinates",
        ),
        (
            14,
            yolo,
            "mask=0,1",
            "mask=0,3",
            "line 8: [yolo] mask: anchors from 0 to 2 expected, found '0,3'",
        ),
        (14, yolo, "mask=0,1", "mask=-1,1", "line 8: [yolo] mask"),
        (
            14,
            yolo,
            "5,6",
            "5",
            "line 9: [yolo] anchors: 3 pairs of width and height above zero (num=3)",
        ),
        (14, yolo, "5,6", "5,-6", "[yolo] anchors"),
        (14, yolo, "5,6", "5,nan", "[yolo] anchors: finite numbers"),
        (14, yolo, "anchors", "ankers", "[yolo]: anchors is missing"),
        (14, yolo, "num=3", "num=99999999", "line 10: [yolo] num"),
        (
            14,
            yolo,
            "classes=2",
            "classes=0",
            "line 11: [yolo] classes",
        ),
        (
            14,
            yolo,
            "classes=2",
            "classes=2\nscale_x_y=0.5",
            "[yolo] scale_x_y: a number from 1 to 100",
        ),
        (
            14,
            yolo,
            "classes=2",
            "classes=2\n[yolo]\nmask=0\nanchors=1,2\nclasses=9",
            "as many classes",
        ),
        (
            7,
            region,
            "coords=4",
            "coords=5",
            "line 12: [region] coords: 4",
        ),
        (
            7,
            region,
            "softmax=1",
            "softmax=1\ntree=9k.tree",
            "tree: nothing (nothing else is supported)",
        ),
        (1, grid, "coords=4", "", "[detection]: coords is missing"),
        (
            1,
            grid,
            "side=2",
            "side=3",
            "[detection]: an output [N, 117]",
        ),
    ] {
        let text = with_head(filters, &head.replacen(from, to, 1));
        let message = refusal(&text);
        assert!(message.contains(part), "{message}\n  lacks: {part}");
    }
    // The second head has another number of classes than the first.
    let two = with_head(
        14,
        &format!("{yolo}\n[route]\nlayers=0\n[yolo]\nanchors=1,2\nclasses=9"),
    );
    assert!(
        refusal(&two).contains("line 16: [yolo] classes: as many"),
        "{}",
        refusal(&two)
    );
}
