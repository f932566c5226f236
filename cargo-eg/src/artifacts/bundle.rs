//! Writes the zip file of a service: its program as `bootstrap`, which Lambda starts. The same program gives the same bytes,
//! at any time and whatever rights its file has.

use std::io::{Cursor, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The name of the program that `provided.al2023` starts.
const BOOTSTRAP: &str = "bootstrap";

/// A zip file.
#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) bytes: Vec<u8>,
    hash: [u8; 32],
}

impl Bundle {
    /// Packs a program.
    pub(super) fn of(program: &[u8]) -> zip::result::ZipResult<Self> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            // The oldest time that the format has.
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(0o755);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(BOOTSTRAP, options)?;
        zip.write_all(program)?;
        let bytes = zip.finish()?.into_inner();
        let hash = Sha256::digest(&bytes).into();
        Ok(Self { bytes, hash })
    }

    /// Returns its SHA-256 in hexadecimal digits.
    pub(super) fn sha256(&self) -> String {
        self.hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns its SHA-256 in base64, as Lambda names it `CodeSha256`.
    pub(super) fn code_sha256(&self) -> String {
        STANDARD.encode(self.hash)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn lambda_finds_a_program_that_it_may_start() {
        let program = b"\x7fELF".repeat(1000);
        let bundle = Bundle::of(&program).unwrap();
        assert!(bundle.bytes.len() < program.len() / 4);
        let mut zip = zip::ZipArchive::new(Cursor::new(&bundle.bytes)).unwrap();
        assert_eq!(zip.len(), 1);
        let mut file = zip.by_name("bootstrap").unwrap();
        assert_eq!(file.unix_mode().unwrap() & 0o777, 0o755);
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        assert!(content == program);
    }

    #[test]
    fn hashes_have_the_forms_of_lambda_and_of_programs() {
        let bundle = Bundle::of(b"x").unwrap();
        let hex = bundle.sha256();
        assert_eq!(hex.len(), 64);
        let decoded = STANDARD.decode(bundle.code_sha256()).unwrap();
        assert_eq!(decoded.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), hex);
    }
}
