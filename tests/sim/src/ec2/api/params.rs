//! The parameters of an EC2 request: single values, numbered lists, filters and pages.

use std::{collections::BTreeMap, net::Ipv4Addr, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use ipnet::Ipv4Net;

use super::{
    super::state::{Kind, Tags},
    error::{Ec2Error, Result},
};

/// The form of a request.
pub(crate) struct Params<'a>(pub &'a BTreeMap<String, String>);

impl Params<'_> {
    /// A value that may be missing; an empty one counts as missing.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A value that must be there.
    pub fn need(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| Ec2Error::missing(name))
    }

    /// A value of a type with a text form.
    pub fn parse<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        self.get(name)
            .map(|value| value.parse().map_err(|_| Ec2Error::value(format!("Invalid value '{value}' for {name}"))))
            .transpose()
    }

    /// A switch; off when missing.
    pub fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.parse(name)?.unwrap_or(false))
    }

    /// An id that must be there and shaped right.
    pub fn id(&self, name: &str, kind: Kind) -> Result<&str> {
        shaped(kind, self.need(name)?)
    }

    /// `Name.1`, `Name.2`, ...
    pub fn list(&self, name: &str) -> Vec<&str> {
        (1..).map_while(|n| self.0.get(&format!("{name}.{n}"))).map(String::as_str).collect()
    }

    /// `Name.1`, ..., each an id of this kind.
    pub fn ids(&self, name: &str, kind: Kind) -> Result<Vec<&str>> {
        self.list(name).into_iter().map(|id| shaped(kind, id)).collect()
    }

    /// How many structures `Name.1.*`, `Name.2.*`, ... there are.
    pub fn structures(&self, name: &str) -> usize {
        (1..)
            .take_while(|n| {
                let prefix = format!("{name}.{n}.");
                self.0.range(prefix.clone()..).next().is_some_and(|(key, _)| key.starts_with(&prefix))
            })
            .count()
    }

    /// An IPv4 prefix in its canonical form.
    pub fn prefix(&self, name: &str) -> Result<Ipv4Net> {
        let text = self.need(name)?;
        let wrong = |why: &str| Ec2Error::value(format!("Value ({text}) for parameter {name} is invalid. {why}"));
        let prefix: Ipv4Net = text.parse().map_err(|_| wrong("This is not a valid CIDR block."))?;
        if prefix == prefix.trunc() {
            Ok(prefix)
        } else {
            Err(wrong(&format!("The CIDR block has host bits set; the canonical form is {}.", prefix.trunc())))
        }
    }

    /// An IPv4 address.
    pub fn address(&self, name: &str) -> Result<Option<Ipv4Addr>> {
        self.parse(name)
    }

    /// The tags that `TagSpecification.N` asks for, for one type of resource.
    pub fn tag_specification(&self, resource_type: &str) -> Tags {
        // Most EC2 requests say `TagSpecification`, some of the transit gateway's say `TagSpecifications`.
        let mut tags = Tags::new();
        for name in ["TagSpecification", "TagSpecifications"] {
            for n in 1..=self.structures(name) {
                if self.get(&format!("{name}.{n}.ResourceType")) == Some(resource_type) {
                    tags.extend(self.tags(&format!("{name}.{n}.Tag")));
                }
            }
        }
        tags
    }

    /// `Name.N.Key` and `Name.N.Value`.
    pub fn tags(&self, name: &str) -> Tags {
        (1..=self.structures(name))
            .filter_map(|n| {
                let key = self.get(&format!("{name}.{n}.Key"))?;
                Some((key.to_owned(), self.get(&format!("{name}.{n}.Value")).unwrap_or_default().to_owned()))
            })
            .collect()
    }

    /// The filters, if all their names are known. `tag:<key>` and `tag-key` are known everywhere that has tags.
    pub fn filters(&self, known: &[&str]) -> Result<Filters> {
        let mut filters = Vec::new();
        for n in 1..=self.structures("Filter") {
            let name = self.need(&format!("Filter.{n}.Name"))?;
            let tag = known.contains(&"tag-key") && name.starts_with("tag:");
            if !tag && !known.contains(&name) {
                return Err(Ec2Error::value(format!("The filter '{name}' is invalid")));
            }
            let values = self.list(&format!("Filter.{n}.Value")).into_iter().map(str::to_owned).collect();
            filters.push((name.to_owned(), values));
        }
        Ok(Filters(filters))
    }

    /// Cuts one page out of a result, as `MaxResults` and `NextToken` ask; and the token of the next page.
    pub fn page<T>(&self, items: Vec<T>, limits: PageLimits) -> Result<(Vec<T>, Option<String>)> {
        let asked: Option<usize> = self.parse("MaxResults")?;
        if let Some(asked) = asked
            && !(limits.least..=limits.most).contains(&asked)
        {
            let (least, most) = (limits.least, limits.most);
            return Err(Ec2Error::value(format!(
                "Value ( {asked} ) for parameter maxResults is invalid. Expecting a value between {least} and {most}."
            )));
        }
        let start = self.get("NextToken").map_or(Ok(0), offset)?;
        let size = asked.unwrap_or(limits.default);
        let rest = items.len().saturating_sub(start);
        let next = (rest > size).then(|| STANDARD.encode(format!("after:{}", start + size)));
        Ok((items.into_iter().skip(start).take(size).collect(), next))
    }
}

/// The bounds of `MaxResults`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageLimits {
    pub least: usize,
    pub most: usize,
    pub default: usize,
}

/// 5 to 1,000, and 1,000 if nothing is asked for, as most EC2 actions have it.
pub(crate) const PAGES: PageLimits = PageLimits { least: 5, most: 1_000, default: 1_000 };

fn offset(token: &str) -> Result<usize> {
    let wrong = || Ec2Error::new("InvalidNextToken", "The token is invalid");
    let text = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
    text.strip_prefix("after:").and_then(|offset| offset.parse().ok()).ok_or_else(wrong)
}

pub(crate) fn shaped(kind: Kind, id: &str) -> Result<&str> {
    let rest = id.strip_prefix(kind.id_prefix()).and_then(|rest| rest.strip_prefix('-'));
    if rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        Ok(id)
    } else {
        Err(Ec2Error::malformed(kind, id))
    }
}

/// Filters of a request: all must hold, each by any of its values, in which `*` and `?` are wildcards.
pub(crate) struct Filters(Vec<(String, Vec<String>)>);

impl Filters {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each filter with its values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// Whether a resource passes. `values` gives what the resource has for a filter's name; tags are looked at here.
    pub fn pass(&self, tags: &Tags, values: impl Fn(&str) -> Vec<String>) -> bool {
        self.iter().all(|(name, wanted)| {
            let has: Vec<String> = match name.strip_prefix("tag:") {
                Some(key) => tags.get(key).cloned().into_iter().collect(),
                None if name == "tag-key" => tags.keys().cloned().collect(),
                None => values(name),
            };
            wanted.iter().any(|pattern| has.iter().any(|value| fits(pattern, value)))
        })
    }
}

/// Whether a text fits a pattern with `*` and `?`.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let mut pattern_rest = pattern.chars();
    match pattern_rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = pattern_rest.as_str();
            text.char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .any(|at| text.get(at..).is_some_and(|t| fits(rest, t)))
        }
        Some(first) => {
            let mut text_rest = text.chars();
            text_rest
                .next()
                .is_some_and(|c| (first == '?' || first == c) && fits(pattern_rest.as_str(), text_rest.as_str()))
        }
    }
}

/// One value, for [`Filters::pass`].
pub(crate) fn one(value: impl ToString) -> Vec<String> {
    vec![value.to_string()]
}
