-- The tables and the mixed backlog of schema.sql, in MariaDB's words.
CREATE TABLE po_header (
    po_id        bigint PRIMARY KEY,
    po_no        char(12),
    company      char(4) NOT NULL,
    supplier     char(10) NOT NULL,
    status       char(1) NOT NULL,
    currency     char(3) NOT NULL,
    order_date   date NOT NULL,
    buyer        varchar(20),
    total        decimal(14, 2) NOT NULL,
    note         varchar(80),
    changed_at   timestamp(6) NOT NULL,
    version      integer NOT NULL
) ENGINE = InnoDB;
CREATE TABLE po_line (
    line_id      bigint PRIMARY KEY,
    po_id        bigint NOT NULL,
    line_no      integer NOT NULL,
    item         char(15) NOT NULL,
    descr        varchar(60),
    qty          decimal(12, 3) NOT NULL,
    unit         char(3) NOT NULL,
    price        decimal(12, 4) NOT NULL,
    currency     char(3) NOT NULL,
    due          date,
    received     decimal(12, 3) NOT NULL,
    status       char(1) NOT NULL,
    plant        char(4) NOT NULL,
    changed_at   timestamp(6) NOT NULL,
    version      integer NOT NULL
) ENGINE = InnoDB;

-- Which change makes what is told in schema.sql. ROW_COUNT() of its last statement says whether
-- there was anything to change.
CREATE PROCEDURE change_one(k bigint)
BEGIN
    DECLARE step bigint DEFAULT k MOD 10;
    DECLARE old_id bigint DEFAULT k - 5005;
    DECLARE header bigint DEFAULT (old_id DIV 20 - IF(k MOD 20 = 16, 500, 0)) * 20;
    IF k MOD 4 = 0 THEN
        IF step < 5 THEN
            INSERT INTO po_header VALUES (k, CONCAT('PO', k), '0010', CONCAT('S', k MOD 997), 'D',
                'EUR', DATE '2026-01-01' + INTERVAL (k MOD 300) DAY, CONCAT('BUYER ', k MOD 7),
                (k MOD 100000) / 100, 'made by the benchmark', NOW(6), 1);
        ELSEIF step < 9 THEN
            UPDATE po_header SET status = CHAR(65 + k MOD 5 USING utf8mb4), total = total + 1.25,
                changed_at = NOW(6), version = version + 1
            WHERE po_id = header;
        ELSE
            DELETE FROM po_header WHERE po_id = header;
        END IF;
    ELSEIF step < 5 THEN
        INSERT INTO po_line VALUES (k, k DIV 4, k MOD 40, CONCAT('ITEM-', k MOD 5003),
            'a part of the benchmark', (k MOD 1000) / 8, 'PCE', (k MOD 7777) / 16, 'EUR',
            DATE '2026-02-01' + INTERVAL (k MOD 200) DAY, 0, 'O', 'M30', NOW(6), 1);
    ELSEIF step < 9 THEN
        UPDATE po_line SET received = received + 1.5, status = 'P', changed_at = NOW(6),
            version = version + 1
        WHERE line_id = old_id;
    ELSE
        DELETE FROM po_line WHERE line_id = old_id;
    END IF;
    SET @changes = @changes + ROW_COUNT();
END;

-- Commits the backlog, and answers how many row changes it made.
CREATE PROCEDURE backlog(first bigint, number bigint)
BEGIN
    DECLARE k bigint DEFAULT first;
    DECLARE n, size, i bigint DEFAULT 0;
    SET @changes = 0;
    WHILE k < first + number DO
        SET size = CASE WHEN n MOD 931 = 930 THEN 1000 WHEN n MOD 93 = 92 THEN 100
                        WHEN n MOD 8 = 7 THEN 10 ELSE 1 END;
        SET i = LEAST(size, first + number - k);
        START TRANSACTION;
        WHILE i > 0 DO
            CALL change_one(k);
            SET k = k + 1, i = i - 1;
        END WHILE;
        COMMIT;
        SET n = n + 1;
    END WHILE;
    SELECT @changes;
END
