//! Coming in without TLS.

use erpbridge_test_tds::{Fault, Login, PASSWORD, TdsServer, USER};

use crate::{client, code, config, connect, rows, text};

#[tokio::test]
async fn the_right_password_lets_in_and_the_wrong_one_does_not() {
    let server = TdsServer::start().await;
    let mut client = client(&server).await;
    let row = &rows(&mut client, "SELECT DB_NAME(), APP_NAME(), SUSER_SNAME()", &[]).await[0];
    assert_eq!((text(row, 0), text(row, 1)), (Some("ERP"), Some("a test")));
    assert_eq!(text(row, 2), Some(USER));
    assert_eq!(code(connect(config(&server, USER, "wrong")).await), 18456);
    assert_eq!(code(connect(config(&server, "nobody", PASSWORD)).await), 18456);
    let mut other = config(&server, USER, PASSWORD);
    other.database("Other");
    assert_eq!(code(connect(other).await), 4060);
}

#[tokio::test]
async fn a_login_that_is_changed_is_changed_at_once() {
    let server = TdsServer::start().await;
    server.login(Login::new("reader", "first"));
    connect(config(&server, "reader", "first")).await.unwrap();
    server.login(Login::new("reader", "second"));
    assert_eq!(code(connect(config(&server, "reader", "first")).await), 18456);
}

#[tokio::test]
async fn a_fault_at_login_is_the_error_it_says() {
    let server = TdsServer::start().await;
    server.fault(Fault::raise(1205));
    server.fault(Fault::raise(40613).on("LOGIN"));
    assert_eq!(code(connect(config(&server, USER, PASSWORD)).await), 40613);
    let mut client = connect(config(&server, USER, PASSWORD)).await.unwrap();
    assert_eq!(code(crate::run(&mut client, "SELECT 1").await), 1205);
}

#[tokio::test]
async fn sessions_are_listed_while_they_are_open() {
    let server = TdsServer::start().await;
    let mut asked = config(&server, USER, PASSWORD);
    asked.readonly(true);
    let mut client = connect(asked).await.unwrap();
    crate::run(&mut client, "SET LOCK_TIMEOUT 5000; SET DEADLOCK_PRIORITY LOW; BEGIN TRAN")
        .await
        .unwrap();
    let sessions = server.sessions();
    let [session] = sessions.as_slice() else { panic!("{sessions:?}") };
    assert!(session.read_only && !session.encrypted);
    assert_eq!((session.lock_timeout, session.deadlock_priority), (5000, -5));
    assert_eq!((session.open_transactions, session.isolation), (1, "read committed"));
    assert_eq!((session.application.as_str(), session.user.as_str()), ("a test", USER));
    drop(client);
    erpbridge_test_support::wait_until(
        "the session is gone",
        std::time::Duration::from_secs(5),
        async || server.sessions().is_empty(),
    )
    .await
    .unwrap();
}
