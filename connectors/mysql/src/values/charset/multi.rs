//! Character sets whose characters take a varying number of bytes. The web's tables, which
//! [`encoding_rs`] has, are nearly those of the servers; where they differ, the servers' own
//! characters stand here.

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, SHIFT_JIS, UTF_16BE, UTF_16LE};

/// A set of this sort.
#[derive(Debug)]
pub(crate) struct Multi {
    encoding: &'static Encoding,
    /// Whether the bytes below 0x80 are ASCII.
    ascii: bool,
    /// What the server converts differently.
    own: &'static [Run],
    /// How many bytes a character takes that begins with this byte.
    length: fn(u8) -> usize,
}

/// Characters for consecutive codes, and the first code.
type Run = (u32, &'static str);

impl Multi {
    /// By the name the server gives it.
    pub(super) fn of(name: &str) -> Option<Self> {
        let (encoding, own, length): (_, &[Run], fn(u8) -> usize) = match name {
            "ucs2" | "utf16" => (UTF_16BE, &[], two),
            "utf16le" => (UTF_16LE, &[], two),
            "sjis" => (SHIFT_JIS, SJIS, shift_jis),
            "cp932" => (SHIFT_JIS, &[], shift_jis),
            "ujis" => (EUC_JP, UJIS, euc),
            "eucjpms" => (EUC_JP, EUCJPMS, euc),
            "gbk" => (GBK, &[], two),
            "gb2312" => (GBK, GB2312, two),
            "gb18030" => (GB18030, &[], two),
            "big5" => (BIG5, BIG5_OWN, two),
            "euckr" => (EUC_KR, &[], two),
            _ => return None,
        };
        let ascii = encoding.is_ascii_compatible();
        Some(Self { encoding, ascii, own, length })
    }

    /// Appends the characters; one that is none is a `?`, as the server makes it.
    pub(super) fn push(&self, bytes: &[u8], out: &mut String) {
        if self.ascii
            && bytes.is_ascii()
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            out.push_str(text);
            return;
        }
        let (mut plain, mut rest) = (bytes, bytes);
        while let Some(first) = rest.first().filter(|_| !self.own.is_empty()) {
            let (character, after) =
                rest.split_at_checked((self.length)(*first)).unwrap_or((rest, &[]));
            if let Some(own) = self.own(character) {
                let length = plain.len() - rest.len();
                self.push_plain(plain.get(..length).unwrap_or_default(), out);
                out.push(own);
                plain = after;
            }
            rest = after;
        }
        self.push_plain(plain, out);
    }

    fn push_plain(&self, bytes: &[u8], out: &mut String) {
        let (text, malformed) = self.encoding.decode_without_bom_handling(bytes);
        if malformed {
            out.push_str(&text.replace(char::REPLACEMENT_CHARACTER, "?"));
        } else {
            out.push_str(&text);
        }
    }

    fn own(&self, character: &[u8]) -> Option<char> {
        let code = character.iter().fold(0, |code, byte| code << 8 | u32::from(*byte));
        let after = self.own.partition_point(|(first, _)| *first <= code);
        let (first, run) = self.own.get(after.checked_sub(1)?)?;
        let place = usize::try_from(code - first).ok()?;
        run.chars().nth(place)
    }
}

const fn two(first: u8) -> usize {
    if first < 0x80 { 1 } else { 2 }
}

const fn shift_jis(first: u8) -> usize {
    match first {
        0x81..=0x9F | 0xE0..=0xFF => 2,
        _ => 1,
    }
}

const fn euc(first: u8) -> usize {
    match first {
        0x8F => 3,
        0x80.. => 2,
        _ => 1,
    }
}

const SJIS: &[Run] =
    &[(0x815F, "\\"), (0x8160, "〜‖"), (0x817C, "−"), (0x8191, "¢£"), (0x81CA, "¬")];

const UJIS: &[Run] = &[(0xA1C0, "\\〜‖"), (0xA1DD, "−"), (0xA1F1, "¢£"), (0xA2CC, "¬")];

/// What IBM added to the two Japanese standards.
const EUCJPMS: &[Run] = &[
    (0x8F_A2C3, "￤"),
    (0x8F_F3F3, "ⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹⅠⅡ"),
    (
        0x8F_F4A1,
        "\
        ⅢⅣⅤⅥⅦⅧⅨⅩ＇＂㈱№℡炻仼僴凬匇匤﨎咊坙﨏\u{fa10}增寬峵嵓﨑德悅愠敎昻晥\u{fa12}\u{f929}栁﨓﨔\
        橫櫢淸淲瀨\u{fa15}\u{fa16}甁皂皞\u{fa17}礰\u{fa18}\u{fa19}\u{fa1a}\u{fa1b}竧\u{fa1c}\u{fa1d}綠緖\u{fa1e}荢﨟薰\u{fa20}﨡蠇\u{fa22}譿賴赶﨣﨤\u{fa25}郞\u{fa26}鄕﨧﨨\
        閒\u{f9dc}﨩霻靍靑\u{fa2a}\u{fa2b}\u{fa2c}馞髙魲\u{fa2d}黑",
    ),
];

const GB2312: &[Run] = &[(0xA1A4, "・"), (0xA1AA, "―")];

/// What the ETEN system added, and a few signs.
const BIG5_OWN: &[Run] = &[
    (0xA145, "•"),
    (0xA14E, "､"),
    (0xA1C2, "‾"),
    (0xA1E3, "∼"),
    (0xA1F2, "♁☉"),
    (0xA241, "／＼"),
    (0xA244, "¥"),
    (0xA246, "¢£"),
    (0xA2CE, "\u{fffd}"),
    (
        0xC6A1,
        "\
        ヾゝゞ々ぁあぃいぅうぇえぉおかがきぎくぐけげこごさざしじすずせぜそぞただちぢっつ\
        づてでとどなにぬねのはばぱひびぴふぶぷへべぺほぼぽまみむめもゃやゅゆょよらりるれ\
        ろゎわゐゑをんァアィイゥウェ",
    ),
    (
        0xC740,
        "\
        エォオカガキギクグケゲコゴサザシジスズセゼソゾタダチヂッツヅテデトドナニヌネノハ\
        バパヒビピフブプヘベペホボポマミムメモャヤュユ",
    ),
    (
        0xC7A1,
        "\
        ョヨラリルレロヮワヰヱヲンヴヵヶДЕЁЖЗИЙКЛМУФХЦЧШЩЪЫЬЭЮЯа\
        бвгдеёжзийклмнопрстуфхцчшщъыьэюя①②③④⑤⑥⑦⑧\
        ⑨⑩⑴⑵⑶⑷⑸⑹⑺⑻⑼⑽",
    ),
];
