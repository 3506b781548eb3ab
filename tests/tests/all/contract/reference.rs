//! The page about the contract, made of `wit/`: every world, interface, type and function with what
//! is said about it there, and what of it has to be granted.

mod types;

use std::path::Path;

use chore_host::grant::{self, Grants, Refusal, Weighed};
use chore_host::name::ChoreName;
use wit_parser::{
    Docs, Function, FunctionKind, InterfaceId, PackageId, PackageName, Resolve, TypeId, World,
    WorldItem, WorldKey,
};

const INTRODUCTION: &str = "\
What a component exports so that a peer runs it, and what it may import. In Rust the SDK wraps it; \
any other language is given bindings of the files in [`wit/`](../wit). What may change from version \
to version, and what an author has to do then, is in [compatibility.md](compatibility.md).";

fn read(folder: &Path) -> (Resolve, PackageId) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder).unwrap_or_else(|err| panic!("{err:?}"));
    (resolve, package)
}

/// The name and version of the package in a folder.
pub fn package(folder: &Path) -> PackageName {
    let (resolve, package) = read(folder);
    resolve.packages[package].name.clone()
}

/// The whole page; `command` writes it.
pub fn page(folder: &Path, command: &str) -> String {
    let (resolve, id) = read(folder);
    let package = &resolve.packages[id];
    let worlds: Vec<&World> = package.worlds.values().map(|id| &resolve.worlds[*id]).collect();
    let mut interfaces = interfaces(&worlds, package.interfaces.values().copied());
    // What only has types is looked up, and not read.
    interfaces.sort_by_key(|id| resolve.interfaces[*id].functions.is_empty());
    let mut page = Page { resolve: &resolve, worlds, paragraphs: Vec::new() };
    page.add(format!("<!-- Generated from wit/; do not edit. To write it anew:\n{command}\n-->"));
    page.add(format!("# The contract `{}`", package.name));
    page.add(INTRODUCTION);
    page.add("## Overview");
    page.overview(&interfaces);
    page.worlds();
    for id in interfaces {
        page.interface(id);
    }
    page.paragraphs.join("\n\n") + "\n"
}

/// Each once: first what worlds export, then what they import, then the rest.
fn interfaces(worlds: &[&World], all: impl Iterator<Item = InterfaceId>) -> Vec<InterfaceId> {
    let exports = worlds.iter().flat_map(|world| world.exports.values()).filter_map(interface_of);
    let imports = worlds.iter().flat_map(|world| world.imports.values()).filter_map(interface_of);
    let mut found = Vec::new();
    for id in exports.chain(imports).chain(all) {
        if !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

fn interface_of(item: &WorldItem) -> Option<InterfaceId> {
    match item {
        WorldItem::Interface { id, .. } => Some(*id),
        _ => None,
    }
}

/// What documentation says, or nothing.
fn said(docs: &Docs) -> &str {
    docs.contents.as_deref().unwrap_or_default().trim()
}

/// Its first sentence, on one line.
fn first_sentence(docs: &Docs) -> String {
    let first = said(docs).split("\n\n").next().unwrap_or_default().replace('\n', " ");
    match first.split_once(". ") {
        Some((sentence, _)) => format!("{sentence}."),
        None => first,
    }
}

fn code(text: &str) -> String {
    format!("```wit\n{}\n```", text.trim_end())
}

/// Paragraphs, one after the other.
struct Page<'a> {
    resolve: &'a Resolve,
    worlds: Vec<&'a World>,
    paragraphs: Vec<String>,
}

impl Page<'_> {
    fn add(&mut self, paragraph: impl Into<String>) {
        let paragraph = paragraph.into();
        if !paragraph.is_empty() {
            self.paragraphs.push(paragraph);
        }
    }

    /// A heading that links can name, whatever becomes of its words.
    fn heading(&mut self, level: &str, anchor: &str, words: &str) {
        self.add(format!("<a id=\"{anchor}\"></a>\n\n{level} {words}"));
    }

    fn name(&self, id: InterfaceId) -> &str {
        self.resolve.interfaces[id].name.as_deref().expect("a name")
    }

    fn overview(&mut self, interfaces: &[InterfaceId]) {
        let mut lines = vec!["| interface | what | grant |".to_owned(), "|---|---|---|".to_owned()];
        for id in interfaces {
            let name = self.name(*id);
            let what = first_sentence(&self.resolve.interfaces[*id].docs);
            lines.push(format!("| [`{name}`](#{name}) | {what} | {} |", self.needed(*id)));
        }
        self.add(lines.join("\n"));
    }

    fn is_exported(&self, id: InterfaceId) -> bool {
        let mut exports = self.worlds.iter().flat_map(|world| world.exports.values());
        exports.any(|item| interface_of(item) == Some(id))
    }

    /// What the host's own rule makes of an import of this interface.
    fn needed(&self, id: InterfaceId) -> &'static str {
        if self.is_exported(id) {
            return "exported by the chore";
        }
        let import = self.resolve.id_of(id).expect("a name");
        let chore = ChoreName::new("a").expect("a name");
        let Weighed { wanted, refusals, .. } = weigh(&chore, import);
        match &refusals[..] {
            [] if wanted.is_empty() => "nothing to grant",
            [] => "every chore has it",
            [Refusal::NotGranted { .. }] => "by the operator",
            other => panic!("{}: {other:?}", self.name(id)),
        }
    }

    /// The line that an operator writes for it.
    fn grant_line(&self, id: InterfaceId) -> String {
        let import = self.resolve.id_of(id).expect("a name");
        let chore = ChoreName::new("a").expect("a name");
        let line = weigh(&chore, import).refusals.into_iter().find_map(|refusal| match refusal {
            Refusal::NotGranted { line, .. } => Some(line),
            _ => None,
        });
        line.map(|line| format!("Needs `grants = {line}` in the chore's config file."))
            .unwrap_or_default()
    }

    fn worlds(&mut self) {
        for world in self.worlds.clone() {
            self.heading(
                "##",
                &format!("world.{}", world.name),
                &format!("World `{}`", world.name),
            );
            self.add(said(&world.docs));
            let list = |items: &wit_parser::IndexMap<WorldKey, WorldItem>| {
                let names = items.values().filter_map(interface_of).map(|id| self.name(id));
                names.map(|name| format!("[`{name}`](#{name})")).collect::<Vec<_>>().join(", ")
            };
            let (exports, imports) = (list(&world.exports), list(&world.imports));
            self.add(format!("Exports {exports}; imports {imports}."));
        }
    }

    fn interface(&mut self, id: InterfaceId) {
        let (name, interface) = (self.name(id).to_owned(), &self.resolve.interfaces[id]);
        self.heading("##", &name, &format!("Interface `{name}`"));
        self.add(said(&interface.docs));
        if !self.is_exported(id) {
            self.add(self.grant_line(id));
        }
        let (own, used): (Vec<TypeId>, Vec<TypeId>) =
            interface.types.values().partition(|ty| self.is_defined_in(**ty, id));
        let used: Vec<String> = used.into_iter().map(|ty| self.taken(ty)).collect();
        if !used.is_empty() {
            self.add(format!("Uses {}.", used.join(", ")));
        }
        for ty in own {
            self.definition(&name, ty);
            let methods = interface.functions.values().filter(|it| resource(&it.kind) == Some(ty));
            for method in methods {
                self.function(&name, method);
            }
        }
        for function in interface.functions.values().filter(|it| resource(&it.kind).is_none()) {
            self.function(&name, function);
        }
    }

    fn function(&mut self, interface: &str, function: &Function) {
        let shown =
            match resource(&function.kind).and_then(|id| self.resolve.types[id].name.as_ref()) {
                Some(resource) => format!("{resource}.{}", function.item_name()),
                None => function.name.clone(),
            };
        self.heading("###", &format!("{interface}.{shown}"), &format!("`{shown}`"));
        self.add(code(&self.signature(function)));
        self.add(said(&function.docs));
    }

    fn signature(&self, function: &Function) -> String {
        let (is_async, is_static, is_method) = match function.kind {
            FunctionKind::Freestanding | FunctionKind::Constructor(_) => (false, false, false),
            FunctionKind::AsyncFreestanding => (true, false, false),
            FunctionKind::Method(_) => (false, false, true),
            FunctionKind::AsyncMethod(_) => (true, false, true),
            FunctionKind::Static(_) => (false, true, false),
            FunctionKind::AsyncStatic(_) => (true, true, false),
        };
        // The handle that a method is called on goes without saying.
        let parameters = function.params.iter().skip(usize::from(is_method));
        let parameters: Vec<String> =
            parameters.map(|it| format!("{}: {}", it.name, self.shown(&it.ty))).collect();
        let result = function.result.map(|ty| format!(" -> {}", self.shown(&ty)));
        format!(
            "{}: {}{}func({}){};",
            function.item_name(),
            if is_static { "static " } else { "" },
            if is_async { "async " } else { "" },
            parameters.join(", "),
            result.unwrap_or_default()
        )
    }
}

/// What an operator who has granted nothing hears of a chore with this import.
fn weigh(chore: &ChoreName, import: String) -> Weighed {
    let (granted, ceiling, offered) =
        (Grants::default(), Grants::everything(), grant::offered(true));
    let terms = grant::Terms { granted: &granted, ceiling: &ceiling, offered: &offered };
    grant::weigh(chore, &[import], terms)
}

fn resource(kind: &FunctionKind) -> Option<TypeId> {
    match kind {
        FunctionKind::Freestanding | FunctionKind::AsyncFreestanding => None,
        FunctionKind::Method(id)
        | FunctionKind::AsyncMethod(id)
        | FunctionKind::Static(id)
        | FunctionKind::AsyncStatic(id)
        | FunctionKind::Constructor(id) => Some(*id),
    }
}
