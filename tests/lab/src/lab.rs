//! The running lab: simulators in process, the emulator as a child, the stack in every Region.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use holdfast_sim::{Options, Sim, World, WorldFile};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    LabError, Template, Workspace,
    aws::Aws,
    control::Control,
    dynamodb,
    executions::{self, Execution},
    functions::{self, Code},
    ministack::{self, Ministack, Settings},
    network_map,
    progress::Progress,
    python, query, replicas,
    stack::{Outputs, Package},
    wait, wave,
};

/// The world of the reference story.
pub const STORY_WORLD: &str = "tests/lab/worlds/story.yaml";
/// The network map of the reference story.
pub const STORY_MAP: &str = "infra/network-map.example.yaml";
/// The table of older scripts that the stacks may read. Who wants one makes it.
pub const IMPORT_TABLE: &str = "older-scripts";
/// The tables that one store keeps for all Regions, as a strongly consistent global table does.
const TABLES: [&str; 2] = [dynamodb::INVENTORY, dynamodb::OPERATIONS];
/// The schedule that asks what finished.
const WATCH: &str = "/schedules/holdfast-watch";
/// What the emulator's environment holds.
const REQUIREMENTS: &str = "tests/lab/requirements.txt";
/// The schedule that asks whether drills still count.
const READY: &str = "/schedules/holdfast-ready";

/// What the stack starts on a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// The failover as a plan.
    Drill,
    /// Machines that have moved.
    Recheck,
    /// Tables that do not follow.
    Reconcile,
}

impl Schedule {
    fn machine(self) -> &'static str {
        match self {
            Schedule::Drill => "drill",
            Schedule::Recheck => "recheck",
            Schedule::Reconcile => "failover",
        }
    }
}

/// Where the stack is deployed when the world has no Region of its own.
const REGIONS: [&str; 2] = ["ap-northeast-1", "ap-northeast-3"];
const ACCOUNT: &str = "111122223333";
/// Witness of the strongly consistent tables; nothing runs there.
const WITNESS: &str = "ap-northeast-2";

/// What the lab starts with.
#[derive(Debug, Clone)]
pub struct LabOptions {
    /// The world: the story's unless told otherwise.
    pub world: Source,
    /// The network map: the story's unless told otherwise.
    pub map: Source,
    /// How many machines the story's wave has; two unless told otherwise.
    pub hosts: Option<usize>,
    /// How fast Wait states and Retry intervals pass: 0 at once, 1 in real time.
    pub wait_scale: f64,
    /// How the tables of the two Regions are one.
    pub tables: Consistency,
    /// Whether Prism Centrals and Move are asked every minute what finished; unless told otherwise they are asked when somebody wants to know, as a poll
    /// that comes by itself would fall between the calls that a test counts.
    pub watches: bool,
    /// Whether the functions are built first; else their binaries must be there.
    pub build: bool,
    /// What the functions' code archives hold: the binaries unless told otherwise.
    pub code: Code,
    /// Where progress is shown.
    pub progress: Progress,
}

/// How the tables of the two Regions are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// One store, as a strongly consistent global table with a witness.
    Strong,
    /// A replica each, about a second behind; only the first Region writes.
    Eventual,
}

/// Where a document comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The reference story's.
    Story,
    /// A file of the user's.
    File(PathBuf),
    /// A text, for tests.
    Text(String),
    /// None at all.
    Empty,
}

impl Default for LabOptions {
    fn default() -> Self {
        Self {
            world: Source::Story,
            map: Source::Story,
            hosts: None,
            wait_scale: 0.0,
            tables: Consistency::Strong,
            watches: false,
            build: true,
            code: Code::Packed,
            progress: Progress::silent(),
        }
    }
}

/// The running lab. Dropping it stops everything that it started.
pub struct Lab {
    sim: Sim,
    ministack: Ministack,
    control: Control,
    account: String,
    regions: Vec<Region>,
    // Last, so that it is removed when the emulator is gone.
    _folder: tempfile::TempDir,
}

struct Region {
    aws: Aws,
    package: Package,
    outputs: Outputs,
    parameters: Vec<(&'static str, String)>,
}

/// Builds every program of the workspace and the emulator's environment, as a lab that is started does first.
///
/// # Errors
/// What could not be built, with the mend.
pub async fn prepare(workspace: &Workspace, progress: &Progress) -> Result<(), LabError> {
    functions::build(workspace, progress).await?;
    python::environment(workspace, REQUIREMENTS, progress).await.map(drop)
}

impl Lab {
    /// Builds the functions and starts everything.
    ///
    /// # Guarantees
    /// Every child process is gone when this fails, when the lab is dropped, and when this process is killed.
    ///
    /// # Errors
    /// One line that says what is missing and the mend.
    pub async fn start(options: LabOptions) -> Result<Self, LabError> {
        let progress = &options.progress;
        let workspace = Workspace::find()?;
        let template = Template::new(workspace.read(Path::new("infra/template.yaml"))?);
        let (world_path, world_text) = load(&workspace, &options.world, STORY_WORLD)?;
        let (map_path, map_text) = load(&workspace, &options.map, STORY_MAP)?;
        let file = world_file(&world_path, &world_text, options.hosts)?;
        let world = World::from_file(&file)
            .map_err(|error| LabError::Document { path: world_path.clone(), what: format!("does not fit: {error}") })?;

        if options.build {
            functions::build(&workspace, progress).await?;
        }
        let python = python::environment(&workspace, REQUIREMENTS, progress).await?;

        progress.step("starting the simulators and the emulator");
        let account = file.default_account.clone().unwrap_or_else(|| ACCOUNT.to_owned());
        let mut regions: Vec<String> = file.regions.keys().cloned().collect();
        if regions.is_empty() {
            regions = REGIONS.map(str::to_owned).to_vec();
        }
        let first = regions.first().cloned().unwrap_or_default();
        let port = ministack::free_port()?;
        let sim = Sim::start(
            world,
            Options {
                ministack: Some(ministack::url(port)),
                strong_tables: match options.tables {
                    Consistency::Strong => TABLES.map(str::to_owned).to_vec(),
                    Consistency::Eventual => Vec::new(),
                },
                strong_region: first.clone(),
                ..Options::default()
            },
        );
        let sim = sim.await.map_err(|error| LabError::Sim(error.to_string()))?;
        let folder = tempfile::tempdir().map_err(|source| LabError::File {
            path: std::env::temp_dir(),
            what: "has no room for the lab",
            source,
        })?;
        let settings = Settings {
            python: &python,
            port,
            front: &sim.aws_endpoint(),
            account: &account,
            region: &first,
            folder: folder.path(),
            variables: &[],
        };
        let ministack = Ministack::start(settings).await?;
        ministack.configure("stepfunctions._SFN_WAIT_SCALE", options.wait_scale).await?;
        let control = Control::new(sim.control_url())?;
        let mut lab = Self { sim, ministack, control, account, regions: Vec::new(), _folder: folder };
        lab.deploy(&workspace, &template, &regions, &options).await?;
        if let Some(text) = map_text {
            progress.step("publishing the network map");
            let map = network_map::localized(&text, &map_path, &lab.sim)?;
            lab.publish(&map).await?;
        }
        Ok(lab)
    }

    async fn deploy(
        &mut self,
        workspace: &Workspace,
        template: &Template,
        names: &[String],
        options: &LabOptions,
    ) -> Result<(), LabError> {
        for (index, name) in names.iter().enumerate() {
            options.progress.step(&format!("deploying infra/template.yaml in {name}"));
            let aws = Aws::new(&self.sim.aws_endpoint(), &self.account, name);
            let peer = names.iter().find(|peer| *peer != name).cloned().unwrap_or_default();
            let role = if index == 0 { "primary" } else { "secondary" };
            let mut parameters = vec![
                ("RegionRole", role.to_owned()),
                ("PeerRegion", peer.clone()),
                ("ImportTable", IMPORT_TABLE.to_owned()),
                ("WatchScheduleState", if options.watches { "ENABLED" } else { "DISABLED" }.to_owned()),
            ];
            if options.tables == Consistency::Strong {
                parameters.push(("WitnessRegion", WITNESS.to_owned()));
            }
            let uploaded = self.regions.first().map(|it| &it.aws);
            let package = Package::upload(workspace, template, options.code, &aws, uploaded).await?;
            let outputs = package.deploy(&aws, &parameters).await?;
            if options.tables == Consistency::Eventual && index == 0 {
                for table in TABLES {
                    let endpoint = self.sim.aws_endpoint();
                    replicas::create(self.caller(&endpoint, name), &peer, table).await?;
                }
            }
            self.regions.push(Region { aws, package, outputs, parameters });
        }
        Ok(())
    }

    /// Publishes a network map in every Region, with the secrets of its appliances; executions that start afterwards use it.
    ///
    /// # Errors
    /// A refused call.
    pub async fn publish(&self, map: &Value) -> Result<(), LabError> {
        for region in &self.regions {
            network_map::store_secrets(map, &region.aws, &self.sim).await?;
        }
        self.publish_text(&format!("{map:#}")).await
    }

    /// Publishes a text as the network map in every Region, whatever it says.
    ///
    /// # Errors
    /// A refused call.
    pub async fn publish_text(&self, text: &str) -> Result<(), LabError> {
        for region in &self.regions {
            network_map::publish(text, &region.aws, region.outputs.get("NetworkMapBucketName")).await?;
        }
        Ok(())
    }

    /// Sets when and with what input a schedule of a Region runs, as `aws cloudformation deploy` would.
    ///
    /// # Errors
    /// A refused update.
    pub async fn schedule(
        &self,
        region: &str,
        schedule: Schedule,
        expression: &str,
        input: &Value,
    ) -> Result<(), LabError> {
        let region = self.region(region)?;
        let mut parameters = region.parameters.clone();
        let (when, what) = match schedule {
            Schedule::Drill => ("DrillScheduleExpression", "DrillInput"),
            Schedule::Recheck => ("RecheckScheduleExpression", "RecheckInput"),
            Schedule::Reconcile => ("ReconcileScheduleExpression", "ReconcileInput"),
        };
        parameters.push((when, expression.to_owned()));
        parameters.push((what, input.to_string()));
        region.package.update(&region.aws, &parameters).await.map(drop)
    }

    /// Starts an execution by hand and waits for its end.
    ///
    /// # Errors
    /// A refused start; not how the execution ended.
    pub async fn run(&self, region: &str, machine: &str, input: &Value) -> Result<Execution, LabError> {
        let arn = self.begin(region, machine, input).await?;
        executions::finish(&self.region(region)?.aws, &arn).await
    }

    /// Starts an execution by hand and returns its ARN.
    ///
    /// # Errors
    /// A refused start.
    pub async fn begin(&self, region: &str, machine: &str, input: &Value) -> Result<String, LabError> {
        executions::start(&self.region(region)?.aws, &self.machine(region, machine)?, input).await
    }

    /// Waits for the end of an execution.
    ///
    /// # Errors
    /// [`LabError::Late`].
    pub async fn finish(&self, region: &str, arn: &str) -> Result<Execution, LabError> {
        executions::finish(&self.region(region)?.aws, arn).await
    }

    /// Asks in a Region what finished, as the schedule does every minute: what `watch` answers.
    ///
    /// # Errors
    /// A function that fails.
    pub async fn look(&self, region: &str) -> Result<Value, LabError> {
        self.ask_as(region, WATCH, "holdfast-watch").await
    }

    /// Asks in a Region whether the drills of the networks still count, as the schedule does every hour: what `verify` answers.
    ///
    /// # Errors
    /// A function that fails.
    pub async fn judge_drills(&self, region: &str) -> Result<Value, LabError> {
        self.ask_as(region, READY, "holdfast-verify").await
    }

    /// Calls a function with what a schedule hands to it.
    async fn ask_as(&self, region: &str, schedule: &str, function: &str) -> Result<Value, LabError> {
        let read = self.rest(region, ("scheduler", Method::GET, schedule), &Value::Null).await?;
        let input = read.pointer("/Target/Input").and_then(Value::as_str).unwrap_or_default();
        let input: Value = serde_json::from_str(input).map_err(|error| LabError::aws(schedule, region, error))?;
        let path = format!("/2015-03-31/functions/{function}/invocations");
        self.rest(region, ("lambda", Method::POST, &path), &input).await
    }

    /// Asks in a Region once more and once more, until something that finished is on its bus.
    ///
    /// # Errors
    /// [`LabError::Late`] when nothing is found.
    pub async fn look_until_found(&self, region: &str) -> Result<(), LabError> {
        let found = wait::until("an event", Duration::from_secs(30), || async {
            let looked = self.look(region).await?;
            Ok((looked.get("published") != Some(&json!([]))).then_some(()))
        });
        found.await
    }

    /// Sends a Region the hint that something may have finished: `watch` is called as Lambda calls it for its URL, which the emulator does not
    /// serve. What it answers.
    ///
    /// # Errors
    /// A function that fails.
    pub async fn hint(&self, region: &str, request: &Value) -> Result<Value, LabError> {
        let path = "/2015-03-31/functions/holdfast-watch/invocations";
        self.rest(region, ("lambda", Method::POST, path), request).await
    }

    /// Lets the schedule ask by itself, two seconds from now and no more.
    ///
    /// # Errors
    /// A refused update.
    pub async fn let_look(&self, region: &str) -> Result<(), LabError> {
        let mut schedule = self.rest(region, ("scheduler", Method::GET, WATCH), &Value::Null).await?;
        for (key, value) in [("ScheduleExpression", soon()), ("State", "ENABLED".to_owned())] {
            if let Some(schedule) = schedule.as_object_mut() {
                schedule.insert(key.to_owned(), value.into());
            }
        }
        self.rest(region, ("scheduler", Method::PUT, WATCH), &schedule).await.map(drop)
    }

    async fn rest(&self, region: &str, call: (&str, Method, &str), body: &Value) -> Result<Value, LabError> {
        query::rest(&self.sim.aws_endpoint(), &self.account, region, call, body).await
    }

    /// Has somebody look, and waits for the end of the execution that the rule of what is found starts.
    ///
    /// # Errors
    /// [`LabError::Late`] when no execution starts.
    pub async fn run_by_event(
        &self,
        region: &str,
        machine: &str,
        look: impl AsyncFn() -> Result<(), LabError>,
    ) -> Result<Execution, LabError> {
        let aws = &self.region(region)?.aws;
        let arn = self.machine(region, machine)?;
        let known = executions::list(aws, &arn).await?;
        look().await?;
        let started = executions::started_since(aws, &arn, &known, Duration::from_secs(90)).await?;
        executions::finish(aws, &started).await
    }

    /// Lets a schedule start its machine two seconds from now and waits for the end of the execution.
    ///
    /// # Errors
    /// [`LabError::Late`] when no execution starts.
    pub async fn run_by_schedule(
        &self,
        region: &str,
        schedule: Schedule,
        input: &Value,
    ) -> Result<Execution, LabError> {
        let aws = &self.region(region)?.aws;
        let arn = self.machine(region, schedule.machine())?;
        let known = executions::list(aws, &arn).await?;
        self.schedule(region, schedule, &soon(), input).await?;
        let started = executions::started_since(aws, &arn, &known, Duration::from_secs(90)).await?;
        executions::finish(aws, &started).await
    }

    /// The clients of a Region.
    ///
    /// # Errors
    /// A Region that the lab does not have.
    pub fn aws(&self, region: &str) -> Result<&Aws, LabError> {
        Ok(&self.region(region)?.aws)
    }

    /// The ARN of a state machine by its short name, e.g. `cutover`.
    ///
    /// # Errors
    /// A machine that the stack does not have.
    pub fn machine(&self, region: &str, name: &str) -> Result<String, LabError> {
        let machines = self.region(region)?.outputs.state_machines();
        machines.get(name).cloned().ok_or_else(|| LabError::Absent {
            what: format!("state machine `{name}` in {region}"),
            have: machines.into_keys().collect::<Vec<_>>().join(", "),
        })
    }

    /// One EC2 call of a person, as the AWS CLI would make it; the XML that answers it.
    ///
    /// # Errors
    /// What EC2 refused it with.
    pub async fn ec2(&self, region: &str, action: &str, parameters: &[(&str, &str)]) -> Result<String, LabError> {
        query::ec2(&self.sim.aws_endpoint(), &self.account, region, action, parameters).await
    }

    /// One DynamoDB call of a person.
    ///
    /// # Errors
    /// What DynamoDB refused it with.
    pub async fn dynamodb(&self, region: &str, action: &str, body: &Value) -> Result<Value, LabError> {
        dynamodb::call(self.caller(&self.sim.aws_endpoint(), region), action, body).await
    }

    /// Every item of a table, as a Region has it.
    ///
    /// # Errors
    /// What DynamoDB refused it with.
    pub async fn items(&self, region: &str, table: &str) -> Result<Vec<Value>, LabError> {
        let mut scan = dynamodb::scan(table);
        let mut items = Vec::new();
        loop {
            let mut page = self.dynamodb(region, "Scan", &scan).await?;
            if let Some(some) = page.get_mut("Items").and_then(Value::as_array_mut) {
                items.append(some);
            }
            match (page.get("LastEvaluatedKey"), scan.as_object_mut()) {
                (Some(key), Some(scan)) => drop(scan.insert("ExclusiveStartKey".to_owned(), key.clone())),
                _ => return Ok(items),
            }
        }
    }

    fn caller<'a>(&'a self, endpoint: &'a str, region: &'a str) -> dynamodb::Caller<'a> {
        dynamodb::Caller { http: self.control.http(), endpoint, account: &self.account, region }
    }

    /// The simulators.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// The control server's client.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The emulator.
    pub fn ministack(&self) -> &Ministack {
        &self.ministack
    }

    /// Everything that a client needs to know, as one JSON value.
    pub fn describe(&self) -> Value {
        let names: Vec<&str> = self.regions.iter().map(|region| region.aws.region.as_str()).collect();
        let machines: BTreeMap<&str, _> =
            self.regions.iter().map(|region| (region.aws.region.as_str(), region.outputs.state_machines())).collect();
        json!({
            "aws_endpoint": self.sim.aws_endpoint(),
            "account": self.account,
            "regions": names,
            "prism_centrals": self.sim.prism_centrals(),
            "move": self.sim.moves(),
            "state_machines": machines,
            "control": self.sim.control_url(),
        })
    }

    /// The same for a person, with a first command to try.
    pub fn greeting(&self) -> String {
        let mut lines = vec![
            format!("AWS endpoint   {}", self.sim.aws_endpoint()),
            format!("account        {} (access key id; any secret)", self.account),
        ];
        for (name, endpoint) in self.sim.prism_centrals() {
            lines.push(format!(
                "Prism Central  {name}  {}  user {}  password {}  CA {}",
                endpoint.url,
                endpoint.username,
                endpoint.password,
                endpoint.ca_file.display()
            ));
        }
        for (name, endpoint) in self.sim.moves() {
            lines.push(format!(
                "Move           {name}  {}  user {}  password {}",
                endpoint.url, endpoint.username, endpoint.password
            ));
        }
        lines.push(format!("control        {}", self.sim.control_url()));
        for region in &self.regions {
            lines.extend(region.outputs.state_machines().values().map(|arn| format!("state machine  {arn}")));
        }
        if let Some(region) = self.regions.first() {
            lines.push(format!(
                "try            AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY=lab AWS_ENDPOINT_URL={} aws ec2 describe-instances --region {}",
                self.account,
                self.sim.aws_endpoint(),
                region.aws.region,
            ));
        }
        lines.push("Ctrl-C stops it all".to_owned());
        lines.join("\n")
    }

    /// Waits until the emulator ends by itself, which it should not.
    pub async fn until_the_emulator_ends(&self) -> LabError {
        loop {
            if let Some(error) = self.ministack.ended() {
                return error;
            }
            wait::pause(Duration::from_millis(500)).await;
        }
    }

    fn region(&self, name: &str) -> Result<&Region, LabError> {
        let found = self.regions.iter().find(|region| region.aws.region == name);
        found.ok_or_else(|| LabError::Absent {
            what: format!("Region {name}"),
            have: self.regions.iter().map(|region| region.aws.region.as_str()).collect::<Vec<_>>().join(", "),
        })
    }
}

/// The expression of a schedule that fires once, two seconds from now.
fn soon() -> String {
    format!("at({})", (wait::now() + Duration::from_secs(2)).strftime("%Y-%m-%dT%H:%M:%S"))
}

fn load(workspace: &Workspace, source: &Source, story: &str) -> Result<(PathBuf, Option<String>), LabError> {
    match source {
        Source::Story => Ok((PathBuf::from(story), Some(workspace.read(Path::new(story))?))),
        Source::File(path) => {
            // A path on the command line counts from where the user is, not from the checkout.
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            Ok((path.clone(), Some(workspace.read(&absolute)?)))
        }
        Source::Text(text) => Ok((PathBuf::from("given text"), Some(text.clone()))),
        Source::Empty => Ok((PathBuf::from("nothing"), None)),
    }
}

fn world_file(path: &Path, text: &Option<String>, hosts: Option<usize>) -> Result<WorldFile, LabError> {
    let Some(text) = text else { return Ok(WorldFile::default()) };
    let wrong = |what: String| LabError::Document { path: path.to_path_buf(), what };
    let mut file = WorldFile::parse(text).map_err(|error| wrong(error.to_string()))?;
    if let Some(hosts) = hosts {
        wave::resize(&mut file, hosts).map_err(wrong)?;
    }
    Ok(file)
}
