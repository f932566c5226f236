//! Writes JSON text in a constant.

/// Writes JSON text into a buffer of the exact size: a first pass [measures](Writer::measure), a second one writes.
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl Writer<'static> {
    /// Creates a writer that only counts.
    #[must_use]
    pub const fn measure() -> Self {
        Self { bytes: &mut [], len: 0 }
    }
}

impl<'a> Writer<'a> {
    /// Creates a writer that fills `bytes`, whose length an identical pass has measured.
    ///
    /// # Panics
    /// All functions that write do, where `bytes` is too short.
    #[must_use]
    pub const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, len: 0 }
    }

    /// Returns the number of written bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "what has no JSON in it is of no interest")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Writes text unchanged.
    pub const fn raw(&mut self, text: &str) -> &mut Self {
        self.copy(text.as_bytes())
    }

    /// Writes a string in quotes.
    pub const fn text(&mut self, text: &str) -> &mut Self {
        self.raw("\"").escaped(text).raw("\"")
    }

    /// Writes the escaped content of a string, without quotes.
    pub const fn escaped(&mut self, text: &str) -> &mut Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut rest = text.as_bytes();
        let mut plain = 0;
        while plain < rest.len() {
            let byte = rest[plain];
            if !matches!(byte, b'"' | b'\\' | 0..0x20) {
                plain += 1;
                continue;
            }
            let (before, after) = rest.split_at(plain);
            self.copy(before);
            match byte {
                b'"' | b'\\' => self.copy(&[b'\\', byte]),
                _ => self.raw("\\u00").copy(&[HEX[(byte >> 4) as usize], HEX[(byte & 15) as usize]]),
            };
            (rest, plain) = (after.split_at(1).1, 0);
        }
        self.copy(rest)
    }

    /// Writes a number in decimal.
    pub const fn number(&mut self, number: u64) -> &mut Self {
        if number >= 10 {
            self.number(number / 10);
        }
        self.copy(&[b'0' + (number % 10) as u8])
    }

    /// Writes a signed number.
    pub const fn signed(&mut self, number: i64) -> &mut Self {
        if number < 0 {
            self.raw("-");
        }
        self.number(number.unsigned_abs())
    }

    /// Writes an array of strings.
    pub const fn list(&mut self, texts: &[&str]) -> &mut Self {
        self.raw("[");
        let mut i = 0;
        while i < texts.len() {
            self.comma(i).text(texts[i]);
            i += 1;
        }
        self.raw("]")
    }

    /// Writes a comma, unless it would be the first item.
    pub const fn comma(&mut self, index: usize) -> &mut Self {
        if index > 0 {
            self.raw(",");
        }
        self
    }

    /// Copies in one call, because the compiler limits the steps of constant evaluation.
    const fn copy(&mut self, bytes: &[u8]) -> &mut Self {
        if !self.bytes.is_empty() {
            let (_, free) = self.bytes.split_at_mut(self.len);
            free.split_at_mut(bytes.len()).0.copy_from_slice(bytes);
        }
        self.len += bytes.len();
        self
    }
}
