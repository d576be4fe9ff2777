//! The pages in `docs/` list the very codes that the program gives.

use std::collections::BTreeSet;

/// Every `prefix/name` between these marks.
fn codes(text: &str, prefix: &str, mark: char) -> BTreeSet<String> {
    text.split(mark)
        .filter(|piece| piece.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/')))
        .map(String::from)
        .collect()
}

#[test]
fn every_refusal_is_described_and_every_description_is_a_refusal() {
    let source = include_str!("../src/rvne/error.rs");
    let page = include_str!("../../../../docs/rvne.md");
    let known = codes(source, "rvne", '"');
    assert_eq!(known.len(), 31);
    assert_eq!(codes(page, "rvne", '`'), known);

    let source = include_str!("../src/packet/error.rs");
    let page = include_str!("../../../../docs/packets.md");
    let known = codes(source, "packet", '"');
    assert_eq!(known.len(), 7);
    assert_eq!(codes(page, "packet", '`'), known);
}

/// The program in `fixtures/models/README.md` is the one that made the files: its table's CRCs are
/// theirs.
#[test]
fn the_readme_lists_the_models_as_they_are() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../fixtures/models");
    let readme = std::fs::read_to_string(format!("{folder}/README.md")).unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rvne") {
            let bytes = std::fs::read(&path).unwrap();
            let crc = u32::from_le_bytes(*bytes.last_chunk().unwrap());
            let name = path.file_name().unwrap().to_str().unwrap();
            let row = format!("| `{name}` | {} | `{crc:08x}` |", bytes.len());
            assert!(readme.contains(&row), "{row}");
            files += 1;
        }
    }
    assert_eq!(files, readme.lines().filter(|line| line.contains(".rvne` |")).count());
}
