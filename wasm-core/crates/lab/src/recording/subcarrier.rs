//! Which subcarrier each value of a frame stands for, and how that was decided.
//!
//! Espressif's buffer is up to three blocks: LLTF, HT-LTF, STBC-HT-LTF. A block of 64 pairs is
//! in **FFT order** (`k = p < 32 ? p : p - 64`) when the channel has no secondary channel, in
//! **centred order** (`k = p - 32`) when it has one. The 128-pair block of a 40 MHz frame is in
//! FFT order of 128. 192 pairs are 64+64+64 or 64+128.
//!
//! Evidence is used in this order: the frame's own metadata, the pairs that stay zero over many
//! frames, and then the assumption of FFT order. Nothing here looks at amplitudes beyond
//! "always zero", and indices are relative to the centre of their own block.
//!
//! Source: ESP-IDF programming guide, "Wi-Fi Channel State Information"; IEEE 802.11-2020,
//! tables 17-... and 19-... for data, pilot and null subcarriers.

use serde::Serialize;

use super::blocks::{Block, Evidence, Tones, espressif, unordered};

/// Where the secondary channel of a 40 MHz capable channel lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Secondary {
    /// There is none.
    None,
    /// Above the primary channel.
    Above,
    /// Below it.
    Below,
}

/// -32 to 31: 64 pairs that their source has put in ascending order.
pub(super) const ASCENDING_64: [i16; 64] = {
    let mut indices = [0; 64];
    let mut p = 0;
    while p < 64 {
        indices[p] = p as i16 - 32;
        p += 1;
    }
    indices
};

/// How positions follow from the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SubcarrierRule {
    /// Espressif's blocks, see the module.
    #[default]
    Espressif,
    /// One FFT of as many bins as there are values (Nexmon).
    Fft,
    /// The source fixes each value's index.
    Listed(&'static [i16]),
    /// The first 56 of 64 LLTF pairs in FFT order (RuView's sensing server): k = 0..=31, -32..=-9.
    First56,
    /// Nothing is known but the order of the values; every one counts.
    Unordered,
    /// Features, not subcarriers.
    Features,
}

/// What a frame's metadata say about its layout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Layout {
    /// How positions follow from the source.
    pub rule: SubcarrierRule,
    /// The secondary channel.
    pub secondary: Option<Secondary>,
    /// Bandwidth of the frame in MHz: 20, 40, 80, 160.
    pub bandwidth_mhz: Option<u16>,
    /// `true` if the frame used space-time block coding.
    pub stbc: Option<bool>,
}

/// The part of a layout that tells two streams apart: what changes nothing is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LayoutKey {
    rule: SubcarrierRule,
    pub(super) secondary: Option<Secondary>,
    /// For 128 and 192 pairs: `true` if the last block is one 40 MHz block.
    pub(super) wide: Option<bool>,
    /// Pairs; for amplitudes and features, values.
    pub(super) pairs: u32,
}

impl LayoutKey {
    pub(super) fn new(layout: &Layout, pairs: usize) -> Self {
        let espressif = layout.rule == SubcarrierRule::Espressif;
        let wide = match (pairs, layout.bandwidth_mhz, layout.stbc) {
            _ if !espressif => None,
            (128 | 192, Some(40), _) => Some(true),
            (128, Some(20), _) | (192, _, Some(true)) => Some(false),
            (192, Some(20), _) => Some(false),
            _ => None,
        };
        let secondary = layout.secondary.filter(|_| espressif);
        Self { rule: layout.rule, secondary, wide, pairs: pairs as u32 }
    }

    /// Whether the first 64 pairs of `self` and `other` are the same training field, told the
    /// same way, so that they may stand in one stream.
    pub(super) fn shares_lltf(&self, other: &Self) -> bool {
        let starts_with_lltf = |key: &Self| matches!(key.pairs, 64 | 128 | 188 | 190 | 192 | 306);
        self.rule == SubcarrierRule::Espressif
            && other.rule == SubcarrierRule::Espressif
            && self.secondary == other.secondary
            && starts_with_lltf(self)
            && starts_with_lltf(other)
    }
}

/// The order of the values inside a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// From 0 up, then the negative indices.
    Fft,
    /// From the lowest index to the highest.
    Centred,
    /// As the source lists them.
    Listed,
    /// Amplitudes whose subcarriers the file does not name, in the order of storage.
    AmplitudeOnly,
    /// Pairs whose subcarriers nothing tells, in the order of storage.
    AsStored,
    /// The values are features, not subcarriers.
    Features,
}

impl Order {
    /// Returns the stable name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fft => "fft",
            Self::Centred => "centred",
            Self::Listed => "listed",
            Self::AmplitudeOnly => "amplitude-only",
            Self::AsStored => "as-stored",
            Self::Features => "features",
        }
    }
}

/// What decided the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecidedBy {
    /// The frames' metadata, or the format itself.
    Metadata,
    /// The pairs that stay zero.
    NullPattern,
    /// Nothing: FFT order is assumed.
    Assumed,
    /// Nothing, and nothing is assumed: values keep the order of storage.
    Unknown,
    /// The user.
    User,
}

impl DecidedBy {
    /// Returns the end of a sentence: "the order is fft, ...".
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Metadata => "as the format and the frames' metadata say",
            Self::NullPattern => "told from the pairs that stay zero",
            Self::Assumed => "assumed: neither metadata nor zeros tell",
            Self::Unknown => "kept as stored: the file does not say which subcarriers these are",
            Self::User => "chosen by the user",
        }
    }
}

/// The training field that a value was measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// Legacy long training field.
    Lltf,
    /// HT long training field.
    HtLtf,
    /// The second HT long training field, of a frame with space-time block coding.
    StbcHtLtf,
    /// Unknown or mixed.
    None,
}

/// What a value is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A data subcarrier.
    Data,
    /// A pilot subcarrier: useful as well.
    Pilot,
    /// A guard subcarrier: nothing is sent there.
    Null,
    /// The centre.
    Dc,
    /// Overwritten by the driver.
    Garbage,
}

/// One value's place in the spectrum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Subcarrier {
    /// The training field.
    pub field: Field,
    /// The subcarrier index, relative to the centre of the block.
    pub index: Option<i16>,
    /// What it is good for.
    pub role: Role,
}

/// Which subcarrier each pair (or amplitude) of a stream stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubcarrierMap {
    /// The order inside each block.
    pub order: Order,
    /// What decided it.
    pub decided_by: DecidedBy,
    /// One entry a pair.
    pub subcarriers: Vec<Subcarrier>,
    #[serde(skip)]
    blocks: Vec<Block>,
    #[serde(skip)]
    garbage: bool,
}

impl SubcarrierMap {
    /// Decides the map of a stream from its layout and from which pairs stay zero.
    pub(super) fn decide(key: &LayoutKey, evidence: &Evidence) -> Self {
        let pairs = key.pairs as usize;
        let (blocks, order, decided_by) = match key.rule {
            SubcarrierRule::Features => {
                (vec![unordered(pairs)], Order::Features, DecidedBy::Metadata)
            }
            SubcarrierRule::Unordered => {
                (vec![unordered(pairs)], Order::AmplitudeOnly, DecidedBy::Unknown)
            }
            SubcarrierRule::Listed(indices) => return Self::listed(indices, pairs),
            SubcarrierRule::First56 => return Self::cut_lltf(pairs, DecidedBy::Metadata),
            SubcarrierRule::Espressif if pairs == 52 && evidence.shows_cut_lltf() => {
                return Self::cut_lltf(pairs, DecidedBy::NullPattern);
            }
            SubcarrierRule::Fft => {
                let tones = match pairs {
                    64 => Tones::Legacy,
                    128 => Tones::Ht40,
                    256 => Tones::Wide242,
                    512 => Tones::Vht160,
                    _ => Tones::All,
                };
                (vec![Block::new(Field::None, pairs, tones)], Order::Fft, DecidedBy::Metadata)
            }
            SubcarrierRule::Espressif => espressif(key, evidence),
        };
        Self::from_blocks(blocks, order, decided_by, evidence.garbage)
    }

    /// The first `pairs` of the 64 of an LLTF in FFT order: the end of the negative half is missing.
    fn cut_lltf(pairs: usize, decided_by: DecidedBy) -> Self {
        let indices = (0..pairs as i16).map(|p| if p < 32 { p } else { p - 64 });
        let subcarriers = indices.map(|k| Subcarrier {
            field: Field::Lltf,
            index: Some(k),
            role: Tones::Legacy.role(k),
        });
        Self {
            order: Order::Fft,
            decided_by,
            subcarriers: subcarriers.collect(),
            blocks: Vec::new(),
            garbage: false,
        }
    }

    fn listed(indices: &[i16], pairs: usize) -> Self {
        let tones =
            if indices.iter().any(|k| k.unsigned_abs() > 32) { Tones::Ht40 } else { Tones::Ht20 };
        let subcarriers = (0..pairs).map(|p| {
            let index = indices.get(p).copied();
            let role = index.map_or(Role::Data, |k| tones.role(k));
            Subcarrier { field: Field::HtLtf, index, role }
        });
        Self {
            order: Order::Listed,
            decided_by: DecidedBy::Metadata,
            subcarriers: subcarriers.collect(),
            blocks: Vec::new(),
            garbage: false,
        }
    }

    fn from_blocks(blocks: Vec<Block>, order: Order, decided_by: DecidedBy, garbage: bool) -> Self {
        let ordered = matches!(order, Order::Fft | Order::Centred);
        let subcarriers = blocks.iter().flat_map(|block| {
            (0..block.pairs).map(move |p| {
                let index = ordered.then(|| block.index(p, order));
                let role = index.map_or(Role::Data, |k| block.tones.role(k));
                Subcarrier { field: block.field, index, role }
            })
        });
        let mut subcarriers: Vec<Subcarrier> = subcarriers.collect();
        if garbage {
            subcarriers.iter_mut().take(2).for_each(|s| s.role = Role::Garbage);
        }
        Self { order, decided_by, subcarriers, blocks, garbage }
    }

    /// Returns the same pairs in another order: what a user says when the file does not tell.
    ///
    /// Only [`Order::Fft`] and [`Order::Centred`] can be chosen, and only for maps made of
    /// Espressif's or FFT blocks; otherwise the map is returned unchanged.
    pub fn with_order(&self, order: Order) -> Self {
        let choice = matches!(order, Order::Fft | Order::Centred);
        let ordered = matches!(self.order, Order::Fft | Order::Centred);
        if !choice || !ordered || self.blocks.is_empty() {
            return self.clone();
        }
        Self::from_blocks(self.blocks.clone(), order, DecidedBy::User, self.garbage)
    }

    /// Returns the map of the first 64 pairs alone.
    pub(super) fn first_64(&self, garbage: bool) -> Self {
        let blocks = self.blocks.first().copied().into_iter().collect();
        Self::from_blocks(blocks, self.order, self.decided_by, garbage)
    }

    /// Whether the first block is a legacy training field of 64 pairs.
    pub(super) fn starts_with_lltf(&self) -> bool {
        self.blocks.first().is_some_and(|b| b.field == Field::Lltf && b.pairs == 64)
    }

    /// Returns the training fields, in the order of the blocks.
    pub fn fields(&self) -> Vec<Field> {
        let mut fields: Vec<Field> = self.subcarriers.iter().map(|s| s.field).collect();
        fields.dedup();
        fields
    }

    /// Returns the pair positions worth learning from, ascending in frequency: data and pilots
    /// of the HT-LTF where there is one, else of the LLTF, else of all.
    pub fn useful(&self) -> Vec<u16> {
        let field = [Field::HtLtf, Field::Lltf, Field::None].into_iter();
        let mut field = field.filter(|f| self.subcarriers.iter().any(|s| s.field == *f));
        field.next().map_or_else(Vec::new, |field| self.useful_of(field))
    }

    /// Returns the useful pair positions of one training field, ascending in frequency.
    pub fn useful_of(&self, field: Field) -> Vec<u16> {
        let of_field = self.subcarriers.iter().enumerate().filter(|(_, s)| s.field == field);
        let useful = of_field.filter(|(_, s)| matches!(s.role, Role::Data | Role::Pilot));
        let mut useful: Vec<(Option<i16>, u16)> =
            useful.map(|(p, s)| (s.index, p as u16)).collect();
        useful.sort_unstable();
        useful.into_iter().map(|(_, p)| p).collect()
    }
}
