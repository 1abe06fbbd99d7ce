//! Collations: code page on the wire, and order.

use encoding_rs::Encoding;

/// A collation, by its place in the table below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Collation(usize);

/// How one byte per character is to be read.
#[derive(Clone, Copy)]
enum Page {
    /// The characters of 128 and above.
    Oem(&'static str),
    Known(&'static Encoding),
}

struct Described {
    name: &'static str,
    /// Locale, flags and version as the protocol has them.
    info: u32,
    sort_id: u8,
    page: Page,
    /// Whether case decides; a binary collation compares code points.
    sensitive: bool,
}

const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
                     └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
const CP850: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐\
                     └┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";

const CI: u32 = 0x00d0_0000;
const CS: u32 = 0x00c0_0000;
const BINARY: u32 = 0x0100_0000;
const BINARY2: u32 = 0x0200_0000;
const UTF8: u32 = 0x0400_0000;

macro_rules! collations {
    ($($name:literal $info:expr, $sort:literal, $page:expr, $sensitive:literal;)*) => {
        &[$(Described {
            name: $name, info: $info, sort_id: $sort, page: $page, sensitive: $sensitive,
        }),*]
    };
}

const LATIN1: Page = Page::Known(encoding_rs::WINDOWS_1252);

/// <https://learn.microsoft.com/en-us/sql/t-sql/statements/sql-server-collation-name-transact-sql>
static COLLATIONS: &[Described] = collations! {
    "SQL_Latin1_General_CP1_CI_AS"     CI | 0x0409, 52, LATIN1, false;
    "SQL_Latin1_General_CP1_CS_AS"     CS | 0x0409, 51, LATIN1, true;
    "SQL_Latin1_General_CP850_CI_AS"   CI | 0x0409, 42, Page::Oem(CP850), false;
    "SQL_Latin1_General_CP850_CS_AS"   CS | 0x0409, 41, Page::Oem(CP850), true;
    "SQL_Latin1_General_CP850_BIN"     BINARY | 0x0409, 40, Page::Oem(CP850), true;
    "SQL_Latin1_General_CP437_CI_AS"   CI | 0x0409, 32, Page::Oem(CP437), false;
    "SQL_Latin1_General_CP437_CS_AS"   CS | 0x0409, 31, Page::Oem(CP437), true;
    "SQL_Latin1_General_CP437_BIN"     BINARY | 0x0409, 30, Page::Oem(CP437), true;
    "Latin1_General_CI_AS"             CI | 0x0409, 0, LATIN1, false;
    "Latin1_General_CS_AS"             CS | 0x0409, 0, LATIN1, true;
    "Latin1_General_BIN"               BINARY | 0x0409, 0, LATIN1, true;
    "Latin1_General_BIN2"              BINARY2 | 0x0409, 0, LATIN1, true;
    "Latin1_General_100_CI_AS_SC_UTF8" UTF8 | CI | 0x0409, 0, Page::Known(encoding_rs::UTF_8), false;
    "Latin1_General_100_BIN2"          BINARY2 | 0x0409, 0, LATIN1, true;
    "German_PhoneBook_CI_AS"           CI | 0x0001_0407, 0, LATIN1, false;
    "Polish_CI_AS"                     CI | 0x0415, 0, Page::Known(encoding_rs::WINDOWS_1250), false;
    "Cyrillic_General_CI_AS"           CI | 0x0419, 0, Page::Known(encoding_rs::WINDOWS_1251), false;
    "Greek_CI_AS"                      CI | 0x0408, 0, Page::Known(encoding_rs::WINDOWS_1253), false;
    "Turkish_CI_AS"                    CI | 0x041f, 0, Page::Known(encoding_rs::WINDOWS_1254), false;
    "Japanese_CI_AS"                   CI | 0x0411, 0, Page::Known(encoding_rs::SHIFT_JIS), false;
    "Chinese_PRC_CI_AS"                CI | 0x0804, 0, Page::Known(encoding_rs::GBK), false;
};

impl Collation {
    /// `SQL_Latin1_General_CP1_CI_AS`, what most installations have.
    pub(crate) const DEFAULT: Self = Self(0);

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        COLLATIONS.iter().position(|one| one.name.eq_ignore_ascii_case(name)).map(Self)
    }

    fn described(self) -> &'static Described {
        COLLATIONS.get(self.0).expect("a collation is made from its place in the table")
    }

    pub(crate) fn name(self) -> &'static str {
        self.described().name
    }

    /// The five bytes of the protocol.
    pub(crate) fn wire(self) -> (u32, u8) {
        (self.described().info, self.described().sort_id)
    }

    /// The text as this code page can hold it, `?` for what it cannot.
    pub(crate) fn encode(self, text: &str) -> Vec<u8> {
        match self.described().page {
            Page::Known(encoding) if encoding == encoding_rs::UTF_8 => text.as_bytes().to_vec(),
            Page::Known(encoding) => {
                let one = |character: char| {
                    let mut buffer = [0; 4];
                    let (bytes, _, lost) = encoding.encode(character.encode_utf8(&mut buffer));
                    if lost { vec![b'?'] } else { bytes.into_owned() }
                };
                text.chars().flat_map(one).collect()
            }
            Page::Oem(upper) => {
                let one = |character: char| match u8::try_from(character) {
                    Ok(byte) if byte < 128 => byte,
                    _ => match upper.chars().position(|known| known == character) {
                        Some(place) => u8::try_from(place + 128).unwrap_or(b'?'),
                        None => b'?',
                    },
                };
                text.chars().map(one).collect()
            }
        }
    }

    pub(crate) fn decode(self, bytes: &[u8]) -> String {
        match self.described().page {
            Page::Known(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
            Page::Oem(upper) => {
                let high = |byte: u8| upper.chars().nth(usize::from(byte) - 128).unwrap_or('?');
                let one = |&byte: &u8| if byte < 128 { char::from(byte) } else { high(byte) };
                bytes.iter().map(one).collect()
            }
        }
    }

    /// What is compared instead of the text: without trailing blanks, and without case where case
    /// does not decide.
    pub(crate) fn folded(self, text: &str) -> String {
        let text = text.trim_end_matches(' ');
        if self.described().sensitive { text.to_owned() } else { text.to_lowercase() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_umlaut_has_its_own_byte_in_every_code_page() {
        for (name, byte) in [
            ("SQL_Latin1_General_CP1_CI_AS", 0xfc),
            ("SQL_Latin1_General_CP850_CI_AS", 0x81),
            ("SQL_Latin1_General_CP437_CI_AS", 0x81),
        ] {
            let collation = Collation::from_name(name).unwrap();
            assert_eq!(collation.encode("ü"), [byte], "{name}");
            assert_eq!(collation.decode(&[byte]), "ü", "{name}");
        }
        let cp850 = Collation::from_name("SQL_Latin1_General_CP850_CI_AS").unwrap();
        assert_eq!(cp850.decode(&cp850.encode("Øre €")), "Øre ?");
    }

    #[test]
    fn the_old_code_pages_know_128_characters_each() {
        assert_eq!(CP437.chars().count(), 128);
        assert_eq!(CP850.chars().count(), 128);
    }
}
