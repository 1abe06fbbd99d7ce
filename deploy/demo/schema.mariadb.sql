-- The made-up legacy ERP of schema.sql as it would be on MariaDB: the same tables, columns and
-- habits, which are told there, in the words of this server. `char` columns lose their padding
-- when they are read; there is no large value outside a row, and the log carries whole rows.

CREATE DATABASE legacy CHARACTER SET latin1;
USE legacy;

-- Supplier master.
CREATE TABLE spma (
    suco char(3) NOT NULL,
    susu char(10) NOT NULL,
    sunm char(30) NOT NULL,
    sucu char(3) NOT NULL,
    sult smallint NOT NULL,
    suac char(1) NOT NULL DEFAULT 'Y',
    subl datetime NOT NULL DEFAULT '1900-01-01',
    sutk integer NOT NULL DEFAULT 1,
    PRIMARY KEY (suco, susu)
) ENGINE = InnoDB;

-- Item master.
CREATE TABLE itma (
    imco char(3) NOT NULL,
    imit char(15) NOT NULL,
    imds char(30) NOT NULL,
    imum char(3) NOT NULL,
    imgr char(4) NOT NULL DEFAULT ' ',
    imwt float NOT NULL,
    impr decimal(13, 4) NOT NULL,
    imac char(1) NOT NULL DEFAULT 'Y',
    imcd integer NOT NULL DEFAULT 0,
    imtx text,
    imtk integer NOT NULL DEFAULT 1,
    PRIMARY KEY (imco, imit)
) ENGINE = InnoDB;

-- Purchase order header.
CREATE TABLE pohd (
    hdid bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    hdco char(3) NOT NULL,
    hdpl char(4) NOT NULL,
    hdno char(10),
    hdst char(1) NOT NULL,
    hdsu char(10) NOT NULL,
    hdcu char(3) NOT NULL,
    hdby char(8) NOT NULL DEFAULT ' ',
    hdod integer NOT NULL DEFAULT 0,
    hdtl decimal(15, 2) NOT NULL DEFAULT 0,
    hdcl datetime NOT NULL DEFAULT '1900-01-01',
    hdtk integer NOT NULL DEFAULT 1,
    KEY pohd_status (hdst, hdid)
) ENGINE = InnoDB;

-- Purchase order line.
CREATE TABLE poln (
    lnhd bigint NOT NULL,
    lnln smallint NOT NULL,
    lnco char(3) NOT NULL,
    lnpl char(4) NOT NULL,
    lnit char(15) NOT NULL,
    lnum char(3) NOT NULL,
    lnqt double NOT NULL,
    lnrc double NOT NULL DEFAULT 0,
    lnpr decimal(13, 4) NOT NULL,
    lncu char(3) NOT NULL,
    lnrq integer NOT NULL DEFAULT 0,
    lnst char(1) NOT NULL DEFAULT 'O',
    lntk integer NOT NULL DEFAULT 1,
    PRIMARY KEY (lnhd, lnln)
) ENGINE = InnoDB;

-- Stock moves: rows are only ever added.
CREATE TABLE stmv (
    mvid bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    mvco char(3) NOT NULL,
    mvpl char(4) NOT NULL,
    mvit char(15) NOT NULL,
    mvty char(2) NOT NULL,
    mvqt double NOT NULL,
    mvfl char(6) NOT NULL DEFAULT ' ',
    mvtl char(6) NOT NULL DEFAULT ' ',
    mvum char(3) NOT NULL,
    mvdt integer NOT NULL,
    mvtm integer NOT NULL,
    mvhd bigint NOT NULL DEFAULT 0,
    mvln smallint NOT NULL DEFAULT 0,
    mvdn char(12) NOT NULL DEFAULT ' '
) ENGINE = InnoDB;

-- Stock balances.
CREATE TABLE stbl (
    blco char(3) NOT NULL,
    blpl char(4) NOT NULL,
    blit char(15) NOT NULL,
    blum char(3) NOT NULL,
    blqt double NOT NULL DEFAULT 0,
    blrs double NOT NULL DEFAULT 0,
    bldt integer NOT NULL DEFAULT 0,
    bltk integer NOT NULL DEFAULT 1,
    PRIMARY KEY (blco, blpl, blit)
) ENGINE = InnoDB;

-- Number ranges: the next business number is itself a row. Of no interest to the bridge.
CREATE TABLE nurg (
    nuco char(3) NOT NULL,
    nuty char(2) NOT NULL,
    nunx integer NOT NULL,
    PRIMARY KEY (nuco, nuty)
) ENGINE = InnoDB;

-- What the company has before the simulation begins.

INSERT INTO nurg VALUES ('01', 'PO', 450001), ('02', 'PO', 770001);

INSERT INTO spma (suco, susu, sunm, sucu, sult)
SELECT co, CONCAT('S', LPAD(n.seq, 4, '0')), CONCAT('SUPPLIER ', LPAD(n.seq, 4, '0')),
       IF(n.seq % 4 = 0, 'USD', 'EUR'), 3 + n.seq % 25
FROM (SELECT '01' AS co UNION ALL SELECT '02') AS companies, seq_1_to_40 AS n;

INSERT INTO itma (imco, imit, imds, imum, imgr, imwt, impr, imcd, imtx)
SELECT co, CONCAT('I', LPAD(n.seq, 5, '0')), CONCAT('DEMO ITEM ', n.seq),
       ELT(1 + n.seq % 3, 'PC', 'KG', 'M'),
       IF(n.seq % 5 = 0, ' ', CONCAT('G', n.seq % 9)),
       0.1 + n.seq % 17, 1.25 + n.seq % 90, 20200101 + n.seq % 28,
       IF(n.seq % 10 = 0, REPEAT(CONCAT('Text of demo item ', n.seq, '. '), 200), NULL)
FROM (SELECT '01' AS co UNION ALL SELECT '02') AS companies, seq_1_to_300 AS n;

INSERT INTO stbl (blco, blpl, blit, blum, blqt)
SELECT imco, pl, imit, imum, 100 + 0.5 * (RIGHT(imit, 5) % 40)
FROM itma JOIN (SELECT '01' AS co, 'P10' AS pl UNION ALL SELECT '01', 'P20'
                UNION ALL SELECT '02', 'P30') AS plant ON co = imco;
