//! Every type, on its way there and back.

use erpbridge_test_tds::{TdsServer, Value, row};
use tiberius::ColumnData;
use tiberius::numeric::Numeric;

use crate::{Sql, client, rows, text, try_rows};

const COLUMNS: &str = "
    id int NOT NULL PRIMARY KEY,
    a_bit bit, a_tinyint tinyint, a_smallint smallint, an_int int, a_bigint bigint,
    a_real real, a_float float, a_decimal decimal(38,10), a_money money, a_smallmoney smallmoney,
    a_date date, a_time time(7), a_datetime datetime, a_smalldatetime smalldatetime,
    a_datetime2 datetime2(7), an_offset datetimeoffset(3), a_guid uniqueidentifier,
    a_char char(5), a_varchar varchar(20), a_nchar nchar(5), a_nvarchar nvarchar(20),
    a_varcharmax varchar(max), a_nvarcharmax nvarchar(max),
    a_binary binary(4), a_varbinary varbinary(8), a_varbinarymax varbinary(max),
    a_text text, a_ntext ntext, an_image image, an_xml xml, a_variant sql_variant,
    a_rowversion rowversion,
    cp850 varchar(20) COLLATE SQL_Latin1_General_CP850_CI_AS,
    cp437 varchar(20) COLLATE SQL_Latin1_General_CP437_CI_AS,
    cp1250 varchar(20) COLLATE Polish_CI_AS,
    place hierarchyid";

async fn filled() -> (TdsServer, Sql) {
    let server = TdsServer::start().await;
    let erp = server.database();
    erp.create_table("dbo.T", COLUMNS);
    let long = "ß".repeat(30_000);
    erp.transaction()
        .insert("dbo.T", row! {
            "id": 1, "a_bit": true, "a_tinyint": 255, "a_smallint": -32768, "an_int": i32::MIN,
            "a_bigint": i64::MAX, "a_real": 0.1_f32, "a_float": 0.1, "a_decimal":
            "-1234567890123456789012345678.0123456789", "a_money": "922337203685477.5807",
            "a_smallmoney": "-214748.3648", "a_date": "0001-01-01",
            "a_time": "23:59:59.9999999", "a_datetime": "2024-01-31 23:59:59.998",
            "a_smalldatetime": "2024-01-31 23:59:31", "a_datetime2": "9999-12-31 23:59:59.9999999",
            "an_offset": "2024-01-31 01:00:00.125+02:00",
            "a_guid": "0b1f9d6a-3c2e-4a57-8f10-1234567890ab", "a_char": "ab", "a_varchar": "Mü€",
            "a_nchar": "日本", "a_nvarchar": "日本語 😀", "a_varcharmax": long.as_str(),
            "a_nvarcharmax": long.as_str(), "a_binary": vec![1_u8, 2], "a_varbinary": vec![1_u8, 2],
            "a_varbinarymax": vec![7_u8; 20_000], "a_text": "Text", "a_ntext": "Ntext ü",
            "an_image": vec![9_u8], "an_xml": "<a>ü</a>", "a_variant": 5, "cp850": "Müller",
            "cp437": "Zürich", "cp1250": "Łódź", "place": "/1/2/",
        })
        .insert("dbo.T", row! { "id": 2 })
        .commit()
        .await;
    let client = client(&server).await;
    (server, client)
}

/// One cell as the client decodes it, of the full row and of the empty one.
async fn cell(client: &mut Sql, expression: &str) -> (String, String) {
    let sql = format!("SELECT {expression} FROM dbo.T ORDER BY id");
    let rows = rows(client, &sql, &[]).await;
    let shown = |row: &tiberius::Row| {
        let (_, data) = row.cells().next().unwrap();
        format!("{data:?}")
    };
    (shown(&rows[0]), shown(&rows[1]))
}

#[tokio::test]
async fn every_type_arrives_as_it_is_and_as_null() {
    let (_server, mut client) = filled().await;
    for (column, full) in [
        ("a_bit", "Bit(Some(true))"),
        ("a_tinyint", "U8(Some(255))"),
        ("a_smallint", "I16(Some(-32768))"),
        ("an_int", "I32(Some(-2147483648))"),
        ("a_bigint", "I64(Some(9223372036854775807))"),
        ("a_real", "F32(Some(0.1))"),
        ("a_float", "F64(Some(0.1))"),
        ("a_smallmoney", "F64(Some(-214748.3648))"),
        ("a_guid", "Guid(Some(0b1f9d6a-3c2e-4a57-8f10-1234567890ab))"),
        ("a_char", "String(Some(\"ab   \"))"),
        ("a_varchar", "String(Some(\"Mü€\"))"),
        ("a_nchar", "String(Some(\"日本   \"))"),
        ("a_nvarchar", "String(Some(\"日本語 😀\"))"),
        ("a_binary", "Binary(Some([1, 2, 0, 0]))"),
        ("a_varbinary", "Binary(Some([1, 2]))"),
        ("a_text", "String(Some(\"Text\"))"),
        ("a_ntext", "String(Some(\"Ntext ü\"))"),
        ("an_image", "Binary(Some([9]))"),
        ("a_variant", "I32(Some(5))"),
        ("cp1250", "String(Some(\"Łódź\"))"),
    ] {
        let (got, null) = cell(&mut client, column).await;
        assert_eq!(got, full, "{column}");
        assert!(null.contains("None"), "{column}: {null}");
    }
}

#[tokio::test]
async fn long_values_arrive_over_many_packets() {
    let (_server, mut client) = filled().await;
    let sql = "SELECT a_varcharmax, a_nvarcharmax, a_varbinarymax, an_xml FROM dbo.T WHERE id = 1";
    let row = rows(&mut client, sql, &[]).await.remove(0);
    let long = "ß".repeat(30_000);
    assert_eq!(text(&row, 0), Some(long.as_str()));
    assert_eq!(text(&row, 1), Some(long.as_str()));
    assert_eq!(row.get::<&[u8], _>(2), Some(vec![7; 20_000].as_slice()));
    let xml = row.get::<&tiberius::xml::XmlData, _>(3).unwrap();
    assert_eq!(xml.to_string(), "<a>ü</a>");
}

#[tokio::test]
async fn thirty_eight_digits_arrive_exactly() {
    let (_server, mut client) = filled().await;
    let sql = "SELECT a_decimal, CAST(a_money AS decimal(19,4)) FROM dbo.T WHERE id = @P1";
    let row = rows(&mut client, sql, &[&1]).await.remove(0);
    let numeric = row.get::<Numeric, _>(0).unwrap();
    assert_eq!(
        (numeric.value(), numeric.scale()),
        (-12_345_678_901_234_567_890_123_456_780_123_456_789, 10)
    );
    let money = row.get::<Numeric, _>(1).unwrap();
    assert_eq!((money.value(), money.scale()), (9_223_372_036_854_775_807, 4));
}

#[tokio::test]
async fn times_are_rounded_as_their_type_rounds() {
    let (_server, mut client) = filled().await;
    for (expression, expected) in [
        ("CONVERT(nvarchar(40), a_date, 23)", "0001-01-01"),
        ("CONVERT(nvarchar(40), a_time, 121)", "23:59:59.9999999"),
        ("CONVERT(nvarchar(40), a_datetime, 121)", "2024-01-31 23:59:59.997"),
        ("CONVERT(nvarchar(40), CAST(a_datetime AS datetime2(3)), 121)", "2024-01-31 23:59:59.997"),
        ("CONVERT(nvarchar(40), a_smalldatetime, 120)", "2024-02-01 00:00:00"),
        ("CONVERT(nvarchar(40), a_datetime2, 121)", "9999-12-31 23:59:59.9999999"),
        ("CONVERT(nvarchar(40), an_offset, 121)", "2024-01-31 01:00:00.125 +02:00"),
        ("CONVERT(nvarchar(40), an_offset, 127)", "2024-01-30T23:00:00.125Z"),
        ("CAST(a_guid AS nvarchar(36))", "0B1F9D6A-3C2E-4A57-8F10-1234567890AB"),
        ("CAST(a_money AS nvarchar(40))", "922337203685477.58"),
        ("CONVERT(nvarchar(40), a_varbinary, 1)", "0x0102"),
        ("place.ToString()", "/1/2/"),
        ("CAST(an_xml AS nvarchar(max))", "<a>ü</a>"),
        ("CAST(a_variant AS nvarchar(4000))", "5"),
    ] {
        let (got, null) = cell(&mut client, expression).await;
        assert_eq!(got, format!("String(Some({expected:?}))"), "{expression}");
        assert_eq!(null, "String(None)", "{expression}");
    }
}

#[tokio::test]
async fn native_times_decode_at_their_scale() {
    let (_server, mut client) = filled().await;
    let sql = "SELECT a_date, a_time, a_datetime, a_smalldatetime, a_datetime2, an_offset \
               FROM dbo.T WHERE id = 1";
    let row = rows(&mut client, sql, &[]).await.remove(0);
    let data: Vec<&ColumnData<'static>> = row.cells().map(|(_, data)| data).collect();
    assert!(matches!(data[0], ColumnData::Date(Some(date)) if date.days() == 0));
    assert!(matches!(data[1], ColumnData::Time(Some(time))
        if time.increments() == 863_999_999_999 && time.scale() == 7));
    assert!(matches!(data[2], ColumnData::DateTime(Some(time))
        if time.seconds_fragments() == 25_919_999 && time.days() == 45_320));
    assert!(matches!(data[3], ColumnData::SmallDateTime(Some(time))
        if time.seconds_fragments() == 0 && time.days() == 45_321));
    assert!(
        matches!(data[4], ColumnData::DateTime2(Some(time)) if time.date().days() == 3_652_058)
    );
    assert!(matches!(data[5], ColumnData::DateTimeOffset(Some(time))
        if time.offset() == 120 && time.datetime2().time().increments() == 82_800_125));
}

#[tokio::test]
async fn oem_code_pages_reach_the_client_only_through_a_cast() {
    let (_server, mut client) = filled().await;
    for column in ["cp850", "cp437"] {
        let refused = try_rows(&mut client, &format!("SELECT {column} FROM dbo.T"), &[]).await;
        assert!(matches!(refused, Err(tiberius::error::Error::Encoding(_))), "{column}");
    }
    let (_server, mut client) = filled().await;
    let sql =
        "SELECT CAST(cp850 AS nvarchar(max)), CAST(cp437 AS nvarchar(max)) FROM dbo.T WHERE id = 1";
    let row = rows(&mut client, sql, &[]).await.remove(0);
    assert_eq!((text(&row, 0), text(&row, 1)), (Some("Müller"), Some("Zürich")));
}

#[tokio::test]
async fn parameters_of_every_type_are_used() {
    let (_server, mut client) = filled().await;
    let sql = "SELECT @P1, @P2, @P3, @P4, @P5, @P6, @P7";
    let bytes: &[u8] = &[0, 1, 2];
    let none: Option<i32> = None;
    let number = Numeric::new_with_scale(12_345, 2);
    let row = rows(&mut client, sql, &[&"ü", &bytes, &none, &1.5_f64, &i64::MAX, &true, &number])
        .await
        .remove(0);
    assert_eq!(text(&row, 0), Some("ü"));
    assert_eq!(row.get::<&[u8], _>(1), Some(bytes));
    assert_eq!(row.get::<i32, _>(2), None);
    assert_eq!(row.get::<f64, _>(3), Some(1.5));
    assert_eq!(row.get::<i64, _>(4), Some(i64::MAX));
    assert_eq!(row.get::<bool, _>(5), Some(true));
    let number = row.get::<Numeric, _>(6).unwrap();
    assert_eq!(number.value() * 10_i128.pow(u32::from(4 - number.scale())), 1_234_500);
}

#[tokio::test]
async fn what_a_client_wrote_wrongly_is_read_in_its_code_page() {
    let server = TdsServer::start().await;
    let erp = server.database();
    erp.create_table("dbo.T", "id int PRIMARY KEY, name varchar(10)");
    erp.transaction()
        .insert("dbo.T", row! { "id": 1, "name": Value::from(vec![0x4d_u8, 0xfc]) })
        .commit()
        .await;
    let mut client = client(&server).await;
    let row = rows(&mut client, "SELECT name FROM dbo.T", &[]).await.remove(0);
    assert_eq!(text(&row, 0), Some("Mü"));
}
