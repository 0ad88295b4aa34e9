//! Prism Central and Move as clients see them: over HTTPS, rule by rule.

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod client;
#[cfg(test)]
mod guests;
#[cfg(test)]
mod migration;
#[cfg(test)]
mod reads;
