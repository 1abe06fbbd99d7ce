//! How a failed case is told: per event the path of each part that differs, with both values.

use std::io::{self, IsTerminal, Write};

use crate::mapping::cases::Difference;

/// Prints the differences of one case; in colour on a terminal, unless `NO_COLOR` is set.
pub(super) fn print_all(differences: &[Difference], out: &mut impl Write) -> io::Result<()> {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let colours = if wanted && io::stdout().is_terminal() { COLOURS } else { PLAIN };
    write_all(differences, &colours, out)
}

struct Colours {
    expected: &'static str,
    got: &'static str,
    end: &'static str,
}

const COLOURS: Colours = Colours { expected: "\x1b[31m", got: "\x1b[32m", end: "\x1b[0m" };
const PLAIN: Colours = Colours { expected: "", got: "", end: "" };

/// What belongs to one event stands under its name, written once.
fn write_all(
    differences: &[Difference],
    colours: &Colours,
    out: &mut impl Write,
) -> io::Result<()> {
    let Colours { expected: red, got: green, end } = colours;
    let mut last = "";
    for difference in differences {
        match difference {
            Difference::Other { of, path, expected, got } => {
                if of != last {
                    writeln!(out, "    {of}")?;
                }
                writeln!(out, "      {path}")?;
                writeln!(out, "        {red}expected  {expected}{end}")?;
                writeln!(out, "        {green}got       {got}{end}")?;
                last = of;
            }
            Difference::Broken { of, problem } => {
                if of != last {
                    writeln!(out, "    {of}")?;
                }
                writeln!(out, "      against its schema: {problem}")?;
                last = of;
            }
            Difference::Missing(of) => {
                writeln!(out, "    {red}missing   {of}{end}: expected, did not come")?;
            }
            Difference::Surplus { of, lines } => {
                writeln!(out, "    {green}surplus   {of}{end}: came, not expected")?;
                for line in lines {
                    writeln!(out, "        {green}{line}{end}")?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(differences: &[Difference], colours: &Colours) -> String {
        let mut out = Vec::new();
        write_all(differences, colours, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_event_is_named_once_over_all_that_differs_in_it() {
        let of = "event 1, procurement.purchaseorder.released";
        let differs = |path: &str, expected: &str, got: &str| Difference::Other {
            of: of.to_owned(),
            path: path.to_owned(),
            expected: expected.to_owned(),
            got: got.to_owned(),
        };
        let differences = [
            differs("subject", "erp.a", "erp.b"),
            differs("data.after.total.value", "1.50", "\"1.5\""),
            Difference::Missing("event 2, x".to_owned()),
            Difference::Surplus { of: "event 2, y".to_owned(), lines: vec!["data:".to_owned()] },
        ];
        let text = told(&differences, &PLAIN);
        let expected = "    event 1, procurement.purchaseorder.released
      subject
        expected  erp.a
        got       erp.b
      data.after.total.value
        expected  1.50
        got       \"1.5\"
    missing   event 2, x: expected, did not come
    surplus   event 2, y: came, not expected
        data:
";
        assert_eq!(text, expected);
        assert!(told(&differences, &COLOURS).contains("\x1b[31mexpected  erp.a\x1b[0m"));
    }
}
