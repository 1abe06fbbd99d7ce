//! Where values are put together: memory that is used again for every change.

use std::borrow::Cow;
use std::cell::{RefCell, RefMut};
use std::sync::Arc;

use bumpalo::Bump;
use hashbrown::{HashMap, HashSet};

use crate::mapping::codec::Pseudonym;

/// Texts made while a change is mapped. They live until the change is done, and then the memory
/// is used again; a steady flow of changes allocates nothing.
#[derive(Debug, Default)]
pub struct Desk {
    texts: Bump,
    scratch: RefCell<String>,
    /// Of expressions, whose inputs are decoded on the way.
    inner: RefCell<String>,
    pseudonym: Option<Arc<Pseudonym>>,
    /// Values of columns that are known to have their subject tokens.
    claimed: RefCell<HashMap<Box<str>, HashSet<Box<str>>>>,
}

/// So many values of a column are known by heart.
const MAX_CLAIMED: usize = 10_000;

impl Desk {
    /// A desk that can write pseudonyms.
    pub fn with_pseudonym(pseudonym: Option<Arc<Pseudonym>>) -> Self {
        Self { pseudonym, ..Self::default() }
    }

    /// The key of pseudonyms, if there is one.
    pub(in crate::mapping) fn pseudonym(&self) -> Option<&Pseudonym> {
        self.pseudonym.as_deref()
    }

    /// Clears it for the next change.
    pub(in crate::mapping) fn clear(&mut self) {
        self.texts.reset();
    }

    /// The text itself, or a copy that lives as long as the change is mapped.
    pub(in crate::mapping) fn keep<'v>(&'v self, text: Cow<'v, str>) -> &'v str {
        match text {
            Cow::Borrowed(text) => text,
            Cow::Owned(text) => self.texts.alloc_str(&text),
        }
    }

    /// A copy that lives as long as the change is mapped.
    pub(in crate::mapping) fn copy<'v>(&'v self, text: &str) -> &'v str {
        self.texts.alloc_str(text)
    }

    /// A key as it is remembered, behind what keys of its table begin with.
    pub(in crate::mapping) fn prefixed<'v>(&'v self, prefix: &str, key: &'v str) -> &'v str {
        if prefix.is_empty() {
            return key;
        }
        let mut whole = bumpalo::collections::String::new_in(&self.texts);
        whole.push_str(prefix);
        whole.push_str(key);
        whole.into_bump_str()
    }

    /// What `decode` makes of a text.
    pub(in crate::mapping) fn decoded<'v>(
        &'v self,
        text: &str,
        decode: impl for<'s> FnOnce(&'s str, &'s mut String) -> Option<&'s str>,
    ) -> Option<&'v str> {
        let mut scratch = self.scratch.borrow_mut();
        decode(text, &mut scratch).map(|text| self.copy(text))
    }

    /// Whether a value of a column is known to have its subject token.
    pub(in crate::mapping) fn has_claimed(&self, column: &str, value: &str) -> bool {
        self.claimed.borrow().get(column).is_some_and(|values| values.contains(value))
    }

    /// Notes that it has.
    pub(in crate::mapping) fn note_claim(&self, column: &str, value: &str) {
        let mut claimed = self.claimed.borrow_mut();
        if !claimed.contains_key(column) {
            claimed.insert(column.into(), HashSet::new());
        }
        let Some(values) = claimed.get_mut(column) else { return };
        if values.len() >= MAX_CLAIMED {
            values.clear();
        }
        values.insert(value.into());
    }

    /// Where an expression may write.
    pub(in crate::mapping) fn inner(&self) -> RefMut<'_, String> {
        self.inner.borrow_mut()
    }

    /// Memory for texts that are put together.
    pub(in crate::mapping) fn texts(&self) -> &Bump {
        &self.texts
    }
}
