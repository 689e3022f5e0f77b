//! Room for texts in a plot: none is put where another, a dot or a line is. A text that is far from its
//! dot has a leader, a thin line between the two, which may cross lines but no text.

/// Pixels of a text's box.
#[derive(Clone, Copy)]
pub struct Area {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Area {
    pub fn around((x, y): (f64, f64), reach: f64) -> Self {
        Self {
            left: x - reach,
            top: y - reach,
            right: x + reach,
            bottom: y + reach,
        }
    }

    /// The place in it that is nearest to `x`, `y`.
    fn nearest(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (
            x.clamp(self.left, self.right),
            y.clamp(self.top, self.bottom),
        )
    }

    fn meets(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn holds(&self, other: &Self) -> bool {
        self.left <= other.left
            && other.right <= self.right
            && self.top <= other.top
            && other.bottom <= self.bottom
    }
}

/// Of a letter of 12 pixels; a wide font's, as which one there will be is not known.
const LETTER: f64 = 7.2;
const HEIGHT: f64 = 15.0;

/// From here on a text needs a leader.
const FAR: f64 = 16.0;

/// The room that is left.
pub struct Room {
    within: Area,
    taken: Vec<Area>,
    texts: Vec<Area>,
}

/// Where a text is to be.
pub struct Label {
    /// The left end of its base line.
    pub base: (f64, f64),
    /// The end of its leader, where it has one.
    pub leader: Option<(f64, f64)>,
}

/// Where a line's name is to be.
pub struct Along {
    /// The left end of the middle of its letters.
    pub base: (f64, f64),
    /// How far it is turned, clockwise.
    pub degrees: f64,
}

impl Room {
    pub fn new(within: Area) -> Self {
        Self {
            within,
            taken: Vec::new(),
            texts: Vec::new(),
        }
    }

    /// Takes what a text is in.
    fn take_text(&mut self, area: Area) {
        self.texts.push(area);
        self.take(area);
    }

    pub fn take(&mut self, area: Area) {
        self.taken.push(area);
    }

    /// Takes a line from `a` to `b`.
    pub fn take_line(&mut self, a: (f64, f64), b: (f64, f64)) {
        self.taken.extend(along(a, b, 2.0));
    }

    fn is_free(&self, area: &Area) -> bool {
        self.within.holds(area) && !self.taken.iter().any(|taken| taken.meets(area))
    }

    /// How many of the areas something is in.
    fn in_the_way(&self, areas: &[Area]) -> usize {
        areas.iter().filter(|area| !self.is_free(area)).count()
    }

    /// Takes room for the name of a line along it and above or below, where fewest things are in the way.
    pub fn along(&mut self, from: (f64, f64), to: (f64, f64), name: &str) -> Option<Along> {
        let (width, height) = (to.0 - from.0, to.1 - from.1);
        let length = width.hypot(height);
        let unit = (width / length, height / length);
        let text = name.chars().count() as f64 * LETTER;
        let spare = length - text - 10.0;
        if spare < 0.0 {
            return None;
        }
        // `off` is to the line's right as seen along it: below.
        let place = |share: f64, off: f64| {
            let at = 5.0 + spare * share;
            let point = |at: f64| {
                (
                    from.0 + unit.0 * at - unit.1 * off,
                    from.1 + unit.1 * at + unit.0 * off,
                )
            };
            (point(at), point(at + text))
        };
        let shares = (0..=20).map(|i| f64::from(i) / 20.0);
        let places =
            shares.flat_map(|share| [place(share, -HEIGHT * 0.8), place(share, HEIGHT * 0.8)]);
        // Upright squares along a slope: no larger than keeps them off the line itself.
        let reach = HEIGHT * 0.4;
        let in_the_way = |(a, b): &((f64, f64), (f64, f64))| self.in_the_way(&along(*a, *b, reach));
        let (a, b) = places.min_by_key(in_the_way)?;
        for area in along(a, b, reach) {
            self.take_text(area);
        }
        Some(Along {
            base: a,
            degrees: height.atan2(width).to_degrees(),
        })
    }

    /// Takes room for `text` beside a dot.
    pub fn beside(&mut self, dot: (f64, f64), text: &str) -> Option<Label> {
        let (x, y) = dot;
        let width = text.chars().count() as f64 * LETTER;
        let half = HEIGHT / 2.0;
        // Beside it first, then above and below, then farther off.
        let corners = [0.0, 12.0, 20.0, 34.0, 48.0].into_iter().flat_map(|off| {
            let (above, below) = (y - 8.0 - HEIGHT - off, y + 8.0 + off);
            let beside = [x + 9.0, x - 9.0 - width];
            let over = [x - width / 2.0, x - 6.0, x + 6.0 - width];
            let beside = beside.map(|left| [(left, y - half - off), (left, y - half + off)]);
            let over = over.map(|left| [(left, above), (left, below)]);
            beside.into_iter().chain(over).flatten()
        });
        let areas = corners.map(|(left, top)| Area {
            left,
            top,
            right: left + width,
            bottom: top + HEIGHT,
        });
        let leader = |area: &Area| {
            let end = area.nearest(dot);
            ((end.0 - x).hypot(end.1 - y) > FAR).then_some(end)
        };
        let is_clear = |area: &Area| {
            let leader = leader(area).map(|end| along(dot, end, 1.0));
            let mut on_leader = leader.iter().flatten();
            !on_leader.any(|part| self.texts.iter().any(|text| text.meets(part)))
        };
        let mut areas = areas.into_iter();
        let area = areas.find(|area| self.is_free(area) && is_clear(area))?;
        let leader = leader(&area);
        self.take_text(area);
        if let Some(end) = leader {
            self.take_line(dot, end);
        }
        Some(Label {
            base: (area.left, area.bottom - 4.0),
            leader,
        })
    }
}

/// Squares of `reach` along a line, near enough for nothing to slip through.
fn along(a: (f64, f64), b: (f64, f64), reach: f64) -> Vec<Area> {
    let (width, height) = (b.0 - a.0, b.1 - a.1);
    let steps = (width.hypot(height) / reach).ceil().clamp(1.0, 2000.0);
    let at = |i: f64| (a.0 + width * i / steps, a.1 + height * i / steps);
    (0..=steps as usize)
        .map(|i| Area::around(at(i as f64), reach))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_keep_apart() {
        let mut room = Room::new(Area::around((200.0, 100.0), 200.0));
        let dot = (200.0, 100.0);
        room.take(Area::around(dot, 5.0));
        room.take_line((0.0, 80.0), (400.0, 80.0));
        let mut places = Vec::new();
        while let Some(place) = room.beside(dot, "winograd-4") {
            places.push(place.base);
        }
        assert!(places.len() > 2, "{places:?}");
        for (i, a) in places.iter().enumerate() {
            // None on the line, none on another.
            assert!(!(a.1 - HEIGHT..a.1 + 4.0).contains(&80.0), "{places:?}");
            for b in &places[..i] {
                let apart = (a.0 - b.0).abs() >= 10.0 * LETTER || (a.1 - b.1).abs() >= HEIGHT;
                assert!(apart, "{places:?}");
            }
        }
        assert!(room.beside((-50.0, 0.0), "outside").is_none());
    }

    #[test]
    fn leaders_cross_no_text() {
        let mut room = Room::new(Area::around((200.0, 100.0), 200.0));
        let dot = (200.0, 100.0);
        // A text close above the dot, and something else at all other sides.
        let above = Area {
            left: 100.0,
            top: 70.0,
            right: 300.0,
            bottom: 90.0,
        };
        room.take(Area {
            top: 92.0,
            bottom: 400.0,
            ..above
        });
        let mut with_line = Room {
            taken: room.taken.clone(),
            ..Room::new(room.within)
        };
        with_line.take(above);
        room.take_text(above);
        assert!(
            with_line
                .beside(dot, "name")
                .is_some_and(|label| label.leader.is_some())
        );
        assert!(room.beside(dot, "name").is_none());
    }

    #[test]
    fn names_along_a_slope_keep_off_dots() {
        let mut room = Room::new(Area {
            left: 0.0,
            top: 0.0,
            right: 400.0,
            bottom: 300.0,
        });
        let (from, to) = ((0.0, 250.0), (400.0, 70.0));
        room.take_line(from, to);
        // Where the first places are, on both sides.
        let dots = [(60.0, 200.0), (60.0, 245.0)].map(|dot| Area::around(dot, 6.0));
        dots.iter().for_each(|dot| room.take(*dot));
        assert!(room.along(from, to, "memory, 1 GB/s").is_some());
        let meets = |text: &Area| dots.iter().any(|dot| dot.meets(text));
        assert!(!room.texts.iter().any(meets));
    }
}
