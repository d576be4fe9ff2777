//! The names of the tensors.

use core::fmt;

/// What a tensor is to the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// From features to inside numbers.
    Embed,
    /// Means of the features.
    InputMean,
    /// Inverse standard deviations of the features.
    InputInvStd,
    /// Gains before attention.
    Norm,
    /// To queries.
    Query,
    /// To keys.
    Key,
    /// To values.
    Value,
    /// From what attention mixed.
    Output,
    /// Recency slopes.
    Slopes,
    /// Gains before the feed-forward.
    FeedNorm,
    /// To hidden numbers.
    FeedUp,
    /// From hidden numbers.
    FeedDown,
    /// To logits.
    Classifier,
    /// Added to the logits.
    ClassifierBias,
}

/// How a matrix lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `.weight`: `[out][in]`.
    OutIn,
    /// `.kernel`: `[in][out]`, as in the blob.
    InOut,
}

/// One tensor of a head, whichever way it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TensorId {
    /// What it is.
    pub part: Part,
    /// Of which layer, if of one.
    pub layer: Option<u16>,
}

/// Name (within its layer), part, whether each layer has one, whether it is a matrix. Matrices are named
/// without their ending.
const PARTS: [(&str, Part, bool, bool); 14] = [
    ("embed", Part::Embed, false, true),
    ("input.mean", Part::InputMean, false, false),
    ("input.inv_std", Part::InputInvStd, false, false),
    ("norm.weight", Part::Norm, true, false),
    ("q", Part::Query, true, true),
    ("k", Part::Key, true, true),
    ("v", Part::Value, true, true),
    ("o", Part::Output, true, true),
    ("slopes", Part::Slopes, true, false),
    ("ff.norm.weight", Part::FeedNorm, true, false),
    ("ff.up", Part::FeedUp, true, true),
    ("ff.down", Part::FeedDown, true, true),
    ("classifier", Part::Classifier, false, true),
    ("classifier.bias", Part::ClassifierBias, false, false),
];

impl Part {
    fn row(self) -> &'static (&'static str, Part, bool, bool) {
        PARTS.iter().find(|row| row.1 == self).expect("every part has a row")
    }

    /// Tells whether it is a matrix, which goes by two names.
    pub fn is_matrix(self) -> bool {
        self.row().3
    }
}

impl TensorId {
    /// A tensor of the head as a whole.
    pub const fn of_head(part: Part) -> Self {
        Self { part, layer: None }
    }

    /// A tensor of a layer.
    pub const fn of_layer(part: Part, layer: u16) -> Self {
        Self { part, layer: Some(layer) }
    }

    /// Reads a name. Vectors lie as they lie: [`Order::InOut`].
    pub fn parse(name: &str) -> Option<(Self, Order)> {
        let (layer, rest) = match name.strip_prefix("layers.") {
            Some(of_layer) => {
                let (digits, rest) = of_layer.split_once('.')?;
                let layer: u16 = digits.parse().ok()?;
                // One name a tensor: no sign, no leading zero. A blob counts to 65535 layers.
                if layer == u16::MAX || layer.to_string() != digits {
                    return None;
                }
                (Some(layer), rest)
            }
            None => (None, name),
        };
        let find = |stem: &str, matrix: bool| {
            let found = PARTS.iter().find(|&&(name, _, of_layer, is_matrix)| {
                name == stem && of_layer == layer.is_some() && is_matrix == matrix
            })?;
            Some(Self { part: found.1, layer })
        };
        if let Some(id) = find(rest, false) {
            return Some((id, Order::InOut));
        }
        let endings = [(".weight", Order::OutIn), (".kernel", Order::InOut)];
        endings
            .into_iter()
            .find_map(|(ending, order)| Some((find(rest.strip_suffix(ending)?, true)?, order)))
    }
}

impl fmt::Display for TensorId {
    /// Writes the name that is exported.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(layer) = self.layer {
            write!(f, "layers.{layer}.")?;
        }
        let (name, _, _, is_matrix) = self.part.row();
        write!(f, "{name}{}", if *is_matrix { ".weight" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_and_matrices_have_two() {
        for (_, part, of_layer, is_matrix) in PARTS {
            let id = TensorId { part, layer: of_layer.then_some(11) };
            let name = id.to_string();
            let order = if is_matrix { Order::OutIn } else { Order::InOut };
            assert_eq!(TensorId::parse(&name), Some((id, order)), "{name}");
            let kernel = name.replace(".weight", ".kernel");
            let expected = is_matrix.then_some((id, Order::InOut));
            assert_eq!(TensorId::parse(&kernel).filter(|_| kernel != name), expected, "{kernel}");
        }
    }

    #[test]
    fn other_names_are_not_guessed() {
        let names = [
            "",
            "embed",
            "q.weight",
            "layers.0.embed.weight",
            "layers.00.q.weight",
            "layers.+1.q.weight",
            "layers.65535.q.weight",
            "layers.70000.q.weight",
            "layers.0.Q.weight",
            "layers.0",
            "layers..q.weight",
            "classifier.bias.weight",
            "layers.0.slopes.weight",
            "input.mean.kernel",
        ];
        for name in names {
            assert_eq!(TensorId::parse(name), None, "{name}");
        }
    }
}
