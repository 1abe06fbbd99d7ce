//! Every type an ERP keeps its data in, with the values that are read wrongly elsewhere.

use erpbridge_connector::testkit::TypeCase;
use erpbridge_test_support::Flavour;

macro_rules! types {
    ($($declared:literal: $($value:literal => $text:literal),+;)+) => {
        &[$(TypeCase {
            declared: $declared,
            values: &[$(($value, Some($text)),)+ ("NULL", None)],
        }),+]
    };
}

/// The types of a server.
pub(crate) fn types(flavour: Flavour) -> Vec<TypeCase> {
    let own = match flavour {
        Flavour::MariaDb => MARIADB,
        Flavour::Mysql56 => &[],
    };
    [COMMON, own].concat()
}

/// One column each, with NULL as its last value.
const COMMON: &[TypeCase] = types! {
    "TINYINT": "-128" => "-128", "127" => "127";
    "TINYINT UNSIGNED": "255" => "255";
    "TINYINT(1)": "1" => "1", "0" => "0", "2" => "2";
    "SMALLINT": "-32768" => "-32768", "-1" => "-1";
    "SMALLINT UNSIGNED": "65535" => "65535";
    "MEDIUMINT": "-8388608" => "-8388608", "-1" => "-1", "8388607" => "8388607";
    "MEDIUMINT UNSIGNED": "16777215" => "16777215", "8388608" => "8388608";
    "INT": "-2147483648" => "-2147483648", "0" => "0";
    "INT(8) ZEROFILL": "42" => "42";
    "INT UNSIGNED": "4294967295" => "4294967295";
    "BIGINT": "-9223372036854775808" => "-9223372036854775808",
        "9007199254740993" => "9007199254740993";
    "BIGINT UNSIGNED": "18446744073709551615" => "18446744073709551615";
    "BIT(1)": "b'1'" => "1", "b'0'" => "0";
    "BIT(17)": "b'10000000000000001'" => "65537";
    "BIT(64)": "18446744073709551615" => "18446744073709551615";
    "DECIMAL(12,4)": "1.1" => "1.1000", "-0.00005" => "-0.0001", "-12345678.9" => "-12345678.9000",
        "0" => "0.0000";
    "DECIMAL(65,30)": "-12345678901234567890123456789012345.123456789012345678901234567891"
            => "-12345678901234567890123456789012345.123456789012345678901234567891",
        "0.000000000000000000000000000001" => "0.000000000000000000000000000001";
    "DECIMAL(38,0)": "-99999999999999999999999999999999999999"
            => "-99999999999999999999999999999999999999";
    "DECIMAL(9,9)": "0.123456789" => "0.123456789", "-0.000000001" => "-0.000000001";
    "DECIMAL(8,2) ZEROFILL": "1.5" => "1.50";
    "FLOAT": "0.1" => "0.1", "-1.5e-20" => "-0.000000000000000000015", "16777216" => "16777216";
    "FLOAT(7,2)": "26.4" => "26.4";
    "DOUBLE": "0.1e0 + 0.2e0" => "0.30000000000000004", "1e15" => "1000000000000000",
        "-2.5e-7" => "-0.00000025";
    "CHAR(8)": "'AB'" => "AB", "''" => "", "' x '" => " x";
    "CHAR(8) CHARACTER SET latin1": "_utf8mb4 X'4772C3BCC39F65'" => "Grüße",
        "_latin1 X'80'" => "€", "_latin1 X'81'" => "\u{81}";
    "VARCHAR(20)": "'trailing  '" => "trailing  ", "''" => "", "'NULL'" => "NULL";
    "VARCHAR(300) CHARACTER SET latin1": "_latin1 X'4D81FC'" => "M\u{81}ü";
    "VARCHAR(300) CHARACTER SET cp1251": "_utf8mb4 X'D0A6D0B5D0BDD0B0'" => "Цена";
    "VARCHAR(30) CHARACTER SET latin2": "_latin2 X'A3F3'" => "Łó";
    "VARCHAR(30) CHARACTER SET ucs2": "_utf8mb4 X'E4B896E7958C'" => "世界";
    "VARCHAR(30) CHARACTER SET utf8mb4": "_utf8mb4 X'F09F98800965CC81'" => "😀\te\u{301}";
    "VARCHAR(30) CHARACTER SET utf16": "_utf8mb4 X'F09F9880'" => "😀";
    "VARCHAR(30) CHARACTER SET utf32": "_utf8mb4 X'F09F9880'" => "😀";
    "VARCHAR(30) CHARACTER SET sjis": "_utf8mb4 X'E4BEA1E6A0BC'" => "価格";
    "VARCHAR(30) CHARACTER SET gbk": "_utf8mb4 X'E4BBB7E6A0BC'" => "价格";
    "VARCHAR(30) CHARACTER SET big5": "_utf8mb4 X'E583B9E6A0BC'" => "價格";
    "VARCHAR(30) CHARACTER SET ujis": "_utf8mb4 X'E4BEA1E6A0BC'" => "価格";
    "VARCHAR(30) CHARACTER SET euckr": "_utf8mb4 X'EAB080EAB2A9'" => "가격";
    "TINYTEXT": "'it''s \"quoted\", back\\\\slash, \\\\N, line\\nfeed\\r, tab\\t'"
            => "it's \"quoted\", back\\slash, \\N, line\nfeed\r, tab\t";
    "TEXT": "REPEAT('long ', 3)" => "long long long ", "CHAR(1, 127)" => "\u{1}\u{7f}";
    "MEDIUMTEXT CHARACTER SET latin1": "_latin1 X'DFA4'" => "ß¤";
    "LONGTEXT": "'x'" => "x";
    "BINARY(4)": "X'01'" => "\\x01000000", "X'DEADBE00'" => "\\xdeadbe00", "''" => "\\x00000000";
    "VARBINARY(300)": "X'DEADBE00'" => "\\xdeadbe00", "''" => "\\x";
    "TINYBLOB": "X'00'" => "\\x00";
    "BLOB": "X'DEADBEEF00'" => "\\xdeadbeef00", "''" => "\\x";
    "LONGBLOB": "X'FF'" => "\\xff";
    "DATE": "'2024-02-29'" => "2024-02-29", "'0000-00-00'" => "0000-00-00",
        "'2026-00-00'" => "2026-00-00", "'9999-12-31'" => "9999-12-31";
    "TIME": "'23:59:59'" => "23:59:59", "'-838:59:59'" => "-838:59:59", "'300:00:00'" => "300:00:00",
        "'-00:00:01'" => "-00:00:01";
    "TIME(1)": "'-00:00:00.1'" => "-00:00:00.1", "'12:00:00.9'" => "12:00:00.9";
    "TIME(2)": "'-01:02:03.45'" => "-01:02:03.45";
    "TIME(3)": "'-838:59:58.999'" => "-838:59:58.999";
    "TIME(6)": "'-00:00:00.000001'" => "-00:00:00.000001", "'01:00:00.5'" => "01:00:00.5";
    "DATETIME": "'2024-01-02 03:04:05'" => "2024-01-02 03:04:05",
        "'0000-00-00 00:00:00'" => "0000-00-00 00:00:00",
        "'2026-00-00 00:00:00'" => "2026-00-00 00:00:00",
        "'9999-12-31 23:59:59'" => "9999-12-31 23:59:59";
    "DATETIME(1)": "'2024-01-02 03:04:05.6'" => "2024-01-02 03:04:05.6";
    "DATETIME(3)": "'2024-01-02 03:04:05.060'" => "2024-01-02 03:04:05.06";
    "DATETIME(6)": "'2024-01-02 03:04:05.000001'" => "2024-01-02 03:04:05.000001";
    "TIMESTAMP NULL": "'2024-01-02 03:04:05'" => "2024-01-02 03:04:05+00",
        "'0000-00-00 00:00:00'" => "0000-00-00 00:00:00",
        "'2038-01-19 03:14:07'" => "2038-01-19 03:14:07+00",
        "'1970-01-01 00:00:01'" => "1970-01-01 00:00:01+00";
    "TIMESTAMP(6) NULL": "'2024-02-29 23:59:59.999999'" => "2024-02-29 23:59:59.999999+00";
    "TIMESTAMP(2) NULL": "'2024-02-29 23:59:59.90'" => "2024-02-29 23:59:59.9+00";
    "YEAR": "2024" => "2024", "1901" => "1901", "'0000'" => "0", "2155" => "2155";
    "ENUM('open','it''s \"closed\"','größe,x')": "'open'" => "open",
        "'it''s \"closed\"'" => "it's \"closed\"", "3" => "größe,x", "'no such label'" => "";
    "SET('a','b','c''d')": "'a,c''d'" => "a,c'd", "''" => "", "'b'" => "b";
    "POINT": "ST_GeomFromText('POINT(1.5 -2)')"
            => "\\x000000000101000000000000000000f83f00000000000000c0";
};

/// What only `MariaDB` has.
const MARIADB: &[TypeCase] = types! {
    "JSON": "'{\"b\":  1.10, \"a\": null}'" => "{\"b\":  1.10, \"a\": null}";
    "UUID": "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'" => "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "'123e4567-e89b-12d3-a456-426614174000'" => "123e4567-e89b-12d3-a456-426614174000";
    "INET6": "'2001:db8::ff00:42:8329'" => "2001:db8::ff00:42:8329", "'::'" => "::",
        "'::ffff:192.0.2.1'" => "::ffff:192.0.2.1";
    "INET4": "'192.0.2.0'" => "192.0.2.0";
    "VARCHAR(200) COMPRESSED": "REPEAT('squeeze ', 20)"
            => "squeeze squeeze squeeze squeeze squeeze squeeze squeeze squeeze squeeze squeeze \
            squeeze squeeze squeeze squeeze squeeze squeeze squeeze squeeze squeeze squeeze ",
        "'x'" => "x", "''" => "";
    "TEXT COMPRESSED": "REPEAT('y', 110)"
            => "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\
            yyyyyyyyyyyyyyyyyyyyyyyyy";
};
