//! Which character set a collation belongs to, by the collation's number in the log.

/// The collations of the first servers, by their numbers.
const FIRST: [&str; 100] = [
    "", "big5", "latin2", "dec8", "cp850", "latin1", "hp8", "koi8r", "latin1", "latin2", "swe7",
    "ascii", "ujis", "sjis", "cp1251", "latin1", "hebrew", "", "tis620", "euckr", "latin7",
    "latin2", "koi8u", "cp1251", "gb2312", "greek", "cp1250", "latin2", "gbk", "cp1257", "latin5",
    "latin1", "armscii8", "utf8mb3", "cp1250", "ucs2", "cp866", "keybcs2", "macce", "macroman",
    "cp852", "latin7", "latin7", "macce", "cp1250", "utf8mb4", "utf8mb4", "latin1", "latin1",
    "latin1", "cp1251", "cp1251", "cp1251", "macroman", "utf16", "utf16", "utf16le", "cp1256",
    "cp1257", "cp1257", "utf32", "utf32", "utf16le", "binary", "armscii8", "ascii", "cp1250",
    "cp1256", "cp866", "dec8", "greek", "hebrew", "hp8", "keybcs2", "koi8r", "koi8u", "utf8mb3",
    "latin2", "latin5", "latin7", "cp850", "cp852", "swe7", "utf8mb3", "big5", "euckr", "gb2312",
    "gbk", "sjis", "tis620", "ucs2", "ujis", "geostd8", "geostd8", "latin1", "cp932", "cp932",
    "eucjpms", "eucjpms", "cp1250",
];

/// `MariaDB` numbers a collation that does not pad with blanks like the one that does, and this.
const NO_PAD: u64 = 1024;

/// The name of the character set; `None` for a number that is unknown here.
pub(crate) fn character_set(collation: u64) -> Option<&'static str> {
    let no_pad = (NO_PAD..2 * NO_PAD).contains(&collation);
    let collation = if no_pad { collation - NO_PAD } else { collation };
    if let Some(name) = usize::try_from(collation).ok().and_then(|place| FIRST.get(place)) {
        return Some(*name).filter(|name| !name.is_empty());
    }
    Some(match collation {
        101..=124 | 672..=674 | 2816..=3071 => "utf16",
        128..=159 | 640..=642 | 2560..=2815 => "ucs2",
        160..=183 | 736..=738 | 3072..=3327 => "utf32",
        192..=223 | 576..=578 | 2048..=2303 => "utf8mb3",
        224..=247 | 255..=323 | 608..=610 | 2304..=2559 => "utf8mb4",
        248..=250 => "gb18030",
        _ => return None,
    })
}
