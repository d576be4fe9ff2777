//! Colour maps of rasters: 256 colours from few anchor points.
//!
//! *cividis* for amplitude, *magma* for weights, *twilight* (cyclic) for phase, *vik*
//! (diverging) for differences. The anchors are equally spaced samples of the published maps
//! (cividis: Nuñez, Anderton and Renslow 2018; magma: Smith and van der Walt; twilight:
//! Bechtold; vik: Crameri 2018); between them colours are interpolated linearly in sRGB, which
//! stays within a few steps of the originals. Here the middle of *vik* is the panel's colour, so
//! that zero looks like nothing; on a dark panel its arms run the other way, towards light.

use crate::figure::palette::PANEL;

/// A red, green, blue colour in sRGB.
pub type Rgb = [u8; 3];

/// The name of a colour map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColourMap {
    /// Dark blue to yellow, even in lightness and for colour-blind readers.
    #[default]
    Cividis,
    /// Cyclic: both ends are the same colour.
    Twilight,
    /// Blue for negative, the panel's colour for zero, orange for positive.
    Vik,
    /// Black over purple to pale yellow.
    Magma,
}

const CIVIDIS: &[Rgb] = &[
    [0, 34, 78],
    [18, 53, 112],
    [59, 73, 108],
    [87, 93, 109],
    [112, 113, 115],
    [138, 134, 120],
    [165, 156, 116],
    [195, 179, 105],
    [225, 204, 85],
    [254, 232, 56],
];
const MAGMA: &[Rgb] = &[
    [0, 0, 4],
    [24, 15, 61],
    [68, 15, 118],
    [114, 31, 129],
    [158, 47, 127],
    [205, 64, 113],
    [241, 96, 93],
    [253, 150, 104],
    [254, 202, 141],
    [252, 253, 191],
];
const TWILIGHT: &[Rgb] = &[
    [226, 217, 226],
    [158, 187, 201],
    [103, 133, 190],
    [94, 67, 165],
    [66, 18, 87],
    [71, 19, 64],
    [142, 44, 80],
    [186, 102, 87],
    [206, 172, 148],
    [226, 217, 226],
];
/// The arms of vik from the middle outwards, without the middle.
const VIK_BLUE: [Rgb; 5] =
    [[201, 221, 231], [113, 168, 196], [30, 111, 157], [3, 62, 125], [0, 18, 97]];
const VIK_ORANGE: [Rgb; 5] =
    [[234, 206, 189], [211, 151, 116], [190, 101, 51], [139, 39, 6], [89, 0, 8]];

impl ColourMap {
    /// Returns its lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cividis => "cividis",
            Self::Twilight => "twilight",
            Self::Vik => "vik",
            Self::Magma => "magma",
        }
    }

    /// Finds a map by its lower-case name.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Cividis, Self::Twilight, Self::Vik, Self::Magma]
            .into_iter()
            .find(|map| map.name() == name)
    }

    /// Returns the 256 colours; `dark` matters for [`ColourMap::Vik`] alone.
    pub fn table(self, dark: bool) -> [Rgb; 256] {
        match self {
            Self::Cividis => interpolate(CIVIDIS),
            Self::Magma => interpolate(MAGMA),
            Self::Twilight => interpolate(TWILIGHT),
            Self::Vik => vik(dark),
        }
    }
}

/// Entry 0 is most negative, 255 most positive; 127 and 128 lie on both sides of the middle.
fn vik(dark: bool) -> [Rgb; 256] {
    // On a dark panel the darkest colour of each arm would vanish: it is left out, and the
    // order is turned round so that larger differences are lighter.
    let order: &[usize] = if dark { &[0, 1, 2, 3] } else { &[4, 3, 2, 1, 0] };
    let mut anchors: Vec<Rgb> = order.iter().map(|i| VIK_BLUE[*i]).collect();
    anchors.push(PANEL.rgb(dark));
    anchors.extend(order.iter().rev().map(|i| VIK_ORANGE[*i]));
    interpolate(&anchors)
}

fn interpolate(anchors: &[Rgb]) -> [Rgb; 256] {
    let last = anchors.len() - 1;
    core::array::from_fn(|i| {
        let place = i as f32 * last as f32 / 255.0;
        let low = (place as usize).min(last - 1);
        let part = place - low as f32;
        core::array::from_fn(|c| {
            let (a, b) = (f32::from(anchors[low][c]), f32::from(anchors[low + 1][c]));
            (a + (b - a) * part + 0.5) as u8
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of an sRGB colour, 0 to 1 (WCAG 2).
    fn luminance(colour: Rgb) -> f64 {
        let linear = colour.map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    #[test]
    fn cividis_and_magma_only_get_lighter() {
        for map in [ColourMap::Cividis, ColourMap::Magma] {
            let table = map.table(false);
            for pair in table.windows(2) {
                assert!(luminance(pair[1]) >= luminance(pair[0]) - 2e-3, "{map:?} {pair:?}");
            }
            assert!(luminance(table[255]) > luminance(table[0]) + 0.7);
        }
    }

    #[test]
    fn ends_are_the_published_ones() {
        let ends = |map: ColourMap| {
            let t = map.table(false);
            (t[0], t[255])
        };
        assert_eq!(ends(ColourMap::Cividis), ([0, 34, 78], [254, 232, 56]));
        assert_eq!(ends(ColourMap::Magma), ([0, 0, 4], [252, 253, 191]));
        assert_eq!(ends(ColourMap::Vik), ([0, 18, 97], [89, 0, 8]));
        let (first, last) = ends(ColourMap::Twilight);
        assert_eq!(first, last, "a cyclic map closes");
    }

    /// Twilight's two halves mirror each other in lightness, and its middle is the darkest.
    #[test]
    fn twilight_is_darkest_half_way_round() {
        let table = ColourMap::Twilight.table(false);
        let darkest = (0..256).min_by(|a, b| luminance(table[*a]).total_cmp(&luminance(table[*b])));
        assert!((100..156).contains(&darkest.unwrap_or(0)), "{darkest:?}");
    }

    #[test]
    fn zero_of_vik_is_the_panel_and_both_arms_leave_it_alike() {
        for dark in [false, true] {
            let (table, panel) = (ColourMap::Vik.table(dark), PANEL.rgb(dark));
            for middle in [table[127], table[128]] {
                for c in 0..3 {
                    assert!(middle[c].abs_diff(panel[c]) <= 4, "dark {dark}: {middle:?} {panel:?}");
                }
            }
            let away = |c: Rgb| (luminance(c) - luminance(panel)).abs();
            for i in 0..127 {
                assert!(
                    away(table[i]) >= away(table[i + 1]) - 2e-3,
                    "dark {dark}, blue arm at {i}"
                );
                let j = 255 - i;
                assert!(
                    away(table[j]) >= away(table[j - 1]) - 2e-3,
                    "dark {dark}, orange arm at {j}"
                );
                let (blue, orange) = (luminance(table[i]), luminance(table[j]));
                assert!((blue - orange).abs() < 0.13, "dark {dark}, {i}: {blue} {orange}");
            }
            assert!(table[20][2] > table[20][0] && table[235][0] > table[235][2]);
        }
    }
}
