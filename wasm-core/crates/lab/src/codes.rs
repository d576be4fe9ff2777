//! Every code of every error that can reach a user: one table for the page's advice.
//!
//! A code is written once where its error is defined, and once here. The test below reads the
//! sources and fails when one is missing on either side.

/// For a value that a caller outside handed over in a shape nobody promised.
pub const BAD_ARGUMENT: &str = "lab/bad-argument";

/// All codes, sorted.
pub const ALL: &[&str] = &[
    "figure/backend",
    "figure/lengths",
    "figure/range",
    "figure/too-small",
    "lab/bad-argument",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    fn sources(folder: &Path, into: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("a source folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                sources(&entry, into);
            } else if entry.file_name() != Some("codes.rs".as_ref()) && entry.extension() == Some("rs".as_ref()) {
                into.push(std::fs::read_to_string(&entry).expect("UTF-8 source"));
            }
        }
    }

    /// The literals `"area/word"` that follow `=>` or open the body of `fn code`.
    fn codes_in(source: &str) -> impl Iterator<Item = String> {
        let literals = source.split('"').skip(1).step_by(2);
        literals.filter(|text| {
            let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            text.split_once('/').is_some_and(|(area, rest)| word(area) && word(rest))
        }).map(str::to_string)
    }

    #[test]
    fn the_table_has_exactly_the_codes_of_the_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut texts = Vec::new();
        sources(&root.join("src"), &mut texts);
        sources(&root.join("../temporal/src"), &mut texts);
        let mut found: BTreeSet<String> = texts.iter().flat_map(|text| codes_in(text)).collect();
        found.insert(super::BAD_ARGUMENT.to_string());
        let table: BTreeSet<String> = super::ALL.iter().map(ToString::to_string).collect();
        let missing: Vec<_> = found.difference(&table).collect();
        let stale: Vec<_> = table.difference(&found).collect();
        assert!(missing.is_empty() && stale.is_empty(), "missing: {missing:?}, no longer used: {stale:?}");
        assert!(super::ALL.windows(2).all(|pair| pair[0] < pair[1]), "sorted, each once");
    }
}
