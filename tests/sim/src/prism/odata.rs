//! The part of OData 4.01 that the v4 lists accept: `$filter`, `$orderby`, `$page`, `$limit`, `$select`.
//!
//! `$page` counts from 0, `$limit` is 1 to 100 and 50 unless given, there is no `$skip` and no `$top` (ntnx-vmm SDK).

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::level::{Level, response_type};
use super::reply::{Refused, Reply, Request};

/// What one list accepts and how its items are called.
pub struct ListRules {
    /// Type of the response, without its namespace: `vmm.v4.ahv.config.ListVmsApiResponse`.
    pub response: &'static str,
    /// Type of an item.
    pub item: &'static str,
    /// Attributes that `$filter` may name.
    pub filters: &'static [&'static str],
    /// Attributes that `$orderby` may name.
    pub orders: &'static [&'static str],
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Equal,
    Unequal,
    StartsWith,
    Contains,
}

#[derive(Debug, Clone, PartialEq)]
struct Clause {
    attribute: String,
    test: Test,
    literal: Value,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Punct(char),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&c) = chars.peek() {
        if c.is_whitespace() {
            chars.next();
        } else if "(),".contains(c) {
            chars.next();
            out.push(Token::Punct(c));
        } else if c == '\'' {
            chars.next();
            let mut literal = String::new();
            loop {
                match chars.next() {
                    Some('\'') if chars.peek() == Some(&'\'') => {
                        chars.next();
                        literal.push('\'');
                    }
                    Some('\'') => break,
                    Some(c) => literal.push(c),
                    None => return Err("a string literal is not closed".into()),
                }
            }
            // An enumeration literal is a type name in front of a string: Vmm.Ahv.Config.PowerState'ON'.
            if matches!(out.last(), Some(Token::Word(w)) if w.contains('.')) {
                out.pop();
            }
            out.push(Token::Text(literal));
        } else {
            let mut word = String::new();
            while let Some(&c) = chars.peek().filter(|c| !c.is_whitespace() && !"(),'".contains(**c)) {
                word.push(c);
                chars.next();
            }
            out.push(Token::Word(word));
        }
    }
    Ok(out)
}

fn literal(token: &Token) -> Result<Value, String> {
    match token {
        Token::Text(text) => Ok(Value::from(text.as_str())),
        Token::Word(word) if word == "true" || word == "false" => Ok(Value::from(word == "true")),
        Token::Word(word) => {
            word.parse::<i64>().map(Value::from).map_err(|_| format!("`{word}` is not a literal: quote strings"))
        }
        Token::Punct(c) => Err(format!("unexpected `{c}`")),
    }
}

fn clauses(text: &str) -> Result<Vec<Clause>, String> {
    let tokens = tokens(text)?;
    let mut rest = tokens.as_slice();
    let mut out = Vec::new();
    loop {
        let (clause, left) = match rest {
            [
                Token::Word(function),
                Token::Punct('('),
                Token::Word(field),
                Token::Punct(','),
                value,
                Token::Punct(')'),
                left @ ..,
            ] => {
                let test = match function.as_str() {
                    "startswith" => Test::StartsWith,
                    "contains" => Test::Contains,
                    other => return Err(format!("unknown function `{other}`")),
                };
                (Clause { attribute: field.clone(), test, literal: literal(value)? }, left)
            }
            [Token::Word(field), Token::Word(op), value, left @ ..] => {
                let test = match op.as_str() {
                    "eq" => Test::Equal,
                    "ne" => Test::Unequal,
                    other => return Err(format!("unknown operator `{other}`")),
                };
                (Clause { attribute: field.clone(), test, literal: literal(value)? }, left)
            }
            _ => return Err("the expression cannot be read".into()),
        };
        out.push(clause);
        rest = match left {
            [] => return Ok(out),
            [Token::Word(and), left @ ..] if and == "and" => left,
            _ => return Err("only `and` may join comparisons".into()),
        };
    }
}

fn attribute<'v>(item: &'v Value, path: &str) -> &'v Value {
    item.pointer(&format!("/{path}")).unwrap_or(&Value::Null)
}

fn fits(item: &Value, clause: &Clause) -> bool {
    let value = attribute(item, &clause.attribute);
    let texts = value.as_str().zip(clause.literal.as_str());
    match clause.test {
        Test::Equal => *value == clause.literal,
        Test::Unequal => *value != clause.literal,
        Test::StartsWith => texts.is_some_and(|(v, l)| v.starts_with(l)),
        Test::Contains => texts.is_some_and(|(v, l)| v.contains(l)),
    }
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.as_i64().cmp(&b.as_i64()),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (a, b) => a.is_null().cmp(&b.is_null()).reverse(),
    }
}

fn wrong(name: &str, message: impl Into<String>) -> Refused {
    Refused::Schema { location: "query", attribute: name.to_owned(), message: message.into() }
}

fn number(request: &Request, name: &'static str, default: usize, range: (usize, usize)) -> Result<usize, Refused> {
    let Some(text) = request.parameter(name) else { return Ok(default) };
    let (low, high) = range;
    text.parse()
        .ok()
        .filter(|n| (low..=high).contains(n))
        .ok_or_else(|| wrong(name, format!("value `{text}` is not a number from {low} to {high}")))
}

fn select(item: Value, names: &[&str]) -> Value {
    match item {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(key, _)| key.starts_with('$') || key == "extId" || names.contains(&key.as_str()))
                .collect(),
        ),
        other => other,
    }
}

/// Answers a list request over `items`.
///
/// # Errors
/// A query parameter is unknown or has a value that the API's schema does not allow.
pub fn list(request: &Request, rules: &ListRules, level: Level, mut items: Vec<Value>) -> Result<Reply, Refused> {
    for (name, _) in &request.query {
        if !matches!(name.as_str(), "$page" | "$limit" | "$filter" | "$orderby" | "$select" | "$expand") {
            return Err(wrong(name, "unknown query parameter"));
        }
    }
    let page = number(request, "$page", 0, (0, 1_000_000))?;
    let limit = number(request, "$limit", 50, (1, 100))?;
    if let Some(text) = request.parameter("$filter") {
        let clauses = clauses(text).map_err(|e| wrong("$filter", e))?;
        if let Some(c) = clauses.iter().find(|c| !rules.filters.contains(&c.attribute.as_str())) {
            return Err(wrong("$filter", format!("attribute `{}` cannot be filtered on", c.attribute)));
        }
        items.retain(|item| clauses.iter().all(|c| fits(item, c)));
    }
    if let Some(text) = request.parameter("$orderby") {
        let mut words = text.split_whitespace();
        let name = words.next().filter(|n| rules.orders.contains(n));
        let name = name.ok_or_else(|| wrong("$orderby", format!("`{text}` cannot be ordered by")))?;
        let descending = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => return Err(wrong("$orderby", format!("`{other}` is neither `asc` nor `desc`"))),
        };
        items.sort_by(|a, b| {
            let order = compare(attribute(a, name), attribute(b, name));
            if descending { order.reverse() } else { order }
        });
    }
    let total = request.told_total(items.len());
    let mut items: Vec<Value> = items.into_iter().skip(page.saturating_mul(limit)).take(limit).collect();
    if let Some(text) = request.parameter("$select") {
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        items = items.into_iter().map(|item| select(item, &names)).collect();
    }
    Ok(Reply::json(200, envelope(request, rules, level, items, total, page, limit)))
}

fn envelope(
    request: &Request,
    rules: &ListRules,
    level: Level,
    items: Vec<Value>,
    total: usize,
    page: usize,
    limit: usize,
) -> Value {
    let mut links = vec![("self", page), ("first", 0)];
    if (page + 1) * limit < total {
        links.push(("next", page + 1));
    }
    links.push(("last", total.saturating_sub(1) / limit));
    let links: Vec<Value> = links
        .into_iter()
        .map(|(rel, page)| json!({"rel": rel, "href": format!("https://localhost{}?$page={page}&$limit={limit}", request.path_text())}))
        .collect();
    let response = response_type(rules.response, level);
    let mut body = json!({
        "$objectType": response,
        "$reserved": level.reserved(response),
        "$dataItemDiscriminator": format!("List<{}>", rules.item),
        "metadata": {
            "$objectType": "common.v1.response.ApiResponseMetadata",
            "$reserved": {"$fv": "v1.r0"},
            "flags": [{"name": "hasError", "value": false}, {"name": "isPaginated", "value": true}],
            "links": links,
            "totalAvailableResults": total,
        },
    });
    // An empty list has no `data` at all (fence-agents nutanix_ahv checks for it).
    if let (false, Some(map)) = (items.is_empty(), body.as_object_mut()) {
        map.insert("data".into(), Value::Array(items));
    }
    body
}
