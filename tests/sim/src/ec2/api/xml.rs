//! Writes EC2's XML documents.

use std::fmt::Display;

use quick_xml::escape::escape;

/// The inside of a document under construction.
#[derive(Debug, Default)]
pub(crate) struct Xml(String);

impl Xml {
    /// Adds an element with text.
    pub fn text(&mut self, name: &str, value: impl Display) -> &mut Self {
        let value = value.to_string();
        self.0.push_str(&format!("<{name}>{}</{name}>", escape(value.as_str())));
        self
    }

    /// Adds an element with text, if there is a text.
    pub fn maybe(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    /// Adds an element with elements.
    pub fn node(&mut self, name: &str, inside: impl FnOnce(&mut Self)) -> &mut Self {
        self.0.push_str(&format!("<{name}>"));
        inside(self);
        self.0.push_str(&format!("</{name}>"));
        self
    }

    /// Adds a list: one `item` for each.
    pub fn set<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut inside: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.node(name, |xml| {
            for item in items {
                xml.node("item", |xml| inside(xml, item));
            }
        })
    }

    /// What was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
