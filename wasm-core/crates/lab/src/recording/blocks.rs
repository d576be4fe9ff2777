//! The blocks that a driver's buffer is made of, and the zeros that tell them apart.

use super::subcarrier::{DecidedBy, Field, LayoutKey, Order, Role, Secondary};

/// Which indices a block carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tones {
    /// 20 MHz legacy: 52 useful.
    Legacy,
    /// 20 MHz HT: 56 useful.
    Ht20,
    /// 40 MHz HT: 114 useful.
    Ht40,
    /// 80 MHz VHT or 20 MHz HE: 242 useful.
    Wide242,
    /// 160 MHz VHT.
    Vht160,
    /// All of them.
    All,
}

impl Tones {
    pub(super) fn role(self, k: i16) -> Role {
        let m = k.unsigned_abs();
        let (inner, outer, pilots): (u16, u16, &[u16]) = match self {
            Self::Legacy => (1, 26, &[7, 21]),
            Self::Ht20 => (1, 28, &[7, 21]),
            Self::Ht40 => (2, 58, &[11, 25, 53]),
            Self::Wide242 => (2, 122, &[11, 39, 75, 103]),
            Self::Vht160 => (6, 250, &[25, 53, 89, 117, 139, 167, 203, 231]),
            Self::All => return Role::Data,
        };
        if m < inner {
            Role::Dc
        } else if m > outer || self == Self::Vht160 && (127..=129).contains(&m) {
            Role::Null
        } else if pilots.contains(&m) {
            Role::Pilot
        } else {
            Role::Data
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) field: Field,
    pub(super) pairs: usize,
    pub(super) tones: Tones,
    /// Fixed order of this block, whatever the order of the others.
    fixed: Option<Order>,
    /// Index of position 0 in centred order.
    first: i16,
}

impl Block {
    pub(super) const fn new(field: Field, pairs: usize, tones: Tones) -> Self {
        Self { field, pairs, tones, fixed: None, first: -((pairs / 2) as i16) }
    }

    pub(super) fn index(&self, position: usize, order: Order) -> i16 {
        match self.fixed.unwrap_or(order) {
            Order::Centred => self.first + position as i16,
            _ if position < self.pairs.div_ceil(2) => position as i16,
            _ => position as i16 - self.pairs as i16,
        }
    }
}

/// Which pairs were ever other than zero, over all frames of a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    /// Frames in which each pair was not zero.
    pub(super) alive: Vec<u32>,
    /// Frames counted.
    pub(super) frames: u32,
    /// Whether any frame's first word was garbage.
    pub(super) garbage: bool,
}

impl Evidence {
    /// Whether the pair is zero in all but one frame in 200.
    fn null(&self, pair: usize) -> bool {
        self.alive.get(pair).is_some_and(|&alive| alive <= self.frames / 200)
    }

    /// Whether all of `nulls` stay zero and most of `live` do not, `offset` pairs in; the pairs
    /// that the driver overwrites do not count.
    fn shows(
        &self,
        offset: usize,
        nulls: impl IntoIterator<Item = usize>,
        live: impl IntoIterator<Item = usize>,
    ) -> bool {
        let counts = |p: &usize| !(self.garbage && *p < 2);
        let all_null = nulls.into_iter().map(|p| p + offset).filter(counts).all(|p| self.null(p));
        let live: Vec<usize> = live.into_iter().map(|p| p + offset).filter(counts).collect();
        let dead = live.iter().filter(|&&p| self.null(p)).count();
        self.frames > 0 && all_null && dead * 4 <= live.len()
    }

    /// Whether the pairs begin as a legacy training field in FFT order does.
    pub(super) fn shows_cut_lltf(&self) -> bool {
        self.shows(0, (27..=37).chain([0]), (1..=26).chain(38..=51))
    }

    /// The order that the zeros of the 64 pairs at `offset` tell, if they do.
    fn order_of_64(&self, offset: usize) -> Option<Order> {
        if self.shows(offset, (29..=35).chain([0]), (2..=26).chain(38..=62)) {
            Some(Order::Fft)
        } else if self.shows(offset, (2..=3).chain([32]).chain(61..=63), (8..=31).chain(33..=56)) {
            Some(Order::Centred)
        } else {
            None
        }
    }
}

pub(super) fn unordered(pairs: usize) -> Block {
    Block::new(Field::None, pairs, Tones::All)
}

/// Espressif's blocks, their order and what decided it.
pub(super) fn espressif(key: &LayoutKey, evidence: &Evidence) -> (Vec<Block>, Order, DecidedBy) {
    use Field::{HtLtf, Lltf, StbcHtLtf};
    let lltf = Block::new(Lltf, 64, Tones::Legacy);
    let ht20 = Block::new(HtLtf, 64, Tones::Ht20);
    let ht40 = Block::new(HtLtf, 128, Tones::Ht40);
    let wide_fft = Block { fixed: Some(Order::Fft), ..ht40 };
    let (order, decided_by) = match (key.secondary, evidence.order_of_64(0)) {
        (Some(Secondary::None), _) => (Order::Fft, DecidedBy::Metadata),
        (Some(_), _) => (Order::Centred, DecidedBy::Metadata),
        (None, Some(order)) => (order, DecidedBy::NullPattern),
        (None, None) => (Order::Fft, DecidedBy::Assumed),
    };
    let cut = |field, pairs: usize| {
        // The block lacks its top (secondary below) or its bottom (above).
        let first = if key.secondary == Some(Secondary::Above) { 32 - pairs as i16 } else { -32 };
        Block { first, fixed: Some(Order::Centred), ..Block::new(field, pairs, Tones::Ht20) }
    };
    let blocks = match key.pairs {
        64 => {
            // HT tones 27 and 28 are alive: an HT-LTF alone.
            let edges = if order == Order::Fft { [27, 28, 36, 37] } else { [4, 5, 59, 60] };
            let ht = key.secondary.is_none() && evidence.shows(0, [], edges);
            vec![if ht && decided_by == DecidedBy::NullPattern { ht20 } else { lltf }]
        }
        128 => {
            let centre =
                evidence.shows(0, (2..=4).chain([64]).chain(124..=127), (8..=60).chain(68..=120));
            if centre && key.secondary.is_none() {
                return (vec![ht40], Order::Centred, DecidedBy::NullPattern);
            }
            let two = evidence.order_of_64(64).is_some();
            if key.wide == Some(true) && !two { vec![ht40] } else { vec![lltf, ht20] }
        }
        192 => {
            let three = [0, 64, 128].iter().all(|&at| evidence.order_of_64(at) == Some(Order::Fft));
            let wide = evidence.shows(64, 61..=67, (4..=56).chain(72..=124));
            match key.wide {
                Some(true) => vec![lltf, wide_fft],
                None if wide && !three => vec![lltf, wide_fft],
                _ => vec![lltf, ht20, Block { field: StbcHtLtf, ..ht20 }],
            }
        }
        188 => vec![lltf, cut(HtLtf, 62), cut(StbcHtLtf, 62)],
        190 => vec![lltf, cut(HtLtf, 63), cut(StbcHtLtf, 63)],
        306 => {
            let ht = Block { fixed: Some(Order::Fft), ..Block::new(HtLtf, 121, Tones::Ht40) };
            vec![lltf, ht, Block { field: StbcHtLtf, ..ht }]
        }
        53 => vec![Block::new(Lltf, 53, Tones::Legacy)],
        57 => vec![Block::new(HtLtf, 57, Tones::Ht20)],
        114 => {
            let ht = Block::new(HtLtf, 57, Tones::Ht20);
            vec![ht, Block { field: StbcHtLtf, ..ht }]
        }
        117 => vec![Block::new(HtLtf, 117, Tones::Ht40)],
        234 => {
            let ht = Block::new(HtLtf, 117, Tones::Ht40);
            vec![ht, Block { field: StbcHtLtf, ..ht }]
        }
        245 => vec![Block::new(HtLtf, 245, Tones::Wide242)],
        pairs => {
            return (vec![unordered(pairs as usize)], Order::AsStored, DecidedBy::Unknown);
        }
    };
    (blocks, order, decided_by)
}
