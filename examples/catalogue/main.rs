//! Writes what is made from the event schemas: `docs/events/*.md`, the table in `docs/events.md`
//! and `docs/asyncapi.json`.
//!
//! `cargo run --example catalogue` after a change of a schema. A test fails until it was done.

#![expect(clippy::indexing_slicing, reason = "the schemas were checked by their tests")]
#![expect(clippy::string_slice, reason = "cut at ASCII characters of JSON")]
#![expect(clippy::format_push_string, reason = "a page is put together line by line")]

mod page;

use std::io;
use std::path::Path;

use erpbridge::canonical::asyncapi;

fn main() -> io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for (entity, text) in page::pages() {
        std::fs::write(docs.join("events").join(format!("{entity}.md")), text)?;
    }
    let contract = docs.join("events.md");
    let text = page::with_index(&std::fs::read_to_string(&contract)?);
    std::fs::write(contract, text)?;
    std::fs::write(docs.join("asyncapi.json"), format!("{:#}\n", asyncapi()))
}
