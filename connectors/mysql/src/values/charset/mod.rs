//! Character sets. A row in the log holds the bytes of the column, so each column needs its own
//! set; what comes out is what the server would convert the text to.

mod collation;
mod multi;
mod single;

pub(crate) use collation::character_set;
use multi::Multi;

/// How the bytes of a column become characters.
#[derive(Debug)]
pub(crate) enum Charset {
    /// They are UTF-8 already.
    Utf8,
    /// One byte for each character: ASCII and these 128.
    Single(Box<[char]>),
    /// Characters of a varying number of bytes.
    Multi(Multi),
    /// Four bytes for each character, the highest first.
    Utf32,
}

impl Charset {
    /// By the name the server gives it; `None` for one that is unknown here.
    pub(crate) fn of(name: &str) -> Option<Self> {
        if let Some(upper) = single::upper_half(name) {
            return Some(Self::Single(upper.chars().collect()));
        }
        Some(match name {
            "utf8mb4" | "utf8mb3" | "utf8" | "ascii" => Self::Utf8,
            "utf32" => Self::Utf32,
            _ => Self::Multi(Multi::of(name)?),
        })
    }

    /// Appends the characters.
    pub(crate) fn push(&self, bytes: &[u8], out: &mut String) -> Result<(), &'static str> {
        match self {
            Self::Utf8 => out.push_str(std::str::from_utf8(bytes).map_err(|_| MALFORMED)?),
            Self::Single(upper) => push_single(upper, bytes, out),
            Self::Multi(multi) => multi.push(bytes, out),
            Self::Utf32 => push_utf32(bytes, out)?,
        }
        Ok(())
    }
}

const MALFORMED: &str = "a text is not valid in the character set of its column";

fn push_single(upper: &[char], bytes: &[u8], out: &mut String) {
    // Most text is ASCII, which is UTF-8 as it stands.
    if bytes.is_ascii()
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        out.push_str(text);
        return;
    }
    out.extend(bytes.iter().map(|byte| match byte.checked_sub(0x80) {
        None => char::from(*byte),
        Some(place) => upper.get(usize::from(place)).copied().unwrap_or('?'),
    }));
}

fn push_utf32(bytes: &[u8], out: &mut String) -> Result<(), &'static str> {
    let (characters, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(MALFORMED);
    }
    for character in characters {
        out.push(char::from_u32(u32::from_be_bytes(*character)).ok_or(MALFORMED)?);
    }
    Ok(())
}
