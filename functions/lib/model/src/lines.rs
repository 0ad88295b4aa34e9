//! Finds the line of a YAML document that a path points to, for errors that name the line.

use saphyr::{LoadableYamlNode, MarkedYaml, YamlData};

/// The line, counted from 1, of the value at `path`: keys of mappings, or positions in sequences as numbers. The deepest
/// part of the path that exists counts.
pub(crate) fn line_of(text: &str, path: &[&str]) -> usize {
    let Ok(documents) = MarkedYaml::load_from_str(text) else { return 1 };
    let Some(mut node) = documents.first() else { return 1 };
    let mut line = node.span.start.line();
    for part in path {
        let next = match &node.data {
            YamlData::Mapping(entries) => entries
                .iter()
                .find(|(key, _)| key.data.as_str() == Some(*part))
                .map(|(key, value)| (key.span.start.line(), value)),
            YamlData::Sequence(items) => {
                part.parse::<usize>().ok().and_then(|at| items.get(at)).map(|item| (item.span.start.line(), item))
            }
            _ => None,
        };
        match next {
            Some((at, value)) => {
                line = at;
                node = value;
            }
            None => break,
        }
    }
    line.max(1)
}

#[cfg(test)]
mod tests {
    use super::line_of;

    #[test]
    fn finds_keys_and_items() {
        let text = "a: 1\nb:\n  c:\n    - x\n    - y\n";
        assert_eq!(line_of(text, &["b", "c", "1"]), 5);
        assert_eq!(line_of(text, &["b", "nothing"]), 2);
        assert_eq!(line_of(text, &["a"]), 1);
    }
}
