-- The made-up legacy ERP of schema.sql as it would be on SQL Server: the same tables, columns and
-- habits, which are told there, in the words of this server. Run in the database `legacy`. The
-- number ranges, of no interest to the bridge, are left out.

CREATE SCHEMA legacy;
GO

-- Supplier master.
CREATE TABLE legacy.spma (
    suco char(3) NOT NULL,
    susu char(10) NOT NULL,
    sunm char(30) NOT NULL,
    sucu char(3) NOT NULL,
    sult smallint NOT NULL,
    suac char(1) NOT NULL DEFAULT 'Y',
    subl datetime NOT NULL DEFAULT '1900-01-01',
    sutk int NOT NULL DEFAULT 1,
    PRIMARY KEY (suco, susu)
);

-- Item master.
CREATE TABLE legacy.itma (
    imco char(3) NOT NULL,
    imit char(15) NOT NULL,
    imds char(30) NOT NULL,
    imum char(3) NOT NULL,
    imgr char(4) NOT NULL DEFAULT ' ',
    imwt real NOT NULL,
    impr decimal(13, 4) NOT NULL,
    imac char(1) NOT NULL DEFAULT 'Y',
    imcd int NOT NULL DEFAULT 0,
    imtx varchar(max),
    imtk int NOT NULL DEFAULT 1,
    PRIMARY KEY (imco, imit)
);

-- Purchase order header.
CREATE TABLE legacy.pohd (
    hdid bigint IDENTITY PRIMARY KEY,
    hdco char(3) NOT NULL,
    hdpl char(4) NOT NULL,
    hdno char(10),
    hdst char(1) NOT NULL,
    hdsu char(10) NOT NULL,
    hdcu char(3) NOT NULL,
    hdby char(8) NOT NULL DEFAULT ' ',
    hdod int NOT NULL DEFAULT 0,
    hdtl decimal(15, 2) NOT NULL DEFAULT 0,
    hdcl datetime NOT NULL DEFAULT '1900-01-01',
    hdtk int NOT NULL DEFAULT 1
);

-- Purchase order line.
CREATE TABLE legacy.poln (
    lnhd bigint NOT NULL,
    lnln smallint NOT NULL,
    lnco char(3) NOT NULL,
    lnpl char(4) NOT NULL,
    lnit char(15) NOT NULL,
    lnum char(3) NOT NULL,
    lnqt float NOT NULL,
    lnrc float NOT NULL DEFAULT 0,
    lnpr decimal(13, 4) NOT NULL,
    lncu char(3) NOT NULL,
    lnrq int NOT NULL DEFAULT 0,
    lnst char(1) NOT NULL DEFAULT 'O',
    lntk int NOT NULL DEFAULT 1,
    PRIMARY KEY (lnhd, lnln)
);

-- Stock moves: rows are only ever added.
CREATE TABLE legacy.stmv (
    mvid bigint IDENTITY PRIMARY KEY,
    mvco char(3) NOT NULL,
    mvpl char(4) NOT NULL,
    mvit char(15) NOT NULL,
    mvty char(2) NOT NULL,
    mvqt float NOT NULL,
    mvfl char(6) NOT NULL DEFAULT ' ',
    mvtl char(6) NOT NULL DEFAULT ' ',
    mvum char(3) NOT NULL,
    mvdt int NOT NULL,
    mvtm int NOT NULL,
    mvhd bigint NOT NULL DEFAULT 0,
    mvln smallint NOT NULL DEFAULT 0,
    mvdn char(12) NOT NULL DEFAULT ' '
);

-- Stock balances.
CREATE TABLE legacy.stbl (
    blco char(3) NOT NULL,
    blpl char(4) NOT NULL,
    blit char(15) NOT NULL,
    blum char(3) NOT NULL,
    blqt float NOT NULL DEFAULT 0,
    blrs float NOT NULL DEFAULT 0,
    bldt int NOT NULL DEFAULT 0,
    bltk int NOT NULL DEFAULT 1,
    PRIMARY KEY (blco, blpl, blit)
);
