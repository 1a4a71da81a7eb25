//! JSON in ASCII, for logs of every kind.

use std::io::{self, Write};

use serde_json::ser::Formatter;

/// JSON in ASCII: what some readers take for a line end (U+0085, U+2028) or a terminal for an order is escaped as well.
pub struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut units = [0; 2];
        for character in fragment.chars() {
            // DEL is the one control character that serde_json leaves as it is.
            if character.is_ascii() && character != '\u{7f}' {
                writer.write_all(&[character as u8])?;
            } else {
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}
