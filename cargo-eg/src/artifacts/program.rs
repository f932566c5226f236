//! Checks that a program runs on Lambda, from its file alone: format, processor, C library, size. Building it is left to
//! `project`.

use object::elf::{EM_AARCH64, EM_X86_64, FileHeader64};
use object::read::elf::FileHeader as _;
use object::{Endianness, read};

use crate::project::toolchain::{GLIBC, Machine};

/// Lambda's limit for an unpacked function, in bytes.
const LIMIT: usize = 250 * 1024 * 1024;

/// Why a program does not run on Lambda.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("is no program for Linux, which Lambda runs")]
    Format,
    #[error("is built for another processor than {0}")]
    Machine(&'static str),
    #[error("requires glibc {0}.{1}, and Lambda has {major}.{minor}", major = GLIBC.0, minor = GLIBC.1)]
    Glibc(u32, u32),
    #[error("has {0} bytes, and Lambda takes at most {LIMIT}")]
    Size(usize),
}

impl Unfit {
    /// Returns what the user can do.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Format | Self::Machine(_) => {
                "look at `linker` and `rustflags` in .cargo/config.toml: the build asks cargo for Lambda's processor"
            }
            Self::Glibc(..) => {
                "`pip install cargo-zigbuild`, and build again: it links against Lambda's version"
            }
            Self::Size(_) => {
                "set `strip = true` in [profile.release], and keep large data out of the program"
            }
        }
    }
}

/// Checks the content of a program's file.
pub(super) fn check(program: &[u8], machine: Machine) -> Result<(), Unfit> {
    let header = FileHeader64::<Endianness>::parse(program).map_err(|_| Unfit::Format)?;
    let endian = header.endian().map_err(|_| Unfit::Format)?;
    let expected = match machine {
        Machine::Arm64 => EM_AARCH64,
        Machine::X86_64 => EM_X86_64,
    };
    if header.e_machine(endian) != expected {
        return Err(Unfit::Machine(machine.name()));
    }
    if program.len() > LIMIT {
        return Err(Unfit::Size(program.len()));
    }
    let required = glibc(header, endian, program).map_err(|_| Unfit::Format)?;
    if let Some((major, minor)) = required.filter(|required| *required > GLIBC) {
        return Err(Unfit::Glibc(major, minor));
    }
    Ok(())
}

/// Returns the newest version of glibc that the program requires; `None` if it is linked statically.
fn glibc(
    header: &FileHeader64<Endianness>,
    endian: Endianness,
    program: &[u8],
) -> read::Result<Option<(u32, u32)>> {
    let sections = header.sections(endian, program)?;
    let Some((mut libraries, link)) = sections.gnu_verneed(endian, program)? else { return Ok(None) };
    let names = sections.strings(endian, program, link)?;
    let mut newest = None;
    while let Some((_, mut versions)) = libraries.next()? {
        while let Some(version) = versions.next()? {
            newest = newest.max(number(version.name(endian, names)?));
        }
    }
    Ok(newest)
}

/// Reads the number of `GLIBC_2.34` and `GLIBC_2.2.5`. Other libraries have other names.
fn number(version: &[u8]) -> Option<(u32, u32)> {
    let mut numbers = std::str::from_utf8(version).ok()?.strip_prefix("GLIBC_")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_glibc() {
        assert_eq!(number(b"GLIBC_2.34"), Some((2, 34)));
        assert_eq!(number(b"GLIBC_2.2.5"), Some((2, 2)));
        for other in [&b"GCC_3.0"[..], b"GLIBC_PRIVATE", b"GLIBC_ABI_DT_RELR", b"\xff"] {
            assert_eq!(number(other), None);
        }
    }

    #[test]
    fn this_test_is_a_program_for_this_machine_alone() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let [own, other] = match std::env::consts::ARCH {
            "aarch64" => [Machine::Arm64, Machine::X86_64],
            _ => [Machine::X86_64, Machine::Arm64],
        };
        let header = FileHeader64::<Endianness>::parse(&*program).unwrap();
        let required = glibc(header, header.endian().unwrap(), &program).unwrap().unwrap();
        assert!(required >= (2, 17), "{required:?}");
        let expected = if required > GLIBC { Err(Unfit::Glibc(required.0, required.1)) } else { Ok(()) };
        assert_eq!(check(&program, own), expected);
        assert_eq!(check(&program, other), Err(Unfit::Machine(other.name())));
        assert_eq!(check(&program[..100], own), Err(Unfit::Format));
        assert_eq!(check(b"#!/bin/sh\n", own), Err(Unfit::Format));
        let mut large = program;
        large.resize(LIMIT + 1, 0);
        assert_eq!(check(&large, own), Err(Unfit::Size(LIMIT + 1)));
    }
}
