//! The walk-through of the page on mappings, typed in as it is written there.
//!
//! Blocks of the page are taken in order: `sh` is typed, every line of the `text` after it must have
//! been printed, `sql` is put into the database, `diff` is what the person changes in a file, `yaml` is a file named in its first
//! line.

use super::Desk;

const PAGE: &str = include_str!("../../../mappings/README.md");

/// The blocks between the heading and the next: language and lines.
fn blocks() -> Vec<(&'static str, Vec<&'static str>)> {
    let (_, section) = PAGE.split_once("\n## Map your first table\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let fenced = section.split("```").skip(1).step_by(2);
    fenced.map(|block| (block.lines().next().unwrap(), block.lines().skip(1).collect())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_through_of_the_page_leads_where_it_says() {
    let desk = Desk::empty().await;
    let (mut printed, mut typed) = (String::new(), 0);
    for (language, lines) in blocks() {
        match language {
            "sh" => {
                for command in lines {
                    let command = command.strip_prefix("erpbridge ").unwrap();
                    (_, printed) = desk.type_in(command);
                    typed += 1;
                }
            }
            "text" => lines.iter().for_each(|line| was_printed(line, &printed)),
            "sql" => desk.postgres.execute(&lines.join("\n")).await.unwrap(),
            "diff" => change(&desk, &lines),
            "yaml" => write(&desk, &lines),
            other => panic!("the walk-through does nothing with a block of `{other}`"),
        }
    }
    assert!(typed >= 10, "{typed} commands");
    let recorded = desk.read("mappings/desk/released.cases.yaml");
    for secret in ["PO-0102", "9900", "please", "gate"] {
        assert!(!recorded.contains(secret), "{secret} is in:\n{recorded}");
    }
    let (code, printed) = desk.type_in("map check mappings/lines");
    assert_eq!(code, Some(0), "{printed}");
}

/// `…` stands for what the page leaves out at the end of a line or within it.
fn was_printed(line: &str, printed: &str) {
    let parts: Vec<&str> = line.split("…").collect();
    let fits = |own: &str| {
        let mut rest = own;
        parts.iter().all(|part| match rest.split_once(part) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    };
    assert!(printed.lines().any(fits), "\"{line}\" is not in:\n{printed}");
}

fn write(desk: &Desk, lines: &[&str]) {
    let file = lines[0].strip_prefix("# ").unwrap();
    let url = desk.postgres.url("postgres");
    let text = lines.join("\n").replace("postgres://erpbridge@db.example:5432/shop", &url);
    desk.directory.write(file, &text).unwrap();
}

/// Lines with `-` or a blank must be there together; lines with `+` take their place. Without any,
/// they go to the end.
fn change(desk: &Desk, lines: &[&str]) {
    let file = lines[0].strip_prefix("--- ").unwrap();
    let side = |dropped: char| -> String {
        let kept = lines[1..].iter().filter(|line| !line.starts_with(dropped));
        kept.flat_map(|line| [line.get(1..).unwrap(), "\n"]).collect()
    };
    let (before, after) = (side('+'), side('-'));
    let text = desk.read(file);
    assert!(before.is_empty() || text.matches(&before).count() == 1, "{before}\nin:\n{text}");
    let changed = if before.is_empty() { text + &after } else { text.replacen(&before, &after, 1) };
    desk.directory.write(file, &changed).unwrap();
}
