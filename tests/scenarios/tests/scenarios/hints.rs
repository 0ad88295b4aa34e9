//! The URL of `watch`, as Lambda calls the function for it; the emulator gives URLs out and does not answer at them.

use crate::support::{TOKYO, invoke, last_call};
use holdfast_lab::hint::signed;
use holdfast_lab::{Lab, wait};
use serde_json::{Value, json};

/// Forged, changed, old or repeated, a hint brings about nothing; a good one brings about one look.
pub async fn only_a_signed_hint_brings_about_a_look(lab: &Lab) {
    let secrets = &lab.aws(TOKYO).unwrap().secrets;
    let secret = json!({"api_key": "correct horse"}).to_string();
    secrets.create_secret().name("holdfast/hint").secret_string(secret).send().await.unwrap();
    let now = wait::now().as_millisecond();
    let good = signed("correct horse", now, "{}");
    let mut changed = good.clone();
    changed["body"] = json!("{ }");
    let refused = [
        signed("wrong horse", now, "{}"),
        signed("correct horse", now - 400_000, "{}"),
        changed,
        signed("", now, "{}"),
    ];
    for forged in refused {
        assert_eq!(looked(lab, &forged).await, (403, false), "{forged}");
    }
    assert_eq!(looked(lab, &good).await, (202, true));
    assert_eq!(looked(lab, &good).await, (403, false), "a second time");
    assert_eq!(looked(lab, &signed("correct horse", now - 1, "{}")).await, (403, false), "an older one");
    assert_eq!(looked(lab, &signed("correct horse", now + 1, "{}")).await, (202, true));
}

/// Status of the answer, and whether a Prism Central was asked.
async fn looked(lab: &Lab, request: &Value) -> (u64, bool) {
    let since = last_call(lab).await;
    let answer = invoke(lab, "holdfast-watch", request).await.unwrap();
    let log = lab.control().get(&format!("/log?since={since}")).await.unwrap();
    let asked = log.as_array().unwrap().iter().any(|call| call["source"] == "prism:pc-tokyo");
    (answer["statusCode"].as_u64().unwrap(), asked)
}
