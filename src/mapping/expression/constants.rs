//! What an expression says by itself: its constant texts, and the columns it holds against
//! constants.

use super::tree::{Operator, Tree, What};
use super::{Expression, Reference};

/// The constants of an expression.
#[derive(Default)]
pub(in crate::mapping) struct Constants<'e> {
    /// Its texts.
    pub texts: Vec<&'e str>,
    /// Columns compared with constants other than zero, so that their values mean something.
    pub compared: Vec<&'e Reference>,
}

impl Expression {
    /// Its constants.
    pub(in crate::mapping) fn constants(&self) -> Constants<'_> {
        let mut found = Constants::default();
        self.gather(&self.tree, &mut found);
        found
    }

    fn gather<'e>(&'e self, tree: &'e Tree, found: &mut Constants<'e>) {
        match &tree.what {
            What::Text(text) => found.texts.push(text),
            What::List(all) => all.iter().for_each(|one| self.gather(one, found)),
            What::Call(call) => call.arguments.iter().for_each(|one| self.gather(one, found)),
            What::Unary(_, one) => self.gather(one, found),
            What::Element(one, other) => {
                self.gather(one, found);
                self.gather(other, found);
            }
            What::Binary(binary, one, other) => {
                if compares(binary.operator) {
                    self.compare(one, other, found);
                    self.compare(other, one, found);
                }
                self.gather(one, found);
                self.gather(other, found);
            }
            What::Choice(condition, then, otherwise) => {
                for part in [condition, then, otherwise] {
                    self.gather(part, found);
                }
            }
            What::Null | What::Bool(_) | What::Number(_) | What::Column(_) | What::Changed(..) => {}
        }
    }

    fn compare<'e>(&'e self, column: &Tree, constant: &Tree, found: &mut Constants<'e>) {
        if let What::Column(place) = column.what
            && means_something(constant)
        {
            found.compared.extend(self.references.get(place));
        }
    }
}

const fn compares(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Equal
            | Operator::Unequal
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual
            | Operator::In
    )
}

/// Zero divides amounts, and every other number is one of somebody's codes.
fn means_something(tree: &Tree) -> bool {
    match &tree.what {
        What::Text(_) | What::List(_) => true,
        What::Number(number) => number.to_whole() != Some(0),
        _ => false,
    }
}
