//! JSON as a person reads it, its members in the order they were written.

/// The longest object or list that stays on its line.
const INLINE: usize = 90;

/// Indents a document without spaces between its tokens.
pub(crate) fn indented(document: &[u8]) -> String {
    let text = String::from_utf8_lossy(document);
    let mut out = String::new();
    write(&text, 0, &mut out);
    out
}

fn write(value: &str, depth: usize, out: &mut String) {
    let nested = parts(value).iter().any(|part| member(part).1.starts_with(['{', '[']));
    if !value.starts_with(['{', '[']) || (value.len() <= INLINE && !nested) {
        return out.push_str(&inline(value));
    }
    if value.starts_with("[\"") && !nested {
        return write_texts(&parts(value), depth, out);
    }
    let (open, close) = (&value[..1], &value[value.len() - 1..]);
    let line = format!("\n{}", "  ".repeat(depth + 1));
    out.push_str(open);
    for (place, part) in parts(value).iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        out.push_str(&line);
        let (name, value) = member(part);
        out.push_str(&name);
        write(value, depth + 1, out);
    }
    out.push_str(&format!("\n{}{close}", "  ".repeat(depth)));
}

/// A list of texts too long for its line, as many on each as fit.
fn write_texts(texts: &[&str], depth: usize, out: &mut String) {
    let line = format!("\n{}", "  ".repeat(depth + 1));
    out.push('[');
    let mut room = 0;
    for (place, text) in texts.iter().enumerate() {
        let comma = if place + 1 < texts.len() { "," } else { "" };
        if text.len() + 2 > room {
            out.push_str(&line);
            room = INLINE;
        } else {
            out.push(' ');
        }
        out.push_str(&format!("{text}{comma}"));
        room = room.saturating_sub(text.len() + 2);
    }
    out.push_str(&format!("\n{}]", "  ".repeat(depth)));
}

fn inline(value: &str) -> String {
    let parts = parts(value);
    if parts.is_empty() {
        return value.to_owned();
    }
    let spaced: Vec<String> = parts
        .iter()
        .map(|part| {
            let (name, value) = member(part);
            format!("{name}{}", inline(value))
        })
        .collect();
    let spaced = spaced.join(", ");
    if value.starts_with('{') { format!("{{ {spaced} }}") } else { format!("[{spaced}]") }
}

/// `"name": ` and the value; of a list's item, nothing and the item.
fn member(part: &str) -> (String, &str) {
    let mut ends = strings_ended(part);
    match ends.find(|(at, byte)| *byte == b':' && *at > 0) {
        Some((at, _)) if part.starts_with('"') => (format!("{}: ", &part[..at]), &part[at + 1..]),
        _ => (String::new(), part),
    }
}

/// The members of an object or the items of a list, as they are written.
fn parts(value: &str) -> Vec<&str> {
    if !value.starts_with(['{', '[']) || value.len() == 2 {
        return Vec::new();
    }
    let (mut depth, mut start, mut parts) = (0, 1, Vec::new());
    for (at, byte) in strings_ended(value) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b',' if depth == 1 => {
                parts.push(&value[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&value[start..value.len() - 1]);
    parts
}

/// The bytes outside of strings, with their places.
fn strings_ended(text: &str) -> impl Iterator<Item = (usize, u8)> {
    let (mut inside, mut escaped) = (false, false);
    text.bytes().enumerate().filter(move |(_, byte)| {
        let was_inside = inside;
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = inside,
            b'"' => inside = !inside,
            _ => {}
        }
        !was_inside && !inside
    })
}
