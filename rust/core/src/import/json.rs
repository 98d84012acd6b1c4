//! JSON, with the `NaN` and `Infinity` that model libraries write.

use super::value::{Entries, MAX_DEPTH, Reading, Value, refuse};
use crate::error::Result;

/// Reads one document.
///
/// # Errors
/// [`Error::Model`](crate::error::Error::Model) that names the byte at which it stops being JSON.
pub fn read_json(bytes: &[u8], reading: Reading) -> Result<Value> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return refuse(format!("not UTF-8 at byte {}", error.valid_up_to())),
    };
    let mut reader = Reader { text, at: 0, reading };
    let value = reader.value(0)?;
    reader.space();
    if reader.at < text.len() {
        return reader.stop("something follows the end of the document");
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    reading: Reading,
}

impl<'a> Reader<'a> {
    fn stop<T>(&self, reason: &str) -> Result<T> {
        if self.at >= self.text.len() {
            return refuse(format!("the file is cut short: it ends at byte {}", self.text.len()));
        }
        refuse(format!("{reason} at byte {}", self.at))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Steps over `byte` after white space, if it is there.
    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        self.space();
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => self.stop("nested too deeply"),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.list(depth + 1),
            Some(b'"') => Ok(Value::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9' | b'N' | b'I') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => self.stop("not JSON"),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value> {
        self.at += 1;
        let mut entries = Vec::new();
        if self.take(b'}') {
            return Ok(Value::Object(entries));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return self.stop("a name is expected");
            }
            let key = self.string()?;
            if !self.take(b':') {
                return self.stop("`:` is expected");
            }
            entries.push((key, self.value(depth)?));
            if self.take(b'}') {
                return Ok(Value::Object(entries));
            }
            if !self.take(b',') {
                return self.stop("`,` or `}` is expected");
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value> {
        self.at += 1;
        let mut entries = Entries::default();
        if self.take(b']') {
            return Ok(entries.finish());
        }
        loop {
            entries.push(self.value(depth)?);
            if self.take(b']') {
                return Ok(entries.finish());
            }
            if !self.take(b',') {
                return self.stop("`,` or `]` is expected");
            }
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return self.stop("not JSON");
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Value> {
        let start = self.at;
        while let Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z') = self.peek() {
            self.at += 1;
        }
        let digits = &self.text[start..self.at];
        let number = match (digits, self.reading) {
            ("NaN", _) => Some(f64::NAN),
            ("Infinity", _) => Some(f64::INFINITY),
            ("-Infinity", _) => Some(f64::NEG_INFINITY),
            // Rust would also take "inf" and "nan".
            _ if !digits.starts_with(|first: char| first == '-' || first.is_ascii_digit())
                || !digits.ends_with(|last: char| last.is_ascii_digit()) =>
            {
                None
            }
            (_, Reading::Single) if digits.contains(['.', 'e', 'E']) => {
                digits.parse::<f32>().ok().map(f64::from)
            }
            _ => digits.parse().ok(),
        };
        match number {
            Some(number) => Ok(Value::Number(number)),
            None => {
                self.at = start;
                self.stop("not a number")
            }
        }
    }

    /// The string whose opening quote is next.
    fn string(&mut self) -> Result<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..0x20)) {
                self.at += 1;
            }
            out.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escaped()?);
                }
                // Libraries write names as they are, tabs and line ends included.
                Some(control) => {
                    out.push(char::from(control));
                    self.at += 1;
                }
                None => return self.stop(""),
            }
        }
    }

    fn escaped(&mut self) -> Result<char> {
        let Some(byte) = self.peek() else { return self.stop("") };
        let plain = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            _ => return self.stop("an unknown escape"),
        };
        self.at += 1;
        Ok(plain)
    }

    /// The character after `\u`, of two units where the first is the first half of a pair.
    fn unicode(&mut self) -> Result<char> {
        let mut code = self.unit()?;
        if (0xd800..0xdc00).contains(&code) && self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let low = self.unit()?;
            if !(0xdc00..0xe000).contains(&low) {
                return self.stop("half a character");
            }
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        match char::from_u32(code) {
            Some(character) => Ok(character),
            None => self.stop("half a character"),
        }
    }

    fn unit(&mut self) -> Result<u32> {
        let digits = self.text.get(self.at..self.at + 4);
        match digits.filter(|four| four.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            Some(four) => {
                self.at += 4;
                Ok(u32::from_str_radix(four, 16).unwrap_or(0))
            }
            None => self.stop("four hexadecimal digits are expected"),
        }
    }
}
