//! The stack in each Region: uploads, CloudFormation, outputs.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_cloudformation::types::{Capability, Parameter, TemplateStage};
use aws_sdk_s3::{primitives::ByteStream, types::CreateBucketConfiguration};
use tokio::sync::OnceCell;

use crate::{LabError, aws::Aws, functions, functions::Code, template::Template, wait, workspace::Workspace};

/// The name of the stack in every Region.
pub const STACK: &str = "holdfast";

/// Templates by what the emulator made of them: to do it anew takes each emulator half a second of a core.
static PROCESSED: Mutex<BTreeMap<String, Arc<OnceCell<String>>>> = Mutex::new(BTreeMap::new());

/// The packaged template, ready for its Region.
#[derive(Debug, Clone)]
pub struct Package {
    template: String,
    code: Code,
}

/// What a deployed stack says of itself.
#[derive(Debug, Clone)]
pub struct Outputs {
    values: BTreeMap<String, String>,
}

impl Outputs {
    /// An output by its name in the template, or an empty string.
    pub fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// The state machines: short name (`cutover`) to ARN.
    pub fn state_machines(&self) -> BTreeMap<String, String> {
        let machine =
            |(name, arn): (&String, &String)| Some((name.strip_suffix("StateMachineArn")?.to_lowercase(), arn.clone()));
        self.values.iter().filter_map(machine).collect()
    }
}

impl Package {
    /// Uploads the functions' archives and the state machines, and rewrites the template to point to them. Archives that `uploaded`, another Region,
    /// has are copied from there: hundreds of megabytes go through the simulators once.
    ///
    /// # Errors
    /// A file that cannot be read, or a refused upload.
    pub async fn upload(
        workspace: &Workspace,
        template: &Template,
        code: Code,
        aws: &Aws,
        uploaded: Option<&Aws>,
    ) -> Result<Self, LabError> {
        // Lambda and CloudFormation want their uploads in the bucket's own Region.
        let bucket = artifacts(aws);
        create_bucket(aws, &bucket).await?;
        let (mut archives, mut definitions) = (BTreeMap::new(), BTreeMap::new());
        for name in template.functions() {
            let key = format!("{name}.zip");
            let uri = match uploaded {
                None => put(aws, &bucket, &key, &functions::package(workspace, &name, code)?).await?,
                Some(other) => copy(aws, &bucket, &key, &artifacts(other)).await?,
            };
            archives.insert(name, uri);
        }
        for path in template.definitions() {
            let uri = put(aws, &bucket, &path, &workspace.file(&path)).await?;
            definitions.insert(path, uri);
        }
        Ok(Self { template: template.packaged(&archives, &definitions), code })
    }

    /// Creates the stack in a Region and waits until it is complete. Of labs with linked functions the first has its emulator expand the template, and
    /// the others of this process take what it made of it.
    ///
    /// # Errors
    /// [`LabError::Stack`] with the reason of the first resource that failed.
    pub async fn deploy(&self, aws: &Aws, parameters: &[(&str, String)]) -> Result<Outputs, LabError> {
        if self.code == Code::Packed {
            return create(aws, &self.template, parameters).await;
        }
        let cell = {
            let mut all = PROCESSED.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(self.template.clone()).or_default())
        };
        let mut first = None;
        let expand = async || {
            first = Some(create(aws, &self.template, parameters).await?);
            processed(aws).await
        };
        let template = cell.get_or_try_init(expand).await?;
        match first {
            Some(outputs) => Ok(outputs),
            None => create(aws, template, parameters).await,
        }
    }

    /// Gives a complete stack other parameters, the rest of them unchanged, and waits until it is complete again.
    ///
    /// # Errors
    /// [`LabError::Stack`] with the reason of the first resource that failed.
    pub async fn update(&self, aws: &Aws, parameters: &[(&str, String)]) -> Result<Outputs, LabError> {
        aws.cloudformation
            .update_stack()
            .stack_name(STACK)
            .template_body(&self.template)
            .set_parameters(Some(given(parameters)))
            .capabilities(Capability::CapabilityNamedIam)
            .capabilities(Capability::CapabilityAutoExpand)
            .send()
            .await
            .map_err(|error| LabError::aws("updating the stack", &aws.region, error.into_service_error()))?;
        wait::until("the update of the stack", Duration::from_secs(180), || outputs(aws)).await
    }
}

async fn create(aws: &Aws, template: &str, parameters: &[(&str, String)]) -> Result<Outputs, LabError> {
    aws.cloudformation
        .create_stack()
        .stack_name(STACK)
        .template_body(template)
        .set_parameters(Some(given(parameters)))
        .capabilities(Capability::CapabilityNamedIam)
        .capabilities(Capability::CapabilityAutoExpand)
        .send()
        .await
        .map_err(|error| LabError::aws("creating the stack", &aws.region, error.into_service_error()))?;
    wait::until("the deployment of the stack", Duration::from_secs(180), || outputs(aws)).await
}

/// The template of the stack without its transform.
async fn processed(aws: &Aws) -> Result<String, LabError> {
    let answer =
        aws.cloudformation.get_template().stack_name(STACK).template_stage(TemplateStage::Processed).send().await;
    let answer =
        answer.map_err(|error| LabError::aws("reading the template", &aws.region, error.into_service_error()))?;
    // Without blanks: CloudFormation takes no more than 51,200 bytes of a template in the call itself.
    let text = answer.template_body().unwrap_or_default();
    Ok(serde_json::from_str(text).map_or_else(|_| text.to_owned(), |template: serde_json::Value| template.to_string()))
}

fn given(parameters: &[(&str, String)]) -> Vec<Parameter> {
    let parameter =
        |(name, value): &(&str, String)| Parameter::builder().parameter_key(*name).parameter_value(value).build();
    parameters.iter().map(parameter).collect()
}

async fn outputs(aws: &Aws) -> Result<Option<Outputs>, LabError> {
    let answer = aws.cloudformation.describe_stacks().stack_name(STACK).send().await;
    let answer = answer.map_err(|error| LabError::aws("reading the stack", &aws.region, error.into_service_error()))?;
    let Some(stack) = answer.stacks().first() else { return Ok(None) };
    let status = stack.stack_status().map_or("unknown", |status| status.as_str());
    match status {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" => {
            let pair = |output: &aws_sdk_cloudformation::types::Output| {
                Some((output.output_key()?.to_owned(), output.output_value()?.to_owned()))
            };
            Ok(Some(Outputs { values: stack.outputs().iter().filter_map(pair).collect() }))
        }
        "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => Ok(None),
        _ => Err(LabError::Stack {
            stack: STACK.to_owned(),
            region: aws.region.clone(),
            status: status.to_owned(),
            reason: first_failure(aws).await,
        }),
    }
}

async fn first_failure(aws: &Aws) -> String {
    let Ok(answer) = aws.cloudformation.describe_stack_events().stack_name(STACK).send().await else {
        return "its events cannot be read".to_owned();
    };
    let failed = answer
        .stack_events()
        .iter()
        .rev()
        .find(|event| event.resource_status().is_some_and(|status| status.as_str().ends_with("FAILED")));
    let Some(event) = failed else { return "no event says why".to_owned() };
    let resource = event.logical_resource_id().unwrap_or("a resource");
    format!("{resource}: {}", event.resource_status_reason().unwrap_or("no reason given"))
}

/// Creates a bucket, which may already be there.
pub(crate) async fn create_bucket(aws: &Aws, bucket: &str) -> Result<(), LabError> {
    // The oldest Region is the one that may not be named (S3 API reference, CreateBucket).
    let place = (aws.region != "us-east-1")
        .then(|| CreateBucketConfiguration::builder().location_constraint(aws.region.as_str().into()).build());
    let created = aws.s3.create_bucket().bucket(bucket).set_create_bucket_configuration(place).send().await;
    match created.map_err(aws_sdk_s3::error::SdkError::into_service_error) {
        Ok(_) => Ok(()),
        Err(error) if error.is_bucket_already_owned_by_you() => Ok(()),
        Err(error) => Err(LabError::aws(format!("creating the bucket `{bucket}`"), &aws.region, error)),
    }
}

fn artifacts(aws: &Aws) -> String {
    format!("holdfast-lab-artifacts-{}", aws.region)
}

async fn copy(aws: &Aws, bucket: &str, key: &str, from: &str) -> Result<String, LabError> {
    let sent = aws.s3.copy_object().bucket(bucket).key(key).copy_source(format!("{from}/{key}")).send().await;
    sent.map_err(|error| {
        LabError::aws(format!("copying `{key}` of `{from}`"), &aws.region, error.into_service_error())
    })?;
    Ok(format!("s3://{bucket}/{key}"))
}

async fn put(aws: &Aws, bucket: &str, key: &str, file: &Path) -> Result<String, LabError> {
    let body = ByteStream::from_path(file).await;
    let body = body.map_err(|error| LabError::aws(format!("reading `{}`", file.display()), &aws.region, error))?;
    let sent = aws.s3.put_object().bucket(bucket).key(key).body(body).send().await;
    sent.map_err(|error| LabError::aws(format!("uploading `{key}`"), &aws.region, error.into_service_error()))?;
    Ok(format!("s3://{bucket}/{key}"))
}
