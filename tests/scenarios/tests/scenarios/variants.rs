//! The story's way to NC2, to the other Region and back, for each answer to what nobody knows of Nutanix, and for a large wave. All share one lab.

use crate::support::{answered_at, begin_anew, green, lab, migrate, recover, run, story_world, to};
use holdfast_lab::wave;
use holdfast_sim::prism::Switches;
use serde_json::json;

/// How one variant differs from the story, in words.
type Variant = (&'static str, fn(&mut Switches), usize);

/// Open questions 2 (`migrate`) and 3 (`assign-ip`). The story has the defaults: `migrate` keeps the MAC address, works on a powered-on VM and within a
/// VPC; `assign-ip` does not replace an address, and a reserved one may be assigned. Here is the other answer to each.
const VARIANTS: [Variant; 4] = [
    (
        "migrate changes the MAC address, assign-ip replaces an address, twelve machines",
        |it| {
            it.migrate_keeps_mac = false;
            it.assign_replaces = true;
        },
        12,
    ),
    ("migrate refuses a VM that is on", |it| it.migrate_powered_on = false, 2),
    ("migrate refuses to stay within a VPC", |it| it.migrate_within_vpc = false, 2),
    (
        "a reserved address cannot be assigned, assign-ip replaces an address",
        |it| {
            it.assign_reserved = false;
            it.assign_replaces = true;
        },
        2,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_machines_keep_their_addresses_whatever_nutanix_does() {
    let lab = lab().await;
    for (name, turn, hosts) in VARIANTS {
        println!("{name}");
        let mut world = story_world();
        wave::resize(&mut world, hosts).unwrap();
        turn(&mut world.switches.prism);
        begin_anew(&lab, &world).await;
        green(&run(&lab, "capture", json!({"wave": "wave-1"})).await);
        migrate(&lab).await;
        green(&run(&lab, "cutover", json!({"wave": "wave-1"})).await);
        answered_at(&lab, "pc-tokyo", name).await;
        recover(&lab).await;
        green(&run(&lab, "failover", to("nc2-osaka")).await);
        answered_at(&lab, "pc-osaka", name).await;
        recover(&lab).await;
        green(&run(&lab, "failover", to("nc2-tokyo")).await);
        answered_at(&lab, "pc-tokyo", name).await;
    }
}
