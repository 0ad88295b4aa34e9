//! The simulators as their clients see them, rule by rule.

mod describe;
mod front;
mod gate;
mod guests;
mod nutanix;
mod official_clients;
mod on_premises;
mod prefix_lists;
mod support;
mod tgw_routes;
mod vpc_routes;
mod world_file;
