//! What the program is made of: licences, doubles, and where it comes from, as `deny.toml` allows it. No network.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, Licensee, ParseMode};
use testplanet::{text, workspace};

/// A crate that is built for this machine.
struct Crate {
    name: String,
    version: String,
    license: String,
    source: Option<String>,
}

fn crates() -> Vec<Crate> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform"]);
    let output = cargo.arg(target()).current_dir(workspace()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    // The list of packages has those of every platform; the graph has not.
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let built: BTreeSet<&str> = nodes.iter().map(|node| node["id"].as_str().unwrap()).collect();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let packages = packages.filter(|package| built.contains(package["id"].as_str().unwrap()));
    let of = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    packages
        .map(|package| Crate {
            name: of(package, "name"),
            version: of(package, "version"),
            license: of(package, "license"),
            source: package["source"].as_str().map(str::to_owned),
        })
        .collect()
}

fn deny() -> toml::Table {
    let path = workspace().join("deny.toml");
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn target() -> String {
    deny()["graph"]["targets"][0].as_str().unwrap().to_owned()
}

fn texts<'a>(value: &'a toml::Value, key: &str) -> Vec<&'a str> {
    value[key].as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

/// A licence as the list has it: "Apache-2.0 WITH LLVM-exception".
fn licensee(text: &str) -> Licensee {
    Licensee::parse(text).unwrap_or_else(|err| panic!("deny.toml: {text}: {err}"))
}

#[test]
fn each_licence_is_allowed_and_each_that_is_allowed_is_there() {
    let deny = deny();
    let allowed: Vec<Licensee> =
        texts(&deny["licenses"], "allow").into_iter().map(licensee).collect();
    let exceptions = deny["licenses"]["exceptions"].as_array().unwrap();
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for Crate { name, version, license, .. } in crates() {
        let exception = exceptions.iter().find(|of| of["crate"].as_str() == Some(&name));
        let more: Vec<Licensee> = exception
            .map_or(Vec::new(), |of| texts(of, "allow").into_iter().map(licensee).collect());
        // Old crates write "MIT/Apache-2.0".
        let expression = Expression::parse_mode(&license, ParseMode::LAX);
        let Ok(expression) = expression else {
            wrong.push(format!("{name} {version}: \"{license}\" is no licence"));
            continue;
        };
        let allows = |asked: &spdx::LicenseReq| {
            allowed.iter().chain(&more).any(|licensee| licensee.satisfies(asked))
        };
        if !expression.evaluate(allows) {
            wrong.push(format!("{name} {version}: {license} is not allowed by deny.toml"));
        }
        for asked in expression.requirements() {
            let of = |licensee: &&Licensee| licensee.satisfies(&asked.req);
            used.extend(allowed.iter().filter(of).map(ToString::to_string));
        }
        used.extend(exception.map(|_| name));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let names = exceptions.iter().map(|of| of["crate"].as_str().unwrap().to_owned());
    let stale: Vec<String> = allowed
        .iter()
        .map(ToString::to_string)
        .chain(names)
        .filter(|one| !used.contains(one))
        .collect();
    assert!(stale.is_empty(), "deny.toml allows what nothing has: {stale:?}");
}

#[test]
fn no_crate_is_there_twice_or_banned() {
    let deny = deny();
    let bans = &deny["bans"];
    let spec = |item: &toml::Value| item["crate"].as_str().unwrap().to_owned();
    let skips: Vec<String> = bans["skip"].as_array().unwrap().iter().map(spec).collect();
    let banned: Vec<String> = bans["deny"].as_array().unwrap().iter().map(spec).collect();
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    let mut versions = BTreeMap::<String, Vec<String>>::new();
    for Crate { name, version, .. } in crates() {
        if banned.contains(&name) {
            wrong.push(format!("{name} {version} is banned by deny.toml"));
        }
        let skip = skips.iter().find(|skip| is_of(skip, &name, &version));
        match skip {
            Some(skip) => {
                used.insert(skip);
            }
            None => versions.entry(name).or_default().push(version),
        }
    }
    let doubles = versions.iter().filter(|(_, versions)| versions.len() > 1);
    wrong.extend(doubles.map(|(name, versions)| format!("{name} is there as {versions:?}")));
    let stale = skips.iter().filter(|skip| !used.contains(skip));
    wrong.extend(stale.map(|skip| format!("deny.toml skips {skip}, which is not there")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Whether `name@1.2` means this version.
fn is_of(spec: &str, name: &str, version: &str) -> bool {
    let (of, wanted) = spec.split_once('@').expect("a version");
    of == name && version.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
}

#[test]
fn all_of_it_comes_from_one_registry_with_a_checksum() {
    let foreign: Vec<String> = crates()
        .into_iter()
        .filter(|of| of.source.as_ref().is_some_and(|source| !source.starts_with("registry+")))
        .map(|of| format!("{} {}: {:?}", of.name, of.version, of.source))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    let lock = std::fs::read_to_string(workspace().join("Cargo.lock")).unwrap();
    let lock: toml::Table = lock.parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let registries: BTreeSet<&str> =
        packages.iter().filter_map(|package| package.get("source")?.as_str()).collect();
    assert_eq!(registries.len(), 1, "{registries:?}");
    let unchecked: Vec<&toml::Value> = packages
        .iter()
        .filter(|package| package.get("source").is_some() && package.get("checksum").is_none())
        .collect();
    assert!(unchecked.is_empty(), "{unchecked:?}");
}
