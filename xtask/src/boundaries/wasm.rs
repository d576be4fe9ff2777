//! Check of the page's binary: what it imports.

use std::fs;

use crate::project::Project;
use crate::sys::Result;
use crate::wasm;

pub fn foreign_imports(project: &Project) -> Result<Vec<String>> {
    let module = wasm::page(project)?.module;
    let bytes = fs::read(&module)
        .map_err(|error| format!("{}: {error}; run `cargo xtask wasm`", module.display()))?;
    judge_imports(&bytes)
}

/// Returns the imports from a module called "env".
fn judge_imports(module: &[u8]) -> Result<Vec<String>> {
    let imports = imported_names(module).ok_or("the page's binary is no readable wasm module")?;
    let foreign = imports.iter().filter(|(from, _)| from == "env");
    Ok(foreign.map(|(from, name)| format!("import \"{from}\" \"{name}\"")).collect())
}

/// Reads module and name of every import. Source: WebAssembly core specification 2.0, section 5.5.
fn imported_names(module: &[u8]) -> Option<Vec<(String, String)>> {
    let mut reader = Reader(module.strip_prefix(b"\0asm\x01\0\0\0")?);
    while !reader.0.is_empty() {
        let id = reader.byte()?;
        let length = reader.number()?;
        let section = reader.take(length)?;
        if id != 2 {
            continue;
        }
        let mut section = Reader(section);
        let mut imports = Vec::new();
        for _ in 0..section.number()? {
            imports.push((section.name()?, section.name()?));
            section.skip_type()?;
        }
        return Some(imports);
    }
    Some(Vec::new())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// An unsigned LEB128 number of at most 32 bits.
    fn number(&mut self) -> Option<usize> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(value).ok();
            }
        }
        None
    }

    fn name(&mut self) -> Option<String> {
        let length = self.number()?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }

    fn limits(&mut self) -> Option<()> {
        let has_maximum = self.byte()? & 1 == 1;
        self.number()?;
        if has_maximum { self.number().map(|_| ()) } else { Some(()) }
    }

    /// What an import is: a function, table, memory, global or tag.
    fn skip_type(&mut self) -> Option<()> {
        match self.byte()? {
            0 => self.number().map(|_| ()),
            1 => self.byte().and_then(|_| self.limits()),
            2 => self.limits(),
            3 => self.take(2).map(|_| ()),
            4 => self.byte().and_then(|_| self.number()).map(|_| ()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with one custom section and the imports of a memory and a function.
    fn module(from: &str) -> Vec<u8> {
        let mut imports = vec![2];
        for tail in [&b"\x03mem\x02\x01\x01\x02"[..], b"\x01f\x00\x81\x01"] {
            imports.push(u8::try_from(from.len()).unwrap());
            imports.extend(from.as_bytes());
            imports.extend(tail);
        }
        let mut module = b"\0asm\x01\0\0\0\x00\x02\x01x\x02".to_vec();
        module.push(u8::try_from(imports.len()).unwrap());
        module.extend(imports);
        module
    }

    #[test]
    fn an_import_from_env_is_seen() {
        assert_eq!(judge_imports(&module("./a.js")), Ok(vec![]));
        let found = judge_imports(&module("env")).unwrap();
        assert_eq!(found, ["import \"env\" \"mem\"", "import \"env\" \"f\""]);
    }

    #[test]
    fn a_broken_module_is_refused() {
        let whole = module("env");
        assert!(judge_imports(b"").is_err());
        assert!(judge_imports(&whole[..whole.len() - 1]).is_err());
        assert!(judge_imports(b"\0asm\x01\0\0\0\x02\xff\xff\xff\xff\xff\x01").is_err());
    }
}
