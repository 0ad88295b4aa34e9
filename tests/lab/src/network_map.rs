//! The network map as the lab publishes it: the user's own, with the endpoints and certificates of the simulators.

use std::path::Path;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_ssm::types::ParameterType;
use holdfast_sim::{Endpoint, Sim};
use serde_json::{Value, json};

use crate::{LabError, aws::Aws};

const KEY: &str = "network-map.yaml";
const PARAMETER: &str = "/holdfast/network-map";

/// Checks a network map and points its Prism Centrals and Move appliances at the simulated ones of the same name.
///
/// # Errors
/// [`LabError::Document`] with the line, or with the simulated appliance that is missing.
pub fn localized(text: &str, path: &Path, sim: &Sim) -> Result<Value, LabError> {
    let wrong = |what: String| LabError::Document { path: path.to_path_buf(), what };
    holdfast_model::NetworkMap::parse(text).map_err(|error| wrong(error.to_string()))?;
    let mut map: Value = serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string()))?;
    for (section, simulated) in [("prism_centrals", sim.prism_centrals()), ("move_appliances", sim.moves())] {
        for (name, appliance) in map.get_mut(section).and_then(Value::as_object_mut).into_iter().flatten() {
            let Some(endpoint) = simulated.get(name) else {
                return Err(wrong(format!(
                    "names `{name}` under `{section}`, which the world does not have; use its names"
                )));
            };
            let pem = std::fs::read_to_string(&endpoint.ca_file);
            let pem = pem.map_err(|source| LabError::File {
                path: endpoint.ca_file.clone(),
                what: "cannot be read",
                source,
            })?;
            if let Some(appliance) = appliance.as_object_mut() {
                appliance.insert("endpoint".to_owned(), json!(endpoint.url));
                appliance.insert("trust".to_owned(), json!({"kind": "ca", "pem": pem}));
            }
        }
    }
    Ok(map)
}

/// Creates the secrets of a map's appliances in one Region, each with the user and password of its simulated appliance.
///
/// # Errors
/// A refused call.
pub async fn store_secrets(map: &Value, aws: &Aws, sim: &Sim) -> Result<(), LabError> {
    for (section, simulated) in [("prism_centrals", sim.prism_centrals()), ("move_appliances", sim.moves())] {
        for (name, appliance) in map.get(section).and_then(Value::as_object).into_iter().flatten() {
            if let (Some(endpoint), Some(secret)) =
                (simulated.get(name), appliance.get("secret").and_then(Value::as_str))
            {
                store_secret(aws, secret, endpoint).await?;
            }
        }
    }
    Ok(())
}

/// Publishes a map's text in one Region as a person would: object, then parameter.
///
/// # Errors
/// A refused call.
pub async fn publish(text: &str, aws: &Aws, bucket: &str) -> Result<(), LabError> {
    let failed = |doing: &str, error| LabError::aws(doing, &aws.region, error);
    let put = aws.s3.put_object().bucket(bucket).key(KEY).body(ByteStream::from(text.as_bytes().to_vec())).send().await;
    let put = put.map_err(|error| {
        failed("uploading the network map", Box::new(error.into_service_error()) as crate::error::BoxError)
    })?;
    let pointer = json!({
        "bucket": bucket,
        "key": KEY,
        "version": put.version_id().unwrap_or_default(),
        "sha256": sha256(text.as_bytes()),
    });
    let written = aws
        .ssm
        .put_parameter()
        .name(PARAMETER)
        .value(pointer.to_string())
        .r#type(ParameterType::String)
        .overwrite(true)
        .send();
    written
        .await
        .map_err(|error| failed("writing the parameter of the network map", Box::new(error.into_service_error())))?;
    Ok(())
}

async fn store_secret(aws: &Aws, name: &str, endpoint: &Endpoint) -> Result<(), LabError> {
    let value = match &endpoint.api_key {
        Some(key) => json!({"api_key": key}),
        None => json!({"username": endpoint.username, "password": endpoint.password}),
    };
    let created = aws.secrets.create_secret().name(name).secret_string(value.to_string()).send().await;
    match created.map_err(aws_sdk_secretsmanager::error::SdkError::into_service_error) {
        Ok(_) => Ok(()),
        // Two appliances may share one secret.
        Err(error) if error.is_resource_exists_exception() => Ok(()),
        Err(error) => Err(LabError::aws(format!("creating the secret `{name}`"), &aws.region, error)),
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
