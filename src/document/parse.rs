//! From the parser's events to nodes.
//!
//! The tree is built on a stack of its own, with a bound on its depth, so that no document can
//! exhaust the thread's stack; its size is bounded before anything is read.

use std::borrow::Cow;
use std::sync::Arc;

use erpbridge_connector::Finding;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use super::{Content, Entry, Node, Place};

/// The largest document that is read.
pub const MAX_BYTES: usize = 4 << 20;

/// How deep lists and maps may be nested.
pub const MAX_DEPTH: usize = 32;

/// Reading a document.
pub struct Document;

impl Document {
    /// Reads the one document in `text`; `file` is the name findings will carry. Text that is not
    /// YAML stops at the first mistake: what follows it could not be told.
    pub fn parse(file: &str, text: &str) -> Result<Node, Finding> {
        let mut builder = Builder { file: file.into(), open: Vec::new(), done: None };
        if text.len() > MAX_BYTES {
            let problem = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
            return Err(builder.start().error(problem, "split it over several files"));
        }
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| builder.broken(&error, text))?;
            builder.take(event, span.start)?;
        }
        let start = builder.start();
        Ok(builder.done.unwrap_or(Node { place: start, content: Content::Null }))
    }
}

/// A list or map whose end has not come yet.
enum Open {
    List(Place, Vec<Node>),
    Map(Place, Vec<Entry>, Option<(String, Place)>),
}

struct Builder {
    file: Arc<str>,
    open: Vec<Open>,
    done: Option<Node>,
}

impl Builder {
    fn start(&self) -> Place {
        Place { file: Arc::clone(&self.file), line: 1, column: 1 }
    }

    fn place(&self, marker: Marker) -> Place {
        Place { file: Arc::clone(&self.file), line: marker.line(), column: marker.col() + 1 }
    }

    fn take(&mut self, event: Event<'_>, marker: Marker) -> Result<(), Finding> {
        let place = self.place(marker);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                plain_yaml(&place, anchor, tag.is_some())?;
                self.put(Node { content: scalar(text, style), place })
            }
            Event::SequenceStart(anchor, tag) => {
                plain_yaml(&place, anchor, tag.is_some())?;
                self.begin(Open::List(place.clone(), Vec::new()), &place)
            }
            Event::MappingStart(anchor, tag) => {
                plain_yaml(&place, anchor, tag.is_some())?;
                self.begin(Open::Map(place.clone(), Vec::new(), None), &place)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(_) => {
                Err(place.error("aliases (`*name`) are not read", "write the value out here"))
            }
            Event::DocumentStart(_) if self.done.is_some() => {
                Err(place.error("a second document begins here", "keep one document per file"))
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => Ok(()),
        }
    }

    fn begin(&mut self, open: Open, place: &Place) -> Result<(), Finding> {
        if let Some(Open::Map(_, _, None)) = self.open.last() {
            return Err(not_a_key(place));
        }
        if self.open.len() >= MAX_DEPTH {
            let problem = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(place.error(problem, "flatten the document"));
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Finding> {
        let node = match self.open.pop() {
            Some(Open::List(place, values)) => Node { place, content: Content::List(values) },
            Some(Open::Map(place, entries, _)) => Node { place, content: Content::Map(entries) },
            None => return Ok(()),
        };
        self.put(node)
    }

    fn put(&mut self, node: Node) -> Result<(), Finding> {
        match self.open.last_mut() {
            None => self.done = Some(node),
            Some(Open::List(_, values)) => values.push(node),
            Some(Open::Map(_, entries, key)) => match key.take() {
                Some((key, place)) => entries.push(Entry { key, place, value: node }),
                None => *key = Some(key_of(node)?),
            },
        }
        Ok(())
    }

    /// The parser's own message, unless a tab is what it stumbled over.
    fn broken(&self, error: &ScanError, text: &str) -> Finding {
        let place = self.place(*error.marker());
        let line = text.lines().nth(place.line.saturating_sub(1)).unwrap_or_default();
        let indent = line.split(|c: char| !c.is_whitespace()).next().unwrap_or_default();
        if let Some(tab) = indent.find('\t') {
            let place = Place { column: tab + 1, ..place };
            return place.error("the line is indented with a tab", "indent with spaces");
        }
        let problem = format!("not readable as YAML: {}", error.info());
        place.error(problem, "mend the indentation, the quotes or the brackets here")
    }
}

fn plain_yaml(place: &Place, anchor: usize, tagged: bool) -> Result<(), Finding> {
    if anchor != 0 {
        return Err(place.error("anchors (`&name`) are not read", "remove the anchor"));
    }
    if tagged {
        return Err(place.error("tags (`!name`) are not read", "remove the tag"));
    }
    Ok(())
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Content {
    let quoted = style != ScalarStyle::Plain;
    match text.as_ref() {
        "" | "~" | "null" if !quoted => Content::Null,
        _ => Content::Text { text: text.into_owned(), quoted },
    }
}

/// Keys are text; a key that looks like nothing (`null:`, `~:`) is the word itself.
fn key_of(node: Node) -> Result<(String, Place), Finding> {
    match node.content {
        Content::Text { text, .. } => Ok((text, node.place)),
        Content::Null => Ok(("null".to_owned(), node.place)),
        Content::List(_) | Content::Map(_) => Err(not_a_key(&node.place)),
    }
}

fn not_a_key(place: &Place) -> Finding {
    place.error("a list or map cannot be a key", "write a single value before the colon")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Finding {
        Document::parse("t.yaml", text).unwrap_err()
    }

    #[test]
    fn every_node_knows_its_place() {
        let node = Document::parse("t.yaml", "a:\n  - x\n  - {b: y}\n").unwrap();
        let Content::Map(entries) = &node.content else { panic!("a map") };
        assert_eq!(entries[0].place.to_string(), "t.yaml:1:1");
        let Content::List(values) = &entries[0].value.content else { panic!("a list") };
        assert_eq!(values[0].place.to_string(), "t.yaml:2:5");
        let Content::Map(inner) = &values[1].content else { panic!("a map") };
        assert_eq!(inner[0].value.place.to_string(), "t.yaml:3:9");
    }

    #[test]
    fn an_empty_file_is_nothing() {
        assert!(Document::parse("t.yaml", "").unwrap().is_null());
        assert!(Document::parse("t.yaml", "# only a comment\n").unwrap().is_null());
    }

    #[test]
    fn a_tab_is_named_as_what_it_is() {
        let finding = refused("a:\n\tb: 1\n");
        assert_eq!(finding.problem, "the line is indented with a tab");
        assert_eq!(finding.subject, "t.yaml:2:1");
    }

    #[test]
    fn anchors_aliases_tags_and_second_documents_are_refused_by_name() {
        assert!(refused("a: &x 1\n").problem.contains("anchors"));
        assert!(refused("a: !!int 1\n").problem.contains("tags"));
        assert!(refused("a: 1\n---\nb: 2\n").problem.contains("second document"));
        assert!(refused("[a]: 1\n").problem.contains("cannot be a key"));
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let deep = "[".repeat(MAX_DEPTH + 1);
        assert!(refused(&deep).problem.contains("nested deeper"));
        let large = "#".repeat(MAX_BYTES + 1);
        assert!(refused(&large).problem.contains("larger than"));
    }

    #[test]
    fn broken_text_is_a_finding_with_a_place() {
        let finding = refused("a: [1, 2\nb: 3\n");
        assert!(finding.problem.starts_with("not readable as YAML"), "{finding:?}");
        assert!(finding.subject.starts_with("t.yaml:"));
    }

    #[test]
    fn an_unquoted_null_key_is_its_word() {
        let node = Document::parse("t.yaml", "null: a").unwrap();
        let Content::Map(entries) = &node.content else { panic!("a map") };
        assert_eq!(entries[0].key, "null");
    }
}
