//! The commands that work with mappings on a live database, as a person types them.

mod check;
mod init;
mod mariadb;
mod preview;
mod record;
mod walk;

use std::process::Command;

use erpbridge_test_support::{Directory, Postgres};

/// A small order desk: headers, lines that look them up, and what an ERP leaves behind.
const TABLES: &str = "
    CREATE SCHEMA erp;
    CREATE TABLE erp.head (id int PRIMARY KEY, co char(4), order_no varchar(20), status char(3),
      supplier varchar(12), due int, note text);
    CREATE TABLE erp.line (head_id int, pos int, item varchar(20), qty numeric(12,3),
      uom varchar(4), PRIMARY KEY (head_id, pos));
    CREATE TABLE erp.bare (a int, b text);
    INSERT INTO erp.head VALUES
      (1, '01', 'PO-0001', '220', 'S-100', 126001, 'please ring Mrs Nightingale'),
      (2, '01', 'PO-0002', '280', 'S-200', 126002, NULL),
      (3, '02', 'PO-0003', '285', 'S-100', 126003, '12 Harbour Lane');
    INSERT INTO erp.line VALUES
      (1, 1, 'BOLT', 10.5, 'EA'), (1, 2, 'NUT', 20, 'EA'), (2, 1, NULL, 1, 'XX'),
      (9, 1, 'BOLT', 3, 'EA');
    CREATE PUBLICATION erpbridge FOR TABLE erp.head, erp.line;";

const MAPPING: &str = r#"mapping: desk
read: { trim: end }
company: { column: co, aliases: { "01": acme, "*": dead_letter } }
tables:
  heads:
    table: erp.head
    keep: [status]
    deleted: ignore
    columns: { due: { date: cyyddd } }
  lines:
    table: erp.line
    deleted: ignore
    company: { column: head.co, aliases: { "01": acme, "02": globe, "*": dead_letter } }
    lookups: { head: { to: heads, by: head_id } }
codes:
  lifecycle: { "220": draft, "280": released, "*": dead_letter }
  units: { EA: C62, "*": dead_letter }
events:
  - emit: procurement.purchaseorder.released
    on: heads
    transition: { column: status, codes: lifecycle, axis: lifecycle, to: [released] }
    number: order_no
    fields: { supplier: supplier, required_date: due }
  - emit: procurement.purchaseorderline.added
    on: lines
    when: inserted
    fields:
      order: head_id
      line_no: pos
      item: { from: item, required: true }
      quantity: { value: qty, unit: { from: uom, code: units } }
"#;

/// A database, a directory with a mapping and a configuration, and the program.
struct Desk {
    postgres: Postgres,
    directory: Directory,
}

impl Desk {
    /// With the tables and the mapping above.
    async fn open() -> Self {
        let desk = Self::empty().await;
        desk.postgres.execute(TABLES).await.unwrap();
        desk.mapping(MAPPING);
        desk
    }

    /// With a database in which there is nothing.
    async fn empty() -> Self {
        let postgres = Postgres::start().await.unwrap();
        let directory = Directory::new("desk").unwrap();
        let config = format!(
            "sources:\n  - name: desk\n    postgres: {{ url: \"{}\" }}\n    mappings: mappings/desk\n",
            postgres.url("postgres")
        );
        directory.write("erpbridge.yaml", &config).unwrap();
        Self { postgres, directory }
    }

    fn mapping(&self, text: &str) {
        std::fs::create_dir_all(self.directory.join("mappings/desk")).unwrap();
        self.directory.write("mappings/desk/desk.yaml", text).unwrap();
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.directory.join(file)).unwrap()
    }

    fn type_in(&self, command: &str) -> (Option<i32>, String) {
        type_in(&self.directory, command)
    }
}

/// Types a command in a directory: how it ended, and everything it printed. Quotes hold an argument
/// together.
fn type_in(directory: &Directory, command: &str) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_erpbridge"));
    for (place, part) in command.split('"').enumerate() {
        match place % 2 {
            0 => program.args(part.split_whitespace()),
            _ => program.arg(part),
        };
    }
    let output = program.current_dir(directory.path()).output().unwrap();
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code(), String::from_utf8(both).unwrap())
}
