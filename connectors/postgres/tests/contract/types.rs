//! Every type an ERP keeps its data in, with the values that are read wrongly elsewhere.

use erpbridge_connector::testkit::TypeCase;

/// What the types below need.
pub(crate) const PREPARE: &str = r#"
CREATE TYPE erp.state AS ENUM ('open', 'it''s "closed"');
CREATE TYPE erp.address AS (street text, number integer);
CREATE DOMAIN erp.quantity AS numeric(12,3);
CREATE DOMAIN erp.stock AS erp.quantity CHECK (value >= 0);
CREATE DOMAIN erp.flag AS boolean;
CREATE TABLE erp."Odd Name" ();
GRANT USAGE ON TYPE erp.state, erp.address, erp.quantity, erp.stock, erp.flag TO bridge"#;

macro_rules! types {
    ($($declared:literal: $($value:literal => $text:literal),+;)+) => {
        &[$(TypeCase {
            declared: $declared,
            values: &[$(($value, Some($text)),)+ ("NULL", None)],
        }),+]
    };
}

/// One column each, with NULL as its last value.
pub(crate) const TYPES: &[TypeCase] = types! {
    "smallint": "-32768" => "-32768", "32767" => "32767";
    "integer": "-2147483648" => "-2147483648", "0" => "0";
    "bigint": "-9223372036854775808" => "-9223372036854775808",
        "9007199254740993" => "9007199254740993";
    "numeric": "'NaN'" => "NaN", "'Infinity'" => "Infinity", "'-Infinity'" => "-Infinity",
        "1e-20" => "0.00000000000000000001", "0.10" => "0.10", "-0.0" => "0.0",
        "123456789012345678901234567890.123456789" => "123456789012345678901234567890.123456789";
    "numeric(12,4)": "1.1" => "1.1000", "-0.00005" => "-0.0001", "'NaN'" => "NaN";
    "real": "'-0'" => "-0", "26.4" => "26.4", "'NaN'" => "NaN", "'Infinity'" => "Infinity",
        "'-Infinity'" => "-Infinity", "1e-45" => "1e-45", "16777216" => "1.6777216e+07";
    "double precision": "'-0'" => "-0", "26.4" => "26.4", "'NaN'" => "NaN",
        "'Infinity'" => "Infinity", "'-Infinity'" => "-Infinity", "1e-300" => "1e-300",
        "0.1::float8 + 0.2::float8" => "0.30000000000000004", "1e15" => "1e+15";
    "char(8)": "'AB'" => "AB      ", "''" => "        ", "' x'" => " x      ";
    "varchar(20)": "'trailing  '" => "trailing  ", "''" => "";
    "text": "E'it''s \"quoted\", back\\\\slash, \\\\N, line\\nfeed\\r, tab\\t'"
            => "it's \"quoted\", back\\slash, \\N, line\nfeed\r, tab\t",
        "'Grüße, 世界 😀 e\u{301}'" => "Grüße, 世界 😀 e\u{301}", "''" => "", "'NULL'" => "NULL",
        "repeat('toast ', 2) || E'\\u0001\\u007f'" => "toast toast \u{1}\u{7f}";
    "\"char\"": "'A'" => "A";
    "name": "'a_name'" => "a_name";
    "bytea": "'\\xdeadBEEF00'" => "\\xdeadbeef00", "''" => "\\x";
    "boolean": "true" => "true", "false" => "false";
    "date": "'2024-02-29'" => "2024-02-29", "'infinity'" => "infinity",
        "'-infinity'" => "-infinity", "'0044-03-15 BC'" => "0044-03-15 BC",
        "'10000-01-01'" => "10000-01-01", "'5874897-12-31'" => "5874897-12-31";
    "time": "'23:59:59.123456'" => "23:59:59.123456", "'24:00'" => "24:00:00";
    "time(0)": "'23:59:59.6'" => "24:00:00";
    "timetz": "'12:00:00+09'" => "12:00:00+09", "'12:00:00.5-03:30'" => "12:00:00.5-03:30";
    "timestamp": "'2024-01-02 03:04:05'" => "2024-01-02 03:04:05",
        "'0044-03-15 BC'" => "0044-03-15 00:00:00 BC", "'infinity'" => "infinity",
        "'-infinity'" => "-infinity",
        "'10000-01-01 00:00:00.000001'" => "10000-01-01 00:00:00.000001";
    "timestamp(0)": "'2024-01-02 03:04:05.6'" => "2024-01-02 03:04:06";
    "timestamptz": "'2024-01-02 03:04:05+09'" => "2024-01-01 18:04:05+00",
        "'0044-03-15 00:00:00+00 BC'" => "0044-03-15 00:00:00+00 BC", "'infinity'" => "infinity",
        "'-infinity'" => "-infinity", "'10000-01-01 00:00:00+00'" => "10000-01-01 00:00:00+00";
    "interval": "'1 year 2 mons -3 days 04:05:06.7'" => "P1Y2M-3DT4H5M6.7S", "'0'" => "PT0S",
        "'-00:00:01'" => "PT-1S";
    "uuid": "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'" => "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    "json": "'{\"b\":  1.10, \"a\": null}'" => "{\"b\":  1.10, \"a\": null}", "'null'" => "null";
    "jsonb": "'{\"b\":  1.10, \"a\": null}'" => "{\"a\": null, \"b\": 1.10}", "'null'" => "null";
    "xml": "'<a>&amp;</a>'" => "<a>&amp;</a>";
    "money": "'-1234.5'" => "-$1,234.50", "'0'" => "$0.00";
    "inet": "'10.0.0.1/8'" => "10.0.0.1/8", "'::1'" => "::1";
    "cidr": "'10.0.0.0/8'" => "10.0.0.0/8";
    "macaddr": "'08-00-2B-01-02-03'" => "08:00:2b:01:02:03";
    "macaddr8": "'08-00-2B-01-02-03-04-05'" => "08:00:2b:01:02:03:04:05";
    "bit(3)": "B'101'" => "101";
    "bit varying": "B'0'" => "0", "B''" => "";
    "erp.state": "'open'" => "open", "'it''s \"closed\"'" => "it's \"closed\"";
    "erp.quantity": "1.5" => "1.500";
    "erp.stock": "0" => "0.000";
    "erp.flag": "true" => "true", "false" => "false";
    "text[]": "ARRAY['a', NULL, 'x,y', 'q\"z', 'b\\s', '', 'NULL']"
            => "{a,NULL,\"x,y\",\"q\\\"z\",\"b\\\\s\",\"\",\"NULL\"}",
        "'{{a,b},{c,d}}'" => "{{a,b},{c,d}}", "'[0:1]={a,b}'" => "[0:1]={a,b}", "'{}'" => "{}";
    "integer[]": "'{1,NULL,-3}'" => "{1,NULL,-3}";
    "numeric(8,2)[]": "'{1,NaN}'" => "{1.00,NaN}";
    "boolean[]": "'{true,false}'" => "{t,f}";
    "timestamptz[]": "'{2024-01-02 03:04:05+09}'" => "{\"2024-01-01 18:04:05+00\"}";
    "erp.state[]": "'{open}'" => "{open}";
    "int4range": "'[1,5]'" => "[1,6)", "'empty'" => "empty", "'(,5)'" => "(,5)";
    "numrange": "'(1.0,2.50]'" => "(1.0,2.50]";
    "daterange": "'[2024-01-01,2024-01-31]'" => "[2024-01-01,2024-02-01)";
    "tstzrange": "'[2024-01-01 00:00:00+00,infinity)'" => "[\"2024-01-01 00:00:00+00\",infinity)";
    "int4multirange": "'{[1,3),[5,7)}'" => "{[1,3),[5,7)}";
    "erp.address": "ROW('a \"b\", c', NULL)" => "(\"a \"\"b\"\", c\",)";
    "oid": "4294967295" => "4294967295";
    "regclass": "'erp.\"Odd Name\"'" => "erp.\"Odd Name\"";
    "tsvector": "'fat:2A cat'" => "'cat' 'fat':2A";
    "tsquery": "'fat & !rat'" => "'fat' & !'rat'";
    "point": "'(1.5,-2)'" => "(1.5,-2)";
    "box": "'((0,0),(1,1))'" => "(1,1),(0,0)";
    "path": "'[(0,0),(1,1)]'" => "[(0,0),(1,1)]";
    "polygon": "'((0,0),(1,1),(1,0))'" => "((0,0),(1,1),(1,0))";
    "circle": "'<(0,0),1>'" => "<(0,0),1>";
    "jsonpath": "'$.a'" => "$.\"a\"";
    "pg_lsn": "'16/B374D848'" => "16/B374D848";
};
