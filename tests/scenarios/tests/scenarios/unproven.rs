//! What looks right in the route tables and is not: no green execution.

use crate::support::{green, held, migrated, run};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_keeps_its_old_lease_is_not_green() {
    let lab = migrated().await;
    lab.control().put("/switches", &json!({"guests": {"lease_on_link": false}})).await.unwrap();
    let execution = run(&lab, "cutover", json!({"wave": "wave-1"})).await;
    held(&execution, "GuestSilent");
    held(&execution, "web-1");
    assert!(!execution.states().contains(&"SwapRoutes".to_owned()), "{:?}", execution.states());
    lab.control().put("/switches", &json!({"guests": {"lease_on_link": true}})).await.unwrap();
    green(&run(&lab, "cutover", json!({"wave": "wave-1"})).await);
}
