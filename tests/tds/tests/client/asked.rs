//! What the server understands, and what it says of the rest.

use erpbridge_test_tds::{TdsServer, row};
use futures_util::TryStreamExt;
use tiberius::QueryItem;

use crate::{Sql, client, code, int, rows, text, try_rows};

async fn items() -> (TdsServer, Sql) {
    let server = TdsServer::start().await;
    let erp = server.database();
    erp.create_table("dbo.OITM", "Code nvarchar(20) PRIMARY KEY, Grp int, Price decimal(10,2)");
    let rows = (0..50).map(|n| row! { "Code": format!("i{n:02}"), "Grp": n % 3, "Price": n });
    erp.transaction().insert_all("dbo.OITM", rows).commit().await;
    let client = client(&server).await;
    (server, client)
}

async fn ints(client: &mut Sql, sql: &str) -> Vec<i32> {
    rows(client, sql, &[]).await.iter().map(|row| int(row, 0)).collect()
}

#[tokio::test]
async fn queries_are_answered_by_what_they_mean() {
    let (_server, mut client) = items().await;
    for (sql, expected) in [
        ("SELECT COUNT(*) FROM OITM", &[50][..]),
        ("SELECT Grp FROM dbo.OITM GROUP BY Grp HAVING COUNT(*) > 16 ORDER BY Grp DESC", &[1, 0]),
        ("SELECT TOP 2 Grp FROM OITM WHERE Code > 'I10' ORDER BY Code", &[2, 0]),
        ("SELECT CAST(MAX(Price) AS int) - 9 FROM [ERP].dbo.OITM AS i WHERE i.Grp <> 1", &[39]),
        ("SELECT 1 WHERE EXISTS (SELECT 1 FROM OITM o WHERE o.Grp = 5) UNION ALL SELECT 2", &[2]),
        (
            "SELECT COUNT(*) FROM OITM a LEFT JOIN OITM b ON b.Code = a.Code AND b.Grp = 0 \
             WHERE b.Code IS NULL",
            &[33],
        ),
        ("SELECT DISTINCT Grp FROM OITM ORDER BY 1", &[0, 1, 2]),
        ("WITH g AS (SELECT Grp AS n FROM OITM) SELECT COUNT(DISTINCT n) FROM g", &[3]),
        ("SELECT v.n FROM (VALUES (3), (1)) AS v(n) ORDER BY v.n", &[1, 3]),
        ("SELECT Grp FROM OITM ORDER BY Code DESC OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY", &[0, 2]),
        (
            "SELECT CASE WHEN Price BETWEEN 1 AND 2 THEN 5 ELSE 6 END FROM OITM WHERE Code LIKE 'I0[12]'",
            &[5, 5],
        ),
        (
            "SELECT x.Grp FROM (SELECT 1 AS k) AS one CROSS APPLY (SELECT TOP (1) Grp FROM OITM \
             WHERE Grp = one.k + 1) AS x",
            &[2],
        ),
    ] {
        assert_eq!(ints(&mut client, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn a_batch_answers_each_of_its_statements() {
    let (_server, mut client) = items().await;
    let sql = "SET NOCOUNT ON; DECLARE @n int = 2; IF @n > 1 SELECT @n AS n ELSE SELECT 0; \
               SELECT Code FROM OITM WHERE Price = @n";
    let results = client.simple_query(sql).await.unwrap().into_results().await.unwrap();
    assert_eq!((results.len(), int(&results[0][0], 0)), (2, 2));
    assert_eq!(text(&results[1][0], 0), Some("i02"));
}

#[tokio::test]
async fn what_sql_server_refuses_is_refused_with_its_number() {
    let (_server, mut client) = items().await;
    for (sql, number) in [
        ("SELECT * FROM dbo.Nothing", 208),
        ("SELECT Nothing FROM OITM", 207),
        ("SELECT Code, COUNT(*) FROM OITM GROUP BY Grp", 8120),
        ("SELECT Code FROM OITM a, OITM b", 209),
        ("SELECT @x", 137),
        ("SELECT CAST('x' AS int)", 245),
        ("SELECT 1 / (Grp - Grp) FROM OITM", 8134),
        ("COMMIT", 3902),
        ("SELECT (SELECT Grp FROM OITM)", 512),
    ] {
        assert_eq!(code(crate::run(&mut client, sql).await), number, "{sql}");
    }
    assert_eq!(ints(&mut client, "SELECT 1").await, [1]);
}

#[tokio::test]
async fn what_is_not_understood_is_an_error_and_written_down() {
    let (server, mut client) = items().await;
    for sql in [
        "SELECT ROW_NUMBER() OVER (ORDER BY Code) FROM OITM",
        "DELETE FROM OITM",
        "SELECT is_nothing FROM sys.tables",
        "SELECT Code FROM OITM LIMIT 5",
        "EXEC sp_who",
    ] {
        assert!(try_rows(&mut client, sql, &[]).await.is_err());
        let [told] = server.take_misunderstood().try_into().unwrap();
        assert!(told.contains(sql), "{told}");
    }
}

#[tokio::test]
#[should_panic(expected = "does not understand")]
async fn a_server_that_did_not_understand_fails_the_test() {
    let (server, mut client) = items().await;
    assert!(try_rows(&mut client, "TRUNCATE TABLE OITM", &[]).await.is_err());
    drop(server);
}

#[tokio::test]
async fn requests_are_written_down_with_their_parameters() {
    let (server, mut client) = items().await;
    server.forget_requests();
    rows(&mut client, "SELECT @P1", &[&5]).await;
    let requests = server.requests();
    assert_eq!((requests.len(), requests[0].sql.as_str()), (1, "SELECT @P1"));
    assert_eq!(requests[0].parameters, [("@P1".to_owned(), 5.into())]);
}

#[tokio::test]
async fn the_shape_of_a_result_comes_even_without_rows() {
    let (_server, mut client) = items().await;
    let sql = "SELECT Price * 2 AS twice, N'x' + Code AS c FROM OITM WHERE 1 = 0";
    let mut stream = client.query(sql, &[]).await.unwrap();
    let Some(QueryItem::Metadata(shape)) = stream.try_next().await.unwrap() else { panic!() };
    let names: Vec<&str> = shape.columns().iter().map(tiberius::Column::name).collect();
    assert_eq!(names, ["twice", "c"]);
    assert!(stream.try_next().await.unwrap().is_none());
}
