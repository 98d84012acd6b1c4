//! Universal Binary JSON, as far as XGBoost writes it.

use super::value::{Entries, MAX_DEPTH, Value, refuse};
use crate::error::Result;

/// Reads one document.
///
/// # Errors
/// [`Error::Model`](crate::error::Error::Model) that names the byte at which it stops being UBJSON.
pub fn read_ubjson(bytes: &[u8]) -> Result<Value> {
    let mut reader = Reader { bytes, at: 0 };
    let marker = reader.marker()?;
    let value = reader.value(marker, 0)?;
    if reader.at < bytes.len() {
        return reader.stop("something follows the end of the document");
    }
    Ok(value)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn stop<T>(&self, reason: &str) -> Result<T> {
        refuse(format!("{reason} at byte {}", self.at))
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        match self.bytes[self.at..].get(..n) {
            Some(taken) => {
                self.at += n;
                Ok(taken)
            }
            None => refuse(format!("the file is cut short: it ends at byte {}", self.bytes.len())),
        }
    }

    /// The next marker; `N` says nothing and is stepped over.
    fn marker(&mut self) -> Result<u8> {
        loop {
            match self.take(1)?[0] {
                b'N' => {}
                marker => return Ok(marker),
            }
        }
    }

    fn next_is(&mut self, byte: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, marker: u8, depth: usize) -> Result<Value> {
        match marker {
            b'{' | b'[' if depth >= MAX_DEPTH => self.stop("nested too deeply"),
            b'{' => self.object(depth + 1),
            b'[' => self.list(depth + 1),
            b'S' => {
                let length = self.length()?;
                Ok(Value::Text(self.text(length)?))
            }
            b'C' => Ok(Value::Text(self.text(1)?)),
            b'Z' => Ok(Value::Null),
            b'T' => Ok(Value::Bool(true)),
            b'F' => Ok(Value::Bool(false)),
            _ => {
                let Some(size) = size_of(marker) else {
                    self.at -= 1;
                    return self.stop("not UBJSON");
                };
                Ok(Value::Number(number(marker, self.take(size)?)))
            }
        }
    }

    /// A count of something that takes at least a byte each.
    fn length(&mut self) -> Result<usize> {
        let marker = self.marker()?;
        let size = match marker {
            b'i' | b'U' | b'I' | b'l' | b'L' => size_of(marker).unwrap_or(1),
            _ => return self.stop("a length is expected"),
        };
        let length = number(marker, self.take(size)?);
        let left = self.bytes.len() - self.at;
        if !(length >= 0.0 && length <= left as f64) {
            return refuse(format!("the file is cut short: {length} entries in its last {left} bytes"));
        }
        Ok(length as usize)
    }

    fn text(&mut self, length: usize) -> Result<String> {
        match std::str::from_utf8(self.take(length)?) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => self.stop("not UTF-8"),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value> {
        let mut entries = Vec::new();
        loop {
            while self.next_is(b'N') {}
            if self.next_is(b'}') {
                return Ok(Value::Object(entries));
            }
            let length = self.length()?;
            let key = self.text(length)?;
            let marker = self.marker()?;
            entries.push((key, self.value(marker, depth)?));
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value> {
        if self.next_is(b'$') {
            let kind = self.take(1)?[0];
            let Some(size) = size_of(kind) else { return self.stop("a list of an unknown type") };
            if !self.next_is(b'#') {
                return self.stop("a count is expected");
            }
            let count = self.length()?;
            // `length` has compared the count with what is left, so this cannot overflow.
            let values = self.take(count.saturating_mul(size))?;
            return Ok(Value::Numbers(values.chunks_exact(size).map(|raw| number(kind, raw)).collect()));
        }
        let mut entries = Entries::default();
        if self.next_is(b'#') {
            for _ in 0..self.length()? {
                let marker = self.marker()?;
                entries.push(self.value(marker, depth)?);
            }
            return Ok(entries.finish());
        }
        loop {
            match self.marker()? {
                b']' => return Ok(entries.finish()),
                marker => entries.push(self.value(marker, depth)?),
            }
        }
    }
}

fn size_of(marker: u8) -> Option<usize> {
    match marker {
        b'i' | b'U' => Some(1),
        b'I' => Some(2),
        b'l' | b'd' => Some(4),
        b'L' | b'D' => Some(8),
        _ => None,
    }
}

/// A big-endian number of `size_of(marker)` bytes; 64-bit integers above 2^53 are rounded.
fn number(marker: u8, raw: &[u8]) -> f64 {
    let bits = raw.iter().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
    match marker {
        b'i' => f64::from(bits as i8),
        b'U' => f64::from(bits as u8),
        b'I' => f64::from(bits as i16),
        b'l' => f64::from(bits as i32),
        b'd' => f64::from(f32::from_bits(bits as u32)),
        b'D' => f64::from_bits(bits),
        _ => bits as i64 as f64,
    }
}
