//! Computes the checksums ("seals") that are stored with events, edited payloads and resources. The backends check them
//! when a row is read, and decide what happens to a row whose seal does not fit.

use crc32fast::Hasher;

use crate::timestamp::Timestamp;

/// Why a delivery ends whose event or edited payload does not fit its seal.
pub(in crate::store) const DAMAGED: &str =
    "payload damaged on disk: it does not match its checksum, so it is not delivered";

/// A CRC-32, which detects each error of up to 32 neighbouring bits. In the database it is a signed number, because
/// that takes four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Seal(u32);

impl Seal {
    /// Returns the seal that a database has stored.
    pub(in crate::store) fn stored(number: i32) -> Self {
        Self(number.cast_unsigned())
    }

    /// Returns the number to store.
    pub(in crate::store) fn number(self) -> i32 {
        self.0.cast_signed()
    }
}

/// Bytes that are hashed at once. Many short pieces would take several times as long.
const PIECE: usize = 256;

/// Computes the seal of several values.
#[derive(Debug)]
pub(in crate::store) struct Sealer {
    hasher: Hasher,
    /// The bytes that are not hashed yet, and how many they are.
    piece: [u8; PIECE],
    filled: usize,
}

impl Default for Sealer {
    fn default() -> Self {
        Self { hasher: Hasher::default(), piece: [0; PIECE], filled: 0 }
    }
}

impl Sealer {
    pub(in crate::store) fn text(mut self, text: &str) -> Self {
        self.add(b't', text.as_bytes());
        self
    }

    pub(in crate::store) fn optional(mut self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.add(b't', text.as_bytes()),
            None => self.add(b'n', &[]),
        }
        self
    }

    pub(in crate::store) fn time(mut self, time: Timestamp) -> Self {
        self.add(b'i', &time.as_millis().to_le_bytes());
        self
    }

    pub(in crate::store) fn blob(mut self, bytes: &[u8]) -> Self {
        self.add(b'b', bytes);
        self
    }

    pub(in crate::store) fn seal(mut self) -> Seal {
        self.flush();
        Seal(self.hasher.finalize())
    }

    /// Adds a value with its type and length, so that no two lists of values look the same.
    pub(in crate::store) fn add(&mut self, kind: u8, bytes: &[u8]) {
        let mut head = [kind; 9];
        head[1..].copy_from_slice(&bytes.len().to_le_bytes());
        self.push(&head);
        self.push(bytes);
    }

    fn push(&mut self, bytes: &[u8]) {
        if bytes.len() > PIECE - self.filled {
            self.flush();
        }
        match self.piece.get_mut(self.filled..self.filled + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.filled += bytes.len();
            }
            None => self.hasher.update(bytes),
        }
    }

    fn flush(&mut self) {
        self.hasher.update(&self.piece[..self.filled]);
        self.filled = 0;
    }
}

/// Returns the seal of bytes that stand alone: an edited payload or a resource.
pub(in crate::store) fn of_bytes(bytes: &[u8]) -> Seal {
    Sealer::default().blob(bytes).seal()
}
