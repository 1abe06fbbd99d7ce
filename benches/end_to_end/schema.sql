-- A header and a line table of the width an ERP has, and procedures that commit a mixed backlog.
CREATE TABLE po_header (
    po_id        bigint PRIMARY KEY,
    po_no        char(12),
    company      char(4) NOT NULL,
    supplier     char(10) NOT NULL,
    status       char(1) NOT NULL,
    currency     char(3) NOT NULL,
    order_date   date NOT NULL,
    buyer        varchar(20),
    total        numeric(14, 2) NOT NULL,
    note         varchar(80),
    changed_at   timestamptz NOT NULL,
    version      integer NOT NULL
);
CREATE TABLE po_line (
    line_id      bigint PRIMARY KEY,
    po_id        bigint NOT NULL,
    line_no      integer NOT NULL,
    item         char(15) NOT NULL,
    descr        varchar(60),
    qty          numeric(12, 3) NOT NULL,
    unit         char(3) NOT NULL,
    price        numeric(12, 4) NOT NULL,
    currency     char(3) NOT NULL,
    due          date,
    received     numeric(12, 3) NOT NULL,
    status       char(1) NOT NULL,
    plant        char(4) NOT NULL,
    changed_at   timestamptz NOT NULL,
    version      integer NOT NULL
);
CREATE TABLE stock_item (
    item         char(15) PRIMARY KEY,
    descr        varchar(60),
    unit         char(3) NOT NULL,
    active       char(1) NOT NULL
);

-- One change: of every ten, five insert, four update, one deletes; three of four touch lines. What is
-- updated or deleted was inserted thousands of changes ago, so that no transaction touches a row
-- twice and every row change is one event.
CREATE PROCEDURE change_one(k bigint) LANGUAGE plpgsql AS $$
DECLARE
    step bigint := k % 10;
    id bigint := k;
    old_id bigint := k - 5005;
    header bigint := (old_id / 20 - CASE WHEN k % 20 = 16 THEN 500 ELSE 0 END) * 20;
BEGIN
    IF k % 4 = 0 THEN
        IF step < 5 THEN
            INSERT INTO po_header VALUES (id, 'PO' || id, '0010', 'S' || (id % 997), 'D', 'EUR',
                DATE '2026-01-01' + (id % 300)::int, 'BUYER ' || (id % 7), (id % 100000) / 100.0,
                'made by the benchmark', now(), 1);
        ELSIF step < 9 THEN
            UPDATE po_header SET status = chr(65 + (k % 5)::int), total = total + 1.25,
                changed_at = now(), version = version + 1
            WHERE po_id = header;
        ELSE
            DELETE FROM po_header WHERE po_id = header;
        END IF;
    ELSIF step < 5 THEN
        INSERT INTO po_line VALUES (id, id / 4, (id % 40)::int, 'ITEM-' || (id % 5003),
            'a part of the benchmark', (id % 1000) / 8.0, 'PCE', (id % 7777) / 16.0, 'EUR',
            DATE '2026-02-01' + (id % 200)::int, 0, 'O', 'M30', now(), 1);
    ELSIF step < 9 THEN
        UPDATE po_line SET received = received + 1.5, status = 'P', changed_at = now(),
            version = version + 1
        WHERE line_id = old_id;
    ELSE
        DELETE FROM po_line WHERE line_id = old_id;
    END IF;
END $$;

-- The mixed backlog, from change `first` on: transactions of 1, 10, 100 and 1,000 rows in the
-- proportion 800 : 120 : 10 : 1, until `rows` changes are committed.
CREATE PROCEDURE backlog(first bigint, rows bigint) LANGUAGE plpgsql AS $$
DECLARE
    k bigint := first;
    n bigint := 0;
    size int;
BEGIN
    WHILE k < first + rows LOOP
        size := CASE WHEN n % 931 = 930 THEN 1000 WHEN n % 93 = 92 THEN 100
                     WHEN n % 8 = 7 THEN 10 ELSE 1 END;
        FOR i IN 1 .. least(size, first + rows - k) LOOP
            CALL change_one(k);
            k := k + 1;
        END LOOP;
        n := n + 1;
        COMMIT;
    END LOOP;
END $$;
