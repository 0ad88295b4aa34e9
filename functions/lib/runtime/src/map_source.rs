//! The network map: an SSM parameter points to an S3 object by version and hash.

use crate::code::sha256;
use crate::fault::{chain, fault_of};
use crate::start_switch::{self, START_PARAMETER};
use aws_config::SdkConfig;
use holdfast_model::wire::Waiver;
use holdfast_model::{Fault, FaultName, MapRef, NetworkMap, Region, SiteName};
use std::sync::{Arc, Mutex, PoisonError};

/// Loads the network map, and keeps the last one that it loaded.
#[derive(Debug)]
pub struct MapSource {
    parameters: aws_sdk_ssm::Client,
    objects: aws_sdk_s3::Client,
    parameter: String,
    last: Mutex<Option<(MapRef, Arc<NetworkMap>)>>,
}

impl MapSource {
    /// IAM actions that this type needs.
    pub const ACTIONS: &[&str] = &["s3:GetObject", "s3:GetObjectVersion", "ssm:GetParameter"];

    /// A source that starts from the SSM parameter `parameter`.
    #[must_use]
    pub fn new(config: &SdkConfig, parameter: impl Into<String>) -> Self {
        // Path style works with every bucket name and with an endpoint that is an IP address.
        let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
        Self {
            parameters: aws_sdk_ssm::Client::new(config),
            objects: aws_sdk_s3::Client::from_conf(s3),
            parameter: parameter.into(),
            last: Mutex::new(None),
        }
    }

    /// The version `wanted` of the map, or without it the one that the parameter points to now.
    ///
    /// # Guarantees
    /// The document has the hash that its reference names, and is parsed and checked. An execution that passes the reference on keeps
    /// the version that it started with.
    ///
    /// # Errors
    /// `NotConfigured` when the parameter or object is missing or not of its form; `InvalidMap` when the hash differs or the map is
    /// wrong, with line and mend; `AccessDenied`, `Throttled`, `Unavailable`.
    pub async fn load(&self, wanted: Option<&MapRef>) -> Result<(Arc<NetworkMap>, MapRef), Fault> {
        let reference = match wanted {
            Some(reference) => reference.clone(),
            None => self.pointed_to_by(&self.parameters).await?,
        };
        self.referenced(reference).await
    }

    /// The map as [`MapSource::load`] returns it, and why nothing may start by itself, as [`StartSwitch::off`](crate::StartSwitch::off): one call reads
    /// both parameters. Who calls it needs [`StartSwitch::ACTIONS`](crate::StartSwitch::ACTIONS) too.
    ///
    /// # Errors
    /// Those of [`MapSource::load`].
    pub async fn load_with_switch(
        &self,
        wanted: Option<&MapRef>,
    ) -> Result<(Arc<NetworkMap>, MapRef, Option<String>), Fault> {
        let pointer = wanted.is_none().then_some(self.parameter.as_str());
        let what = format!("read parameters `{}` and `{START_PARAMETER}`", self.parameter);
        let names = pointer.into_iter().chain([START_PARAMETER]).map(str::to_owned).collect();
        let output = self.parameters.get_parameters().set_names(Some(names)).send().await;
        let output = output.map_err(|error| fault_of(&what, &error, FaultName::NotConfigured))?;
        let value = |name: &str| {
            let found = output.parameters().iter().find(|parameter| parameter.name() == Some(name));
            found.and_then(|parameter| parameter.value())
        };
        let reference = match wanted {
            Some(reference) => reference.clone(),
            None => self.pointer(value(&self.parameter).ok_or_else(|| self.no_pointer())?)?,
        };
        let off = start_switch::off(value(START_PARAMETER));
        let (map, reference) = self.referenced(reference).await?;
        Ok((map, reference, off))
    }

    fn no_pointer(&self) -> Fault {
        let message = format!("there is no parameter `{}`; the template of the stack makes it", self.parameter);
        Fault::new(FaultName::NotConfigured, message)
    }

    async fn referenced(&self, reference: MapRef) -> Result<(Arc<NetworkMap>, MapRef), Fault> {
        if let Some((known, map)) = self.last.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
            && *known == reference
        {
            return Ok((Arc::clone(map), reference));
        }
        let map = Arc::new(parse(&self.read(&reference).await?, &reference)?);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((reference.clone(), Arc::clone(&map)));
        Ok((map, reference))
    }

    /// The version of the map that the functions of another Region would start with.
    ///
    /// # Errors
    /// `NotConfigured` when there is no such parameter or it points to no map; `AccessDenied`, `Throttled`, `Unavailable`.
    pub async fn current_in(&self, region: &Region) -> Result<MapRef, Fault> {
        let there = aws_sdk_ssm::config::Region::new(region.to_string());
        let config = self.parameters.config().to_builder().region(there).build();
        self.pointed_to_by(&aws_sdk_ssm::Client::from_conf(config)).await
    }

    async fn pointed_to_by(&self, parameters: &aws_sdk_ssm::Client) -> Result<MapRef, Fault> {
        let what = format!("read parameter `{}`", self.parameter);
        let output = parameters
            .get_parameter()
            .name(&self.parameter)
            .send()
            .await
            .map_err(|error| fault_of(&what, &error, FaultName::NotConfigured))?;
        self.pointer(output.parameter().and_then(|parameter| parameter.value()).unwrap_or_default())
    }

    fn pointer(&self, text: &str) -> Result<MapRef, Fault> {
        serde_json::from_str(text).map_err(|error| {
            Fault::new(
                FaultName::NotConfigured,
                format!(
                    "parameter `{}` does not point to a network map: {error}; write `{{\"bucket\": .., \"key\": .., \"version\": .., \"sha256\": ..}}`",
                    self.parameter
                ),
            )
        })
    }

    async fn read(&self, reference: &MapRef) -> Result<Vec<u8>, Fault> {
        let what = format!("read network map {}", place(reference));
        let version = Some(reference.version.clone()).filter(|version| !version.is_empty());
        let output = self
            .objects
            .get_object()
            .bucket(&reference.bucket)
            .key(&reference.key)
            .set_version_id(version)
            .send()
            .await
            .map_err(|error| fault_of(&what, &error, FaultName::NotConfigured))?;
        let body = output
            .body
            .collect()
            .await
            .map_err(|error| Fault::new(FaultName::Unavailable, format!("could not {what}: {}", chain(&error))))?;
        Ok(body.to_vec())
    }
}

fn place(reference: &MapRef) -> String {
    let mut text = format!("`s3://{}/{}`", reference.bucket, reference.key);
    if !reference.version.is_empty() {
        text.push_str(" version ");
        text.push_str(&reference.version);
    }
    text
}

fn parse(document: &[u8], reference: &MapRef) -> Result<NetworkMap, Fault> {
    let place = place(reference);
    let hash = sha256(document);
    if hash != reference.sha256.to_ascii_lowercase() {
        return Err(Fault::new(
            FaultName::InvalidMap,
            format!(
                "network map {place} has SHA-256 {hash}, its reference says {}; the object was replaced, or the parameter was not updated with it",
                reference.sha256
            ),
        ));
    }
    let text = std::str::from_utf8(document)
        .map_err(|_| Fault::new(FaultName::InvalidMap, format!("network map {place} is not UTF-8 text")))?;
    NetworkMap::parse(text)
        .map_err(|error| Fault::new(FaultName::InvalidMap, format!("network map {place}: {}", chain(&error))))
}

/// The network map without a Region that a person declared lost.
///
/// # Errors
/// `InvalidInput` where the map cannot do without it.
pub fn surviving(map: Arc<NetworkMap>, lost: Option<&Region>) -> Result<Arc<NetworkMap>, Fault> {
    match lost {
        None => Ok(map),
        Some(region) => Arc::unwrap_or_clone(map)
            .losing(region)
            .map(Arc::new)
            .map_err(|why| Fault::new(FaultName::InvalidInput, why)),
    }
}

/// The network map for somebody who goes without the word of some sites, where they are silent.
///
/// # Errors
/// `InvalidInput` where the map cannot do without them.
pub fn waiving(map: Arc<NetworkMap>, waiver: Option<&Waiver>, to: &SiteName) -> Result<Arc<NetworkMap>, Fault> {
    match waiver {
        None => Ok(map),
        Some(waiver) => Arc::unwrap_or_clone(map)
            .waiving(waiver, to)
            .map(Arc::new)
            .map_err(|why| Fault::new(FaultName::InvalidInput, why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_is_not_the_referenced_one_is_refused() {
        let reference =
            MapRef { bucket: "maps".into(), key: "map.yaml".into(), version: "v1".into(), sha256: "00".repeat(32) };
        let fault = parse(b"schema_version: 1", &reference).unwrap_err();
        assert_eq!(fault.name, FaultName::InvalidMap);
        assert!(fault.message.starts_with("network map `s3://maps/map.yaml` version v1 has SHA-256 "));
        let reference = MapRef { sha256: sha256(b"nonsense: 1"), ..reference };
        let fault = parse(b"nonsense: 1", &reference).unwrap_err();
        assert!(fault.message.contains("nonsense"), "{}", fault.message);
    }
}
