//! What a peer shows of itself as metrics is what `docs/metrics.md` says, both ways, and what
//! dashboards and alert rules ask for is there.

use std::collections::{BTreeMap, BTreeSet};

use chore_host::clock::Timestamp;
use chore_host::meters::catalogue::{CATALOGUE, GUEST_PREFIX};
use chore_host::settlement::Manner;
use testplanet::{
    Build, PATCHED, Testplanet, component, drop_chore, eventually, trigger_wait, workspace,
};
use yaml_rust2::YamlLoader;

use crate::promql;

/// A metric's type and labels.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
}

type Families = BTreeMap<String, Family>;

/// The tables of `docs/metrics.md`, and each row's meaning.
fn documented() -> (Families, BTreeMap<String, String>) {
    let page = std::fs::read_to_string(workspace().join("docs/metrics.md")).unwrap();
    let (mut families, mut meanings) = (Families::new(), BTreeMap::new());
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, kind, labels, meaning] = cells[..] else { panic!("four cells: {row}") };
        let name = name.trim_matches('`').to_owned();
        let labels = labels.split(", ").map(|label| label.trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        let family = Family { kind: kind.to_owned(), labels };
        assert!(families.insert(name.clone(), family).is_none(), "{name} is there twice");
        meanings.insert(name, meaning.to_owned());
    }
    (families, meanings)
}

/// What a peer shows. Every series of a family has the same labels.
fn shown(text: &str, families: &mut Families) {
    let mut kinds = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            let (name, kind) = head.split_once(' ').unwrap();
            assert!(kinds.insert(name, kind).is_none(), "{name} has two types");
        }
        if line.starts_with('#') {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let parts = ["_bucket", "_sum", "_count"].map(|part| name.strip_suffix(part));
        let of_histogram = |name: &&str| kinds.get(name) == Some(&"histogram");
        let name = parts.into_iter().flatten().find(of_histogram).unwrap_or(name);
        let kind = kinds.get(name).unwrap_or_else(|| panic!("no type: {line}"));
        // No value of these tests has such characters.
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        let labels = labels.map(|label| label.split_once('=').unwrap().0.to_owned());
        let labels: BTreeSet<String> = labels.filter(|label| label != "le").collect();
        let family = Family { kind: (*kind).to_owned(), labels };
        if !name.starts_with(GUEST_PREFIX) {
            let before = families.entry(name.to_owned()).or_insert(family.clone());
            assert_eq!(*before, family, "{line}");
        }
    }
}

/// The value of a series.
#[track_caller]
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

/// A node and its satellite after some work of every kind.
async fn worked() -> Testplanet {
    let planet = Testplanet::start_with(2, 1, |options| {
        options.chore_files.push((component("guest_run_uses_all"), None));
        options.manners =
            vec![Manner::default(), Manner { reject: Some("no".into()), ..Manner::default() }];
    })
    .await;
    planet.hand_in(0, 0, 3).await;
    planet.hand_in(1, 0, 2).await;
    let spoiled = planet.issue(0, 0, 1, Timestamp::now()).unwrap();
    let spoiled = spoiled.into_iter().map(|(limit, mut order)| {
        order.amount += 1;
        (limit, order)
    });
    assert!(planet.hand_in_raw(0, spoiled.collect()).await[0].is_err());
    planet.trigger_wait(0, testplanet::SENDER).await;

    let node = planet.node(0);
    let config = "[cycles.main]\ninterval = \"1s\"\nstart = \"delay\"\n";
    drop_chore(node, PATCHED, &Build::patched(), Some(config));
    eventually("it is loaded", || async {
        node.handle()
            .status()
            .chores
            .iter()
            .any(|chore| chore.name == PATCHED && chore.state == "loaded")
    })
    .await;
    trigger_wait(node, PATCHED).await;
    let skipped = || async {
        node.handle().restart(PATCHED, None).await.unwrap();
        node.handle().pause(PATCHED, None).await.unwrap();
        node.handle().metrics().contains("peer_skipped_slots_total{")
    };
    node.handle().pause(PATCHED, None).await.unwrap();
    eventually("a slot of the pause is skipped", || async {
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        skipped().await
    })
    .await;
    drop_chore(node, PATCHED, &Build::patched().version("1.7.101").open("fail"), Some(config));
    let changes = node.handle().reload(Some(PATCHED), false).await.unwrap();
    assert_eq!(changes.len(), 1, "{changes:?}");
    planet
}

#[tokio::test(flavor = "multi_thread")]
async fn what_peers_show_is_what_is_documented() {
    let planet = worked().await;
    let (documented, meanings) = documented();
    for metric in CATALOGUE {
        assert_eq!(Some(metric.help), meanings.get(metric.name).map(String::as_str));
    }
    eventually("orders are counted", || async {
        planet.node(0).handle().metrics().contains("peer_orders_archived{status=\"accepted\"} 3")
    })
    .await;
    let node = planet.node(0).handle().metrics();
    let mut families = Families::new();
    shown(&node, &mut families);
    let satellites = [0, 1].map(|index| planet.satellite(index).handle().metrics());
    satellites.iter().for_each(|text| shown(text, &mut families));
    assert_eq!(families, documented);

    let run = format!("{{chore=\"{PATCHED}\",cycle=\"main\"");
    let triggered = format!("peer_runs_total{run},outcome=\"succeeded\",reason=\"trigger\"}}");
    assert!(value(&node, &triggered) >= 1.0);
    assert!(value(&node, &format!("peer_run_duration_seconds_count{run}}}")) >= 1.0);
    assert!(value(&node, &format!("peer_run_memory_bytes_sum{run}}}")) > 0.0);
    // At least its settings, its state, a row, and its state again, with a text in each.
    assert!(value(&node, &format!("peer_host_calls_total{{chore=\"{PATCHED}\"}}")) >= 4.0);
    assert!(value(&node, &format!("peer_host_bytes_total{{chore=\"{PATCHED}\"}}")) > 50.0);
    let skipped = format!("peer_skipped_slots_total{run},reason=\"paused\"}}");
    assert!(value(&node, &skipped) >= 1.0);
    assert_eq!(value(&node, &format!("peer_cycle_paused{run}}}")), 1.0);
    for (series, expected) in [
        (format!("peer_changes_total{{chore=\"{PATCHED}\",kind=\"loaded\"}}"), 1.0),
        (format!("peer_changes_total{{chore=\"{PATCHED}\",kind=\"refused\"}}"), 1.0),
        (format!("peer_chore_loaded{{chore=\"{PATCHED}\"}}"), 1.0),
        (format!("peer_chore_refused{{chore=\"{PATCHED}\"}}"), 1.0),
        ("peer_intake_orders_total{result=\"taken\"}".into(), 5.0),
        ("peer_intake_orders_total{result=\"signature\"}".into(), 1.0),
        ("peer_orders_unsent".into(), 0.0),
        ("peer_orders_archived{status=\"rejected\"}".into(), 2.0),
        ("peer_ledger_entries_lost_total".into(), 0.0),
        ("peer_transport_dials_total{result=\"failed\"}".into(), 0.0),
        ("peer_runtime_stalled".into(), 0.0),
    ] {
        assert_eq!(value(&node, &series), expected, "{series}");
    }
    assert!(value(&node, "peer_transport_dials_total{result=\"connected\"}") >= 2.0);
    for index in [0, 1] {
        let satellite = format!("{{satellite=\"{}\"}}", planet.satellite(index).node_id());
        assert_eq!(value(&node, &format!("peer_satellite_orders_unsent{satellite}")), 0.0);
        assert_eq!(value(&node, &format!("peer_satellite_dials_failed_total{satellite}")), 0.0);
    }
    assert!(value(&node, "peer_ledger_entries_written_total") >= 3.0);
    assert!(value(&node, "process_resident_memory_bytes") > 1e6);
    assert!(value(&node, "peer_disk_free_bytes") > 0.0);
    assert_eq!(value(&satellites[0], "peer_settlement_orders_total{result=\"accepted\"}"), 3.0);
    assert_eq!(value(&satellites[1], "peer_settlement_orders_total{result=\"unwanted\"}"), 2.0);
    planet.shutdown().await;
}

// What is in `ops/`.

/// Complains of everything in `expression` that no peer shows.
fn check(place: &str, expression: &str, families: &Families) {
    let found = promql::names(expression).unwrap_or_else(|why| panic!("{place}: {why}"));
    assert!(!found.metrics.is_empty(), "{place}: no metric in {expression}");
    let mut labels: BTreeSet<&str> = ["instance", "job"].into();
    for name in &found.metrics {
        // Prometheus' own, of each peer that it asks.
        if name == "up" {
            continue;
        }
        let parts = ["_bucket", "_sum", "_count"].map(|part| name.strip_suffix(part));
        let of_histogram = |base: &&str| families.get(*base).is_some_and(|f| f.kind == "histogram");
        let base = parts.into_iter().flatten().find(of_histogram);
        let family = families.get(base.unwrap_or(name));
        let family = family.unwrap_or_else(|| panic!("{place}: no metric {name}: {expression}"));
        let plain = family.kind == "histogram" && base.is_none();
        assert!(!plain, "{place}: {name} is a histogram: {expression}");
        labels.extend(family.labels.iter().map(String::as_str));
        if name.ends_with("_bucket") {
            labels.insert("le");
        }
    }
    for label in &found.labels {
        assert!(labels.contains(label.as_str()), "{place}: no label {label}: {expression}");
    }
}

#[test]
fn alerts_ask_for_what_is_there() {
    let (families, _) = documented();
    let text = std::fs::read_to_string(workspace().join("ops/prometheus/alerts.yml")).unwrap();
    let documents = YamlLoader::load_from_str(&text).expect("YAML");
    let mut names = BTreeSet::new();
    for group in documents[0]["groups"].as_vec().expect("groups") {
        assert!(group["name"].as_str().is_some(), "{group:?}");
        for rule in group["rules"].as_vec().expect("rules") {
            let name = rule["alert"].as_str().expect("a name");
            assert!(names.insert(name.to_owned()), "{name} is there twice");
            check(name, rule["expr"].as_str().expect(name), &families);
            let severity = rule["labels"]["severity"].as_str();
            assert!(matches!(severity, Some("critical" | "warning")), "{name}: {severity:?}");
            for text in ["summary", "description"] {
                assert!(rule["annotations"][text].as_str().is_some(), "{name} has no {text}");
            }
        }
    }
    let readme = std::fs::read_to_string(workspace().join("ops/README.md")).unwrap();
    for name in &names {
        assert!(readme.contains(&format!("`{name}`")), "ops/README.md does not tell of {name}");
    }
    assert!(names.len() >= 10, "{names:?}");
}

#[test]
fn the_dashboard_asks_for_what_is_there() {
    let (families, _) = documented();
    let text = std::fs::read_to_string(workspace().join("ops/grafana/chore.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let (mut ids, mut asked, mut titles) = (BTreeSet::new(), 0, BTreeSet::new());
    for panel in dashboard["panels"].as_array().expect("panels") {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64().expect(title)), "{title}: its id is used twice");
        if panel["type"] == "row" {
            titles.insert(title);
            continue;
        }
        for target in panel["targets"].as_array().expect(title) {
            check(title, target["expr"].as_str().expect(title), &families);
            asked += 1;
        }
    }
    assert_eq!(titles, ["Chores", "Host", "Orders", "Overview"].into());
    assert!(asked > 20, "{asked}");
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["query"].as_str().filter(|_| variable["type"] == "query") {
            let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (metric, label) = inner.expect(query).rsplit_once(',').expect(query);
            check("variable", &format!("{metric}{{{}=\"\"}}", label.trim()), &families);
        }
    }
}
