//! What a planet writes for its members; that they talk to each other is for the tests crate.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;

fn options(satellites: usize, nodes: usize) -> PlanetOptions {
    let mut options = PlanetOptions::new("/nowhere", Runtime::new().unwrap());
    (options.satellites, options.nodes) = (satellites, nodes);
    options
}

#[test]
fn members_have_ports_and_identities_of_their_own() {
    let plan = Plan::new(&options(3, 2)).unwrap();
    let seats = || plan.satellites.iter().chain(&plan.nodes);
    let addresses: BTreeSet<_> = seats().map(|seat| seat.url.address.clone()).collect();
    let ids: BTreeSet<_> = seats().map(|seat| seat.url.id).collect();
    assert_eq!((addresses.len(), ids.len(), plan.urls.len()), (5, 5, 3));
    for address in addresses {
        assert!(address.starts_with("127.0.0.1:"), "{address}");
    }
}

#[test]
fn config_files_name_the_satellites_and_can_be_changed() {
    let mut options = options(2, 1);
    options.reconfigure = Some(Box::new(|role, index, text| {
        text.push_str(&format!("# {role} {index}\n"));
    }));
    let plan = Plan::new(&options).unwrap();
    let (a, b) = (&plan.urls[0], &plan.urls[1]);

    let text = config(&options, Role::Satellite, 1, &plan.satellites[1], &plan.urls);
    let expected = format!("[server]\nlisten = \"{}\"\n\n[settlement]\n# satellite 1\n", b.address);
    assert_eq!(text, expected);

    let text = config(&options, Role::Node, 0, &plan.nodes[0], &plan.urls);
    for line in [
        "[orders]".to_owned(),
        format!("[intake]\nsatellites = [\"{a}\", \"{b}\"]"),
        format!("[nodes]\nknown = [\"{a}\", \"{b}\"]"),
        "# node 0".to_owned(),
    ] {
        assert!(text.contains(&line), "{text}");
    }
    crate::config::Config::parse(&text, "chore.toml").unwrap();
}

#[test]
fn orders_are_issued_one_by_one() {
    let plan = Plan::new(&options(1, 1)).unwrap();
    let node = plan.nodes[0].url.id;
    let orders = issue(&plan.satellites[0].identity, node, 5, Timestamp::now()).unwrap();
    let serials: BTreeSet<_> = orders.iter().map(|(limit, _)| &limit.serial_number).collect();
    assert_eq!((orders.len(), serials.len()), (5, 5));
    for (limit, order) in &orders {
        assert_eq!(limit.serial_number, order.serial_number);
        assert_eq!(limit.storage_node_id, node.as_bytes());
        assert_eq!(order.amount, ORDER_BYTES);
    }
}
