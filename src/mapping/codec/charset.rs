//! Text in another code page than the database believes.
//!
//! Old programs wrote their own code page into columns whose declared one never mattered to them.
//! The database then decodes the bytes wrongly. The bytes are still there: encoding the text as
//! declared gives them back, and decoding them as what they are gives the text that was meant.

use encoding_rs::Encoding;

/// The IBM PC.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
    └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// Western Europe.
const CP850: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐\
    └┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";

/// Central Europe.
const CP852: &str = "ÇüéâäůćçłëŐőîŹÄĆÉĹĺôöĽľŚśÖÜŤťŁ×čáíóúĄąŽžĘę¬źČş«»░▒▓│┤ÁÂĚŞ╣║╗╝Żż┐\
    └┴┬├─┼Ăă╚╔╩╦╠═╬¤đĐĎËďŇÍÎě┘┌█▄ŢŮ▀ÓßÔŃńňŠšŔÚŕŰýÝţ´\u{ad}˝˛ˇ˘§÷¸°¨˙űŘř■\u{a0}";

/// Western Europe with the euro.
const CP858: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐\
    └┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈ€ÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";

/// A code page in which the bytes below 128 are ASCII.
#[derive(Clone, Debug)]
pub(crate) enum CodePage {
    /// Every byte is a character.
    Single(Box<SingleByte>),
    /// UTF-8 and the pages of East Asia.
    Multi(&'static Encoding),
}

impl CodePage {
    /// A label of the WHATWG Encoding Standard (`latin1`, `windows-1251`, `utf-8`, `shift_jis`), or
    /// one of the DOS pages 437, 850, 852 and 858 as `cp850` or `ibm850`. UTF-16 and ISO-2022-JP
    /// are no code pages of text that looks like ASCII.
    pub(crate) fn parse(label: &str) -> Option<Self> {
        if let Some(characters) = dos(label) {
            return Some(Self::Single(Box::new(SingleByte::new(characters.chars().map(Some)))));
        }
        let encoding = Encoding::for_label(label.as_bytes()).filter(|e| e.is_ascii_compatible())?;
        if !encoding.is_single_byte() {
            return Some(Self::Multi(encoding));
        }
        let characters = (128..=u8::MAX).map(|byte| {
            let byte = [byte];
            let text = encoding.decode_without_bom_handling_and_without_replacement(&byte)?;
            text.chars().next()
        });
        Some(Self::Single(Box::new(SingleByte::new(characters))))
    }

    fn encode(&self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Single(page) => text.chars().map(|character| page.byte(character)).collect(),
            Self::Multi(encoding) => {
                let (bytes, _, unknown) = encoding.encode(text);
                (!unknown).then(|| bytes.into_owned())
            }
        }
    }

    fn decode(&self, bytes: &[u8], out: &mut String) -> Option<()> {
        match self {
            Self::Single(page) => bytes.iter().try_for_each(|byte| {
                out.push(page.character(*byte)?);
                Some(())
            }),
            Self::Multi(encoding) => {
                let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
                out.push_str(&text);
                Some(())
            }
        }
    }
}

/// The characters of the bytes from 128, of the pages the Encoding Standard does not have.
fn dos(label: &str) -> Option<&'static str> {
    let label = label.to_ascii_lowercase();
    let number = label.strip_prefix("cp").or_else(|| label.strip_prefix("ibm")).unwrap_or(&label);
    match number {
        "437" => Some(CP437),
        "850" => Some(CP850),
        "852" => Some(CP852),
        "858" => Some(CP858),
        _ => None,
    }
}

/// A code page of 256 bytes, read both ways.
#[derive(Clone, Debug)]
pub(crate) struct SingleByte {
    /// What the bytes from 128 mean, if anything.
    characters: Box<[Option<char>]>,
    /// The same, in order of the characters.
    bytes: Box<[(char, u8)]>,
}

impl SingleByte {
    /// `latin1` is `windows-1252` to the Encoding Standard and to some databases; to others its
    /// bytes 128 to 159 are control characters. These stand for their bytes in every page that
    /// does not use them for something else, so both kinds of database are understood.
    fn new(characters: impl Iterator<Item = Option<char>>) -> Self {
        let characters: Box<[_]> = characters.take(128).collect();
        let upper = characters.iter().zip(128..=u8::MAX);
        let mut bytes: Vec<_> = upper.filter_map(|(c, byte)| Some(((*c)?, byte))).collect();
        let controls = (128..160).map(|byte| (char::from(byte), byte));
        bytes.extend(controls.filter(|(control, _)| !characters.contains(&Some(*control))));
        bytes.sort_unstable();
        Self { characters, bytes: bytes.into() }
    }

    fn byte(&self, character: char) -> Option<u8> {
        if character.is_ascii() {
            return u8::try_from(character).ok();
        }
        let place = self.bytes.binary_search_by_key(&character, |(known, _)| *known).ok()?;
        self.bytes.get(place).map(|(_, byte)| *byte)
    }

    fn character(&self, byte: u8) -> Option<char> {
        let Some(upper) = byte.checked_sub(128) else { return Some(char::from(byte)) };
        *self.characters.get(usize::from(upper))?
    }
}

/// What the database takes the bytes of a column for, and what they are.
#[derive(Clone, Debug)]
pub(crate) struct Charset {
    declared: CodePage,
    actual: CodePage,
}

impl Charset {
    /// Decoded as `declared`, written as `actual`.
    pub(crate) fn new(declared: CodePage, actual: CodePage) -> Self {
        Self { declared, actual }
    }

    /// The text that was meant; `None` if this one did not come about like that.
    pub(crate) fn repair<'a>(&self, text: &'a str, scratch: &'a mut String) -> Option<&'a str> {
        if text.is_ascii() {
            return Some(text);
        }
        scratch.clear();
        if let (CodePage::Single(declared), CodePage::Single(actual)) =
            (&self.declared, &self.actual)
        {
            for character in text.chars() {
                scratch.push(actual.character(declared.byte(character)?)?);
            }
        } else {
            self.actual.decode(&self.declared.encode(text)?, scratch)?;
        }
        Some(scratch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charset(declared: &str, actual: &str) -> Charset {
        Charset::new(CodePage::parse(declared).unwrap(), CodePage::parse(actual).unwrap())
    }

    #[test]
    fn wrongly_decoded_text_is_repaired() {
        let cases = [
            ("latin1", "windows-1251", "Ïîñòàâùèê \u{b9}4", "Поставщик №4"),
            ("windows-1252", "cp1251", "\u{201c}Ðîãà\u{201d}", "“Рога”"),
            // A database whose latin1 has control characters there.
            ("iso-8859-1", "cp1251", "\u{93}Ðîãà\u{94}", "“Рога”"),
            ("latin1", "cp850", "M\u{81}ller", "Müller"),
            ("cp1252", "ibm850", "Stra\u{e1}e", "Straße"),
            ("latin1", "437", "\u{9c}5", "£5"),
            ("cp850", "windows-1252", "M³ller", "Müller"),
            ("latin1", "utf-8", "MÃ¼ller", "Müller"),
            ("latin1", "cp852", "\u{88}\u{b3}", "ł│"),
            ("windows-1252", "cp858", "5 Õ", "5 €"),
            ("latin1", "shift_jis", "\u{93}\u{fa}\u{96}{", "日本"),
            ("utf-8", "windows-1252", "é", "Ã©"),
            ("koi8-r", "windows-1251", "оПХБЕР", "Привет"),
        ];
        for (declared, actual, text, meant) in cases {
            let mut scratch = "old".to_owned();
            let found = charset(declared, actual).repair(text, &mut scratch);
            assert_eq!(found, Some(meant), "{text} in {actual} taken for {declared}");
        }
    }

    #[test]
    fn ascii_is_borrowed() {
        let mut scratch = String::new();
        assert_eq!(
            charset("latin1", "cp1251").repair("M8 x 20\t", &mut scratch),
            Some("M8 x 20\t")
        );
        assert!(scratch.is_empty());
    }

    #[test]
    fn what_did_not_come_about_like_that_is_refused() {
        let cases = [
            // Right already.
            ("latin1", "cp1251", "Поставщик"),
            // No UTF-8.
            ("latin1", "utf-8", "Müller"),
            ("latin1", "gbk", "a\u{ff}"),
            ("shift_jis", "cp1251", "ж\u{1f600}"),
            // A byte that means nothing.
            ("latin1", "windows-1253", "\u{ff}"),
        ];
        for (declared, actual, text) in cases {
            let mut scratch = String::new();
            assert_eq!(charset(declared, actual).repair(text, &mut scratch), None, "{text}");
        }
        for label in ["", "latin0", "utf-16", "utf-16le", "iso-2022-jp", "replacement", "cp999"] {
            assert!(CodePage::parse(label).is_none(), "{label}");
        }
    }

    #[test]
    fn the_dos_pages_have_every_byte_once() {
        for label in ["cp437", "CP850", "IBM852", "858"] {
            let Some(CodePage::Single(page)) = CodePage::parse(label) else { panic!("{label}") };
            assert_eq!(page.characters.len(), 128, "{label}");
            for byte in 0..=u8::MAX {
                let character = page.character(byte).unwrap();
                assert_eq!(page.byte(character), Some(byte), "{label} {character}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn what_one_mistake_makes_the_repair_takes_back(text: String) {
            // The mistake is made by the Encoding Standard's own decoder, byte by byte.
            for (declared, actual) in [("koi8-r", "utf-8"), ("windows-1252", "gb18030")] {
                let encoding = |label: &str| Encoding::for_label(label.as_bytes()).unwrap();
                let (bytes, _, _) = encoding(actual).encode(&text);
                let (seen, _) = encoding(declared).decode_without_bom_handling(&bytes);
                let mut scratch = String::new();
                let found = charset(declared, actual).repair(&seen, &mut scratch);
                proptest::prop_assert_eq!(found, Some(text.as_str()), "{}", seen);
            }
        }

        #[test]
        fn any_text_is_repaired_or_refused(text: String) {
            for (declared, actual) in [("latin1", "cp1251"), ("utf-8", "big5"), ("euc-kr", "cp850")] {
                let mut scratch = String::new();
                let charset = charset(declared, actual);
                if let Some(found) = charset.repair(&text, &mut scratch).map(str::to_owned) {
                    let characters = found.chars().count();
                    proptest::prop_assert!(characters > 0 || text.is_empty());
                }
            }
        }
    }
}
