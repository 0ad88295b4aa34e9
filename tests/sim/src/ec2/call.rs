//! EC2's API without HTTP, for tests in the same process that judge many states of a world.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::api;
use crate::{front::Caller, world::World};

/// Makes one call by all the rules of the API, on a world that no server holds: `Ok` with the inside of the XML answer.
///
/// The token buckets count it too, at the moment `now`; the log, the faults and the holds do not see it.
///
/// # Errors
/// EC2's error code and its text.
pub fn call(
    world: &mut World,
    account: &str,
    region: &str,
    action: &str,
    parameters: &[(&str, &str)],
    now: Timestamp,
) -> Result<String, (String, String)> {
    let caller = Caller {
        account: account.to_owned(),
        key: account.to_owned(),
        region: region.to_owned(),
        service: "ec2".to_owned(),
    };
    let form: BTreeMap<String, String> =
        parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    api::run(world, &caller, action, &form, now)
        .map(|xml| xml.as_str().to_owned())
        .map_err(|error| (error.code, error.message))
}
