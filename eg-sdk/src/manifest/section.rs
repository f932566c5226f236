//! Finds the manifest's link section in a program. It reads only the necessary parts of the file; parsing the section
//! is left to `record`.

use std::fs::File;
use std::path::Path;

use object::{Object as _, ObjectSection as _, ReadCache};

use super::ManifestError;

/// The section in ELF files, and the one in the `__DATA` segment of Mach-O files.
const NAMES: [&str; 2] = [".eg_manifest", "__eg_manifest"];

/// Returns the bytes of the section; `None` if the program has none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, ManifestError> {
    let unreadable = |source| ManifestError::Unreadable { path: path.to_owned(), source };
    let not_a_program = |source| ManifestError::NotAProgram { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(unreadable(std::io::ErrorKind::IsADirectory.into()));
    }
    let cache = ReadCache::new(file);
    let program = object::File::parse(&cache).map_err(not_a_program)?;
    match NAMES.iter().find_map(|name| program.section_by_name(name)) {
        Some(section) => section.data().map(|data| Some(data.to_vec())).map_err(not_a_program),
        None => Ok(None),
    }
}
