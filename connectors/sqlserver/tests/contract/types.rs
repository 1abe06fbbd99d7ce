//! Every type the connector supports, and values of it that are likely to be read differently.
//! The scripted server stores a text as SQL Server converts it to the column's type.

use erpbridge_connector::testkit::TypeCase;

/// A type whose values read as they are written, and NULL.
macro_rules! cases {
    ($($declared:literal : [$($written:literal => $read:literal),+ $(,)?]),+ $(,)?) => {
        vec![$(TypeCase {
            declared: $declared,
            values: &[$(($written, Some($read))),+, ("NULL", None)],
        }),+]
    };
}

pub(crate) fn types() -> Vec<TypeCase> {
    cases! {
        "bit": ["1" => "true", "0" => "false"],
        "tinyint": ["0" => "0", "255" => "255"],
        "smallint": ["-32768" => "-32768"],
        "int": ["-2147483648" => "-2147483648", "2147483647" => "2147483647"],
        "bigint": ["-9223372036854775808" => "-9223372036854775808",
                   "9223372036854775807" => "9223372036854775807"],
        "decimal(19,6)": ["12.5" => "12.500000", "-0.000001" => "-0.000001"],
        "decimal(38,0)": ["99999999999999999999999999999999999999"
                          => "99999999999999999999999999999999999999"],
        "decimal(38,38)": ["-0.99999999999999999999999999999999999999"
                           => "-0.99999999999999999999999999999999999999"],
        "numeric(5,2)": ["0" => "0.00", "-999.99" => "-999.99"],
        "money": ["922337203685477.5807" => "922337203685477.5807", "-0.0001" => "-0.0001"],
        "smallmoney": ["-214748.3648" => "-214748.3648"],
        "real": ["0.1" => "0.1", "16777216" => "16777216"],
        "float": ["0.1" => "0.1", "-1.7976931348623157E308" => "-1.7976931348623157e308"],
        "date": ["0001-01-01" => "0001-01-01", "9999-12-31" => "9999-12-31",
                 "2024-02-29" => "2024-02-29"],
        "time(7)": ["23:59:59.9999999" => "23:59:59.9999999", "00:00:00" => "00:00:00"],
        "time(0)": ["12:30:15" => "12:30:15"],
        "datetime": ["2024-02-29 23:59:59.998" => "2024-02-29 23:59:59.997",
                     "1753-01-01 00:00:00" => "1753-01-01 00:00:00",
                     "2024-01-01 00:00:00.003" => "2024-01-01 00:00:00.003"],
        "smalldatetime": ["2024-02-29 23:59:00" => "2024-02-29 23:59:00"],
        "datetime2(7)": ["0001-01-01 00:00:00.0000001" => "0001-01-01 00:00:00.0000001"],
        "datetime2(3)": ["9999-12-31 23:59:59.999" => "9999-12-31 23:59:59.999"],
        "datetimeoffset(7)": ["2024-03-01 00:30:00.5 +01:00" => "2024-02-29 23:30:00.5+00",
                              "2024-02-29 20:00:00 -05:00" => "2024-03-01 01:00:00+00"],
        "uniqueidentifier": ["6F9619FF-8B86-D011-B42D-00C04FC964FF"
                             => "6f9619ff-8b86-d011-b42d-00c04fc964ff"],
        "char(5)": ["A1" => "A1   "],
        "nchar(4)": ["Ω" => "Ω   "],
        "varchar(20)": ["Mü€n" => "Mü€n", "" => "", "a  " => "a  "],
        "varchar(20) COLLATE SQL_Latin1_General_CP850_CI_AS": ["Größe ½ ╬" => "Größe ½ ╬"],
        "varchar(20) COLLATE SQL_Latin1_General_CP437_CI_AS": ["naïve Σ" => "naïve Σ"],
        "varchar(max)": ["long ü" => "long ü"],
        "nvarchar(20)": ["日本 🚀" => "日本 🚀", "it's" => "it's"],
        "nvarchar(max)": ["tab\tline\nend" => "tab\tline\nend"],
        "text": ["old ä" => "old ä"],
        "ntext": ["old Ω" => "old Ω"],
        "binary(4)": ["0x0102" => "\\x01020000"],
        "varbinary(8)": ["0x00ff" => "\\x00ff"],
        "varbinary(max)": ["0xdeadbeef" => "\\xdeadbeef"],
        "image": ["0x00" => "\\x00"],
        "xml": ["<a b=\"1\">x</a>" => "<a b=\"1\">x</a>"],
        "sql_variant": ["text" => "text"],
        "hierarchyid": ["/1/2/" => "/1/2/"],
    }
}
