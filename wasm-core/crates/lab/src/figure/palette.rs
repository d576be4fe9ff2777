//! The colours of the lab, light and dark: one table, the same values as the page's style sheet.

use plotters::style::RGBAColor;

use crate::colour::Rgb;

/// One named colour in both themes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The name that the page uses, such as `sparse`.
    pub name: &'static str,
    /// On a light panel.
    pub light: Rgb,
    /// On a dark panel.
    pub dark: Rgb,
}

impl Token {
    const fn new(name: &'static str, light: u32, dark: u32) -> Self {
        Self { name, light: split(light), dark: split(dark) }
    }

    /// The colour for one theme.
    pub const fn rgb(self, dark: bool) -> Rgb {
        if dark { self.dark } else { self.light }
    }

    /// The colour for plotters, with an opacity in `[0, 1]`.
    pub(crate) fn with_alpha(self, dark: bool, alpha: f64) -> RGBAColor {
        let [r, g, b] = self.rgb(dark);
        RGBAColor(r, g, b, alpha)
    }
}

const fn split(colour: u32) -> Rgb {
    [(colour >> 16) as u8, (colour >> 8) as u8, colour as u8]
}

/// What plots stand on.
pub const PANEL: Token = Token::new("panel", 0xFF_FF_FF, 0x19_1F_26);
/// Frames and grids.
pub const HAIRLINE: Token = Token::new("hairline", 0xD5_DA_E1, 0x2D_37_42);
/// Titles and values.
pub const TEXT: Token = Token::new("text", 0x1B_22_2B, 0xE6_EA_EF);
/// Axis labels and tick labels.
pub const SECONDARY: Token = Token::new("secondary", 0x56_61_70, 0x9C_A8_B5);
/// What can be pressed, and the focus ring.
pub const ACCENT: Token = Token::new("accent", 0x0B_5C_AD, 0x6C_B2_F2);
/// Sparse attention, everywhere.
pub const SPARSE: Token = Token::new("sparse", 0x0B_6F_B4, 0x4D_A9_E8);
/// Dense attention, everywhere.
pub const DENSE: Token = Token::new("dense", 0xC2_4E_00, 0xF0_8A_4B);

/// Every colour, in the order in which the page lists them.
pub const TOKENS: &[Token] = &[
    Token::new("bg", 0xF6_F7_F9, 0x12_16_1B),
    PANEL,
    HAIRLINE,
    TEXT,
    SECONDARY,
    ACCENT,
    SPARSE,
    DENSE,
    Token::new("ok", 0x1A_7A_48, 0x58_C4_8A),
    Token::new("warning", 0x8F_53_00, 0xE5_A8_3F),
    Token::new("error", 0xB3_26_1E, 0xFF_8A_80),
    Token::new("control", 0x7C_87_96, 0x6C_78_86),
    Token::new("series1", 0x0B_5C_AD, 0x6C_B2_F2),
    Token::new("series2", 0x8F_53_00, 0xE5_A8_3F),
    Token::new("series3", 0x1A_7A_48, 0x58_C4_8A),
    Token::new("series4", 0x8E_2C_7B, 0xD9_8A_CB),
    Token::new("series5", 0x00_74_7A, 0x4F_C3_C7),
    Token::new("series6", 0x6B_5B_00, 0xC9_BC_5A),
];

/// Finds a colour by its name.
pub fn token(name: &str) -> Option<Token> {
    TOKENS.iter().copied().find(|token| token.name == name)
}
