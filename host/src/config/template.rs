//! A table of keys as a commented file: what an operator finds after `chore setup`. It knows no key.

use super::document::{Otherwise, Section};

/// Longest line of help, in characters.
const LINE_CHARS: usize = 96;

/// The file with every key as a comment. Help begins with "# ", what can be used with "#".
pub fn render(head: &str, sections: &[Section]) -> String {
    let mut file = String::new();
    prose(&mut file, head);
    for section in sections {
        file.push('\n');
        prose(&mut file, section.help);
        if !section.name.is_empty() {
            let comment = if section.decides { "#" } else { "" };
            file.push_str(&format!("{comment}[{}]\n", section.name));
        }
        for key in section.keys {
            file.push('\n');
            prose(&mut file, key.help);
            prose(
                &mut file,
                &match key.otherwise {
                    Otherwise::Is(default) => format!("It is {}. Default: {default}.", key.kind),
                    Otherwise::Example(_) => format!("It is {}. No default; an example:", key.kind),
                },
            );
            let (Otherwise::Is(value) | Otherwise::Example(value)) = key.otherwise;
            file.push_str(&format!("#{} = {value}\n", key.name));
        }
    }
    file
}

fn prose(file: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > LINE_CHARS && line != "#" {
            file.push_str(&line);
            file.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    file.push_str(&line);
    file.push('\n');
}
