//! `infra/template.yaml` as the lab deploys it: the very file, its local folders replaced by uploads as `sam package` does.

use std::collections::{BTreeMap, BTreeSet};

const CODE: &str = "CodeUri: ../functions/";
const DEFINITION: &str = "DefinitionUri: ../";

/// The template's text and the local things that it points to.
#[derive(Debug, Clone)]
pub struct Template {
    text: String,
}

impl Template {
    /// Takes the text of a template.
    pub fn new(text: String) -> Self {
        Self { text }
    }

    /// The functions whose code the template wants, by their names under `functions/`.
    pub fn functions(&self) -> BTreeSet<String> {
        self.values(CODE)
    }

    /// The state machine definitions that the template wants, by their paths in the checkout.
    pub fn definitions(&self) -> BTreeSet<String> {
        self.values(DEFINITION)
    }

    /// The template with each local URI replaced by the place where its upload is.
    ///
    /// `functions` and `definitions` map what [`functions`](Self::functions) and [`definitions`](Self::definitions)
    /// return to `s3://` URIs; what they lack stays as it is.
    pub fn packaged(&self, functions: &BTreeMap<String, String>, definitions: &BTreeMap<String, String>) -> String {
        let mut packaged = String::with_capacity(self.text.len());
        for line in self.text.lines() {
            let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
            let uri = |prefix: &str, places: &BTreeMap<String, String>| {
                rest.strip_prefix(prefix).and_then(|name| places.get(name.trim())).cloned()
            };
            let replaced = match (uri(CODE, functions), uri(DEFINITION, definitions)) {
                (Some(uri), _) => format!("{indent}CodeUri: {uri}"),
                (None, Some(uri)) => format!("{indent}DefinitionUri: {uri}"),
                (None, None) => line.to_owned(),
            };
            packaged.push_str(&replaced);
            packaged.push('\n');
        }
        packaged
    }

    fn values(&self, prefix: &str) -> BTreeSet<String> {
        self.text
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix(prefix))
            .map(|value| value.trim().to_owned())
            .collect()
    }
}
