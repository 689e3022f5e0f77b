//! Places labels in a plot so that they do not overlap other labels, dots or lines. A label far from its dot
//! gets a leader, a thin line between the two. Leaders may cross lines, but no labels.

/// A rectangle in pixels.
#[derive(Clone, Copy)]
pub struct Rect {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Rect {
    /// A square around a point, `radius` to each side.
    pub fn around((x, y): (f64, f64), radius: f64) -> Self {
        Self {
            left: x - radius,
            top: y - radius,
            right: x + radius,
            bottom: y + radius,
        }
    }

    /// The point of the rectangle nearest to `x`, `y`.
    fn nearest(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (
            x.clamp(self.left, self.right),
            y.clamp(self.top, self.bottom),
        )
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn contains(&self, other: &Self) -> bool {
        self.left <= other.left
            && other.right <= self.right
            && self.top <= other.top
            && other.bottom <= self.bottom
    }
}

/// Width of a character at 12 pixels, for a wide font: which font the browser uses is unknown.
const CHARACTER_WIDTH: f64 = 7.2;
const TEXT_HEIGHT: f64 = 15.0;

/// Labels farther from their dot than this get a leader.
const LEADER_DISTANCE: f64 = 16.0;

/// The layout of a plot's labels so far.
pub struct LabelLayout {
    bounds: Rect,
    /// Everything that labels must not overlap.
    occupied: Vec<Rect>,
    /// The labels.
    texts: Vec<Rect>,
}

/// The position of a dot's label.
pub struct DotLabel {
    /// The left end of the baseline.
    pub base: (f64, f64),
    /// The label's end of the leader, if it has one.
    pub leader: Option<(f64, f64)>,
}

/// The position of a line's label.
pub struct LineLabel {
    /// The left end of the text, at half its height.
    pub base: (f64, f64),
    /// The rotation, clockwise.
    pub degrees: f64,
}

impl LabelLayout {
    pub fn new(bounds: Rect) -> Self {
        Self {
            bounds,
            occupied: Vec::new(),
            texts: Vec::new(),
        }
    }

    fn occupy_text(&mut self, rect: Rect) {
        self.texts.push(rect);
        self.occupy(rect);
    }

    /// Marks `rect` as occupied.
    pub fn occupy(&mut self, rect: Rect) {
        self.occupied.push(rect);
    }

    /// Marks the line from `a` to `b` as occupied.
    pub fn occupy_line(&mut self, a: (f64, f64), b: (f64, f64)) {
        self.occupied.extend(squares_along(a, b, 2.0));
    }

    fn is_free(&self, rect: &Rect) -> bool {
        let is_occupied = self.occupied.iter().any(|other| other.overlaps(rect));
        self.bounds.contains(rect) && !is_occupied
    }

    /// How many of the rectangles are not free.
    fn count_collisions(&self, rects: &[Rect]) -> usize {
        rects.iter().filter(|rect| !self.is_free(rect)).count()
    }

    /// Places a line's label along the line, above or below it, where it collides least. Returns `None` if
    /// the line is too short.
    pub fn place_along(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        label: &str,
    ) -> Option<LineLabel> {
        let (width, height) = (to.0 - from.0, to.1 - from.1);
        let length = width.hypot(height);
        let unit = (width / length, height / length);
        let text = label.chars().count() as f64 * CHARACTER_WIDTH;
        let spare = length - text - 10.0;
        if spare < 0.0 {
            return None;
        }
        // `offset` is perpendicular to the line; positive is below.
        let candidate = |fraction: f64, offset: f64| {
            let start = 5.0 + spare * fraction;
            let point = |distance: f64| {
                (
                    from.0 + unit.0 * distance - unit.1 * offset,
                    from.1 + unit.1 * distance + unit.0 * offset,
                )
            };
            (point(start), point(start + text))
        };
        let fractions = (0..=20).map(|i| f64::from(i) / 20.0);
        let offset = TEXT_HEIGHT * 0.8;
        let candidates = fractions
            .flat_map(|fraction| [candidate(fraction, -offset), candidate(fraction, offset)]);
        // The text is covered with upright squares that are small enough not to touch the line itself.
        let radius = TEXT_HEIGHT * 0.4;
        let collisions = |(a, b): &((f64, f64), (f64, f64))| {
            self.count_collisions(&squares_along(*a, *b, radius))
        };
        let (a, b) = candidates.min_by_key(collisions)?;
        for rect in squares_along(a, b, radius) {
            self.occupy_text(rect);
        }
        Some(LineLabel {
            base: a,
            degrees: height.atan2(width).to_degrees(),
        })
    }

    /// Places a dot's label near the dot. Returns `None` if there is no free position.
    pub fn place_near(&mut self, dot: (f64, f64), label: &str) -> Option<DotLabel> {
        let (x, y) = dot;
        let width = label.chars().count() as f64 * CHARACTER_WIDTH;
        let half = TEXT_HEIGHT / 2.0;
        // Left and right first, then above and below, then farther away.
        let corners = [0.0, 12.0, 20.0, 34.0, 48.0]
            .into_iter()
            .flat_map(|distance| {
                let (above, below) = (y - 8.0 - TEXT_HEIGHT - distance, y + 8.0 + distance);
                let sides = [x + 9.0, x - 9.0 - width];
                let centered = [x - width / 2.0, x - 6.0, x + 6.0 - width];
                let sides =
                    sides.map(|left| [(left, y - half - distance), (left, y - half + distance)]);
                let centered = centered.map(|left| [(left, above), (left, below)]);
                sides.into_iter().chain(centered).flatten()
            });
        let rects = corners.map(|(left, top)| Rect {
            left,
            top,
            right: left + width,
            bottom: top + TEXT_HEIGHT,
        });
        let leader = |rect: &Rect| {
            let end = rect.nearest(dot);
            ((end.0 - x).hypot(end.1 - y) > LEADER_DISTANCE).then_some(end)
        };
        let is_clear = |rect: &Rect| {
            let leader = leader(rect).map(|end| squares_along(dot, end, 1.0));
            let mut squares = leader.iter().flatten();
            !squares.any(|square| self.texts.iter().any(|text| text.overlaps(square)))
        };
        let mut rects = rects.into_iter();
        let rect = rects.find(|rect| self.is_free(rect) && is_clear(rect))?;
        let leader = leader(&rect);
        self.occupy_text(rect);
        if let Some(end) = leader {
            self.occupy_line(dot, end);
        }
        Some(DotLabel {
            base: (rect.left, rect.bottom - 4.0),
            leader,
        })
    }
}

/// Overlapping squares that cover a line.
fn squares_along(a: (f64, f64), b: (f64, f64), radius: f64) -> Vec<Rect> {
    let (width, height) = (b.0 - a.0, b.1 - a.1);
    let steps = (width.hypot(height) / radius).ceil().clamp(1.0, 2000.0);
    let point = |i: f64| (a.0 + width * i / steps, a.1 + height * i / steps);
    (0..=steps as usize)
        .map(|i| Rect::around(point(i as f64), radius))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_do_not_overlap() {
        let mut layout = LabelLayout::new(Rect::around((200.0, 100.0), 200.0));
        let dot = (200.0, 100.0);
        layout.occupy(Rect::around(dot, 5.0));
        layout.occupy_line((0.0, 80.0), (400.0, 80.0));
        let mut bases = Vec::new();
        while let Some(label) = layout.place_near(dot, "winograd-4") {
            bases.push(label.base);
        }
        assert!(bases.len() > 2, "{bases:?}");
        for (i, a) in bases.iter().enumerate() {
            let covers_line = (a.1 - TEXT_HEIGHT..a.1 + 4.0).contains(&80.0);
            assert!(!covers_line, "{bases:?}");
            for b in &bases[..i] {
                let is_apart =
                    (a.0 - b.0).abs() >= 10.0 * CHARACTER_WIDTH || (a.1 - b.1).abs() >= TEXT_HEIGHT;
                assert!(is_apart, "{bases:?}");
            }
        }
        assert!(layout.place_near((-50.0, 0.0), "outside").is_none());
    }

    #[test]
    fn leaders_do_not_cross_labels() {
        let mut layout = LabelLayout::new(Rect::around((200.0, 100.0), 200.0));
        let dot = (200.0, 100.0);
        // A label close above the dot, and no room on the other sides.
        let above = Rect {
            left: 100.0,
            top: 70.0,
            right: 300.0,
            bottom: 90.0,
        };
        layout.occupy(Rect {
            top: 92.0,
            bottom: 400.0,
            ..above
        });
        let mut without_label = LabelLayout {
            occupied: layout.occupied.clone(),
            ..LabelLayout::new(layout.bounds)
        };
        without_label.occupy(above);
        layout.occupy_text(above);
        assert!(
            without_label
                .place_near(dot, "name")
                .is_some_and(|label| label.leader.is_some())
        );
        assert!(layout.place_near(dot, "name").is_none());
    }

    #[test]
    fn labels_along_a_slope_avoid_dots() {
        let mut layout = LabelLayout::new(Rect {
            left: 0.0,
            top: 0.0,
            right: 400.0,
            bottom: 300.0,
        });
        let (from, to) = ((0.0, 250.0), (400.0, 70.0));
        layout.occupy_line(from, to);
        // The first candidates on both sides are occupied.
        let dots = [(60.0, 200.0), (60.0, 245.0)].map(|dot| Rect::around(dot, 6.0));
        dots.iter().for_each(|dot| layout.occupy(*dot));
        assert!(layout.place_along(from, to, "memory, 1 GB/s").is_some());
        let overlaps = |text: &Rect| dots.iter().any(|dot| dot.overlaps(text));
        assert!(!layout.texts.iter().any(overlaps));
    }
}
