//! The header and the sources say the same: every function, every struct, every error number.

use crate::error;
use std::collections::BTreeMap;

const HEADER: &str = include_str!("../../idf-component/include/ruv_temporal.h");
const PORT: &str = include_str!("../../idf-component/include/ruv_port.h");
const ERRORS: &str = include_str!("../../idf-component/test/idf/esp_err.h");
const SOURCES: [&str; 2] = [include_str!("ffi/mod.rs"), include_str!("context.rs")];
const CALLED: [&str; 2] = [include_str!("ffi/regions.rs"), include_str!("ffi/panic.rs")];

/// C types, and what they are called in Rust.
const TYPES: [(&str, &str); 18] = [
    ("esp_err_t", "EspErr"),
    ("void", "()"),
    ("RUV_NORETURN void", "!"),
    ("size_t", "usize"),
    ("size_t *", "*mut usize"),
    ("uint8_t", "u8"),
    ("uint8_t *", "*mut u8"),
    ("const uint8_t *", "*const u8"),
    ("uint32_t", "u32"),
    ("uint64_t", "u64"),
    ("int64_t", "i64"),
    ("float", "f32"),
    ("float *", "*mut f32"),
    ("const float *", "*const f32"),
    ("ruv_temporal_ctx_t *", "*mut Context"),
    ("ruv_temporal_ctx_t **", "*mut *mut Context"),
    ("ruv_temporal_info_t *", "*mut Info"),
    ("ruv_temporal_stats_t *", "*mut Stats"),
];

/// Parameters by name and Rust type, then the result.
type Signature = (Vec<(String, String)>, String);

fn in_rust(c_type: &str) -> String {
    let found = TYPES.iter().find(|(c, _)| *c == c_type);
    found.unwrap_or_else(|| panic!("`{c_type}` has no line in the table")).1.to_string()
}

/// Splits `const uint8_t *weights` into its type, in Rust's words, and its name.
fn declaration(text: &str) -> (String, String) {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let start = text.rfind([' ', '*']).expect("a type and a name") + 1;
    (text[start..].to_string(), in_rust(text[..start].trim()))
}

fn without_comments(source: &str) -> String {
    let mut kept = String::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("/*") {
        kept.push_str(before);
        rest = after.split_once("*/").expect("comments end").1;
    }
    let text = (kept + rest).replace("\\\n", " ");
    text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// The prototypes of a header.
fn prototypes(header: &str) -> BTreeMap<String, Signature> {
    let text = without_comments(header);
    let prototypes = text.split(';').filter_map(|statement| {
        let (head, parameters) = statement.split_once('(')?;
        let head = head.rsplit(['}', '{', '"']).next().unwrap_or(head);
        if head.to_lowercase().contains("static_assert") {
            return None;
        }
        let parameters = parameters.trim_end().strip_suffix(')')?;
        let (name, result) = declaration(head);
        let parameters = parameters.split(',').filter(|text| text.trim() != "void");
        Some((name, (parameters.map(declaration).collect(), result)))
    });
    prototypes.collect()
}

/// The functions of Rust sources that come after `marker`.
fn functions(sources: &[&str], marker: &str) -> BTreeMap<String, Signature> {
    let mut found = BTreeMap::new();
    for source in sources {
        for text in source.split(marker).skip(1) {
            let Some((name, rest)) = text.split_once('(') else { continue };
            let (parameters, rest) = rest.split_once(')').expect("parameters end");
            let result = rest.split(['{', ';']).next().unwrap_or_default();
            let result = result.trim().strip_prefix("-> ").map_or("()", str::trim);
            let parameters = parameters.split(',').map(str::trim).filter(|text| !text.is_empty());
            let parameters = parameters.map(|text| {
                let (name, kind) = text.split_once(':').expect("a name and a type");
                (name.trim().to_string(), kind.trim().to_string())
            });
            found.insert(name.to_string(), (parameters.collect(), result.to_string()));
        }
    }
    found
}

#[test]
fn every_function_of_the_header_is_exported_with_its_signature_and_no_other() {
    let exported = functions(&SOURCES, "extern \"C\" fn ");
    assert_eq!(prototypes(HEADER), exported);
    assert!(exported.len() >= 15, "{}", exported.len());
    for source in SOURCES {
        let marked = source.matches("#[unsafe(no_mangle)]").count();
        assert_eq!(marked, source.matches("extern \"C\" fn ").count());
    }
}

#[test]
fn every_function_that_the_library_calls_is_the_port_header_s() {
    assert_eq!(prototypes(PORT), functions(&CALLED, "    fn "));
}

/// The fields of a C struct, by name and Rust type.
fn c_fields(name: &str) -> Vec<(String, String)> {
    let text = without_comments(HEADER);
    let (before, _) = text.split_once(&format!("}} {name};")).expect("the struct");
    let body = before.rsplit('{').next().expect("its fields");
    body.split(';').filter(|text| !text.trim().is_empty()).map(declaration).collect()
}

fn rust_fields(name: &str) -> Vec<(String, String)> {
    let opening = format!("#[repr(C)]\npub struct {name} {{");
    let source = SOURCES.iter().find(|source| source.contains(&opening)).expect("the struct");
    let body = source.split_once(&opening).expect("the struct").1.split('}').next();
    let lines = body.expect("its fields").lines().map(str::trim);
    let fields = lines.filter_map(|line| line.strip_prefix("pub ")?.split_once(": "));
    fields
        .flat_map(|(field, kind)| match kind.trim_end_matches(',') {
            "Counts" => rust_fields("Counts"),
            kind => vec![(field.to_string(), kind.to_string())],
        })
        .collect()
}

#[test]
fn every_struct_has_the_header_s_fields_in_their_order() {
    assert_eq!(c_fields("ruv_temporal_info_t"), rust_fields("Info"));
    assert_eq!(c_fields("ruv_temporal_stats_t"), rust_fields("Stats"));
    assert_eq!(c_fields("ruv_temporal_info_t").len(), 6);
    assert_eq!(c_fields("ruv_temporal_stats_t").len(), 11);
}

/// The values are those of ESP-IDF's `esp_err.h`, which the stand-in repeats for the C side.
#[test]
fn error_numbers_are_those_of_esp_idf() {
    let numbers = [
        ("ESP_OK", error::OK),
        ("ESP_FAIL", error::FAIL),
        ("ESP_ERR_NO_MEM", error::NO_MEM),
        ("ESP_ERR_INVALID_ARG", error::INVALID_ARG),
        ("ESP_ERR_INVALID_STATE", error::INVALID_STATE),
        ("ESP_ERR_INVALID_SIZE", error::INVALID_SIZE),
        ("ESP_ERR_NOT_SUPPORTED", error::NOT_SUPPORTED),
        ("ESP_ERR_INVALID_CRC", error::INVALID_CRC),
        ("ESP_ERR_INVALID_VERSION", error::INVALID_VERSION),
    ];
    let values = [0, -1, 0x101, 0x102, 0x103, 0x104, 0x106, 0x109, 0x10A];
    for ((name, number), value) in numbers.into_iter().zip(values) {
        assert_eq!(number, value, "{name}");
        let line = ERRORS.lines().find(|line| line.starts_with(&format!("#define {name} ")));
        let text = line.expect(name).rsplit(' ').next().expect("a value");
        let stated = match text.strip_prefix("0x") {
            Some(digits) => i32::from_str_radix(digits, 16).expect("hexadecimal"),
            None => text.parse().expect("a number"),
        };
        assert_eq!(stated, number, "{name}");
        let told = HEADER.lines().find(|line| line.starts_with(&format!(" *   {name} ")));
        let told = told.unwrap_or_else(|| panic!("the header tells of {name}"));
        let shown = if number < 0 { " -1 ".to_string() } else { format!("0x{number:03X}") };
        assert!(told.contains(&shown) || told.ends_with(shown.trim_end()), "{told}");
    }
}
