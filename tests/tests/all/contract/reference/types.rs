//! Types as the page shows them: their definitions, and how others name them.

use wit_parser::{Docs, Handle, InterfaceId, Type, TypeDef, TypeDefKind, TypeId, TypeOwner};

use super::{Page, code, said};

impl Page<'_> {
    /// And not taken from another interface.
    pub fn is_defined_in(&self, id: TypeId, interface: InterfaceId) -> bool {
        self.owner(id) == TypeOwner::Interface(interface)
    }

    fn owner(&self, id: TypeId) -> TypeOwner {
        self.resolve.types[self.origin(id)].owner
    }

    /// Where a type that was taken over stands.
    fn origin(&self, id: TypeId) -> TypeId {
        let ty = &self.resolve.types[id];
        match ty.kind {
            TypeDefKind::Type(Type::Id(other)) => {
                let original = &self.resolve.types[other];
                match original.owner != ty.owner && original.owner != TypeOwner::None {
                    true => self.origin(other),
                    false => id,
                }
            }
            _ => id,
        }
    }

    /// A named type, linked to where it stands.
    pub fn link(&self, id: TypeId) -> String {
        let origin = &self.resolve.types[self.origin(id)];
        let name = origin.name.as_deref().unwrap_or_default();
        match origin.owner {
            TypeOwner::Interface(interface) => {
                format!("[`{name}`](#{}.{name})", self.name(interface))
            }
            _ => format!("`{name}`"),
        }
    }

    /// A type of another interface, and what it is called here.
    pub fn taken(&self, id: TypeId) -> String {
        let name = |id: TypeId| self.resolve.types[id].name.as_deref().unwrap_or_default();
        match name(id) == name(self.origin(id)) {
            true => self.link(id),
            false => format!("{} as `{}`", self.link(id), name(id)),
        }
    }

    /// In a list: linked if it is but a name.
    fn linked(&self, ty: &Type) -> String {
        match ty {
            Type::Id(id) if self.resolve.types[*id].name.is_some() => self.link(*id),
            other => format!("`{}`", self.shown(other)),
        }
    }

    /// As it is written where it is used.
    pub fn shown(&self, ty: &Type) -> String {
        let name = match ty {
            Type::Bool => "bool",
            Type::U8 => "u8",
            Type::U16 => "u16",
            Type::U32 => "u32",
            Type::U64 => "u64",
            Type::S8 => "s8",
            Type::S16 => "s16",
            Type::S32 => "s32",
            Type::S64 => "s64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Char => "char",
            Type::String => "string",
            Type::ErrorContext => "error-context",
            Type::Id(id) => return self.named(&self.resolve.types[*id]),
        };
        name.to_owned()
    }

    fn named(&self, ty: &TypeDef) -> String {
        ty.name.clone().unwrap_or_else(|| self.structure(&ty.kind))
    }

    /// What is made of other types where it is used, without a name.
    fn structure(&self, kind: &TypeDefKind) -> String {
        let or = |ty: &Option<Type>, other: &str| match ty {
            Some(ty) => self.shown(ty),
            None => other.to_owned(),
        };
        let named = |id: &TypeId| self.named(&self.resolve.types[*id]);
        match kind {
            TypeDefKind::Type(ty) => self.shown(ty),
            TypeDefKind::List(ty) => format!("list<{}>", self.shown(ty)),
            TypeDefKind::FixedLengthList(ty, length) => {
                format!("list<{}, {length}>", self.shown(ty))
            }
            TypeDefKind::Map(key, value) => {
                format!("map<{}, {}>", self.shown(key), self.shown(value))
            }
            TypeDefKind::Option(ty) => format!("option<{}>", self.shown(ty)),
            TypeDefKind::Tuple(tuple) => {
                let types: Vec<String> = tuple.types.iter().map(|ty| self.shown(ty)).collect();
                format!("tuple<{}>", types.join(", "))
            }
            TypeDefKind::Result(result) => match (&result.ok, &result.err) {
                (None, None) => "result".to_owned(),
                (ok, None) => format!("result<{}>", or(ok, "_")),
                (ok, err) => format!("result<{}, {}>", or(ok, "_"), or(err, "_")),
            },
            TypeDefKind::Stream(None) => "stream".to_owned(),
            TypeDefKind::Stream(ty) => format!("stream<{}>", or(ty, "_")),
            TypeDefKind::Future(None) => "future".to_owned(),
            TypeDefKind::Future(ty) => format!("future<{}>", or(ty, "_")),
            TypeDefKind::Handle(Handle::Own(id)) => named(id),
            TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", named(id)),
            other => panic!("{} has a name", other.as_str()),
        }
    }

    /// A type with its parts, and what is said about each.
    pub fn definition(&mut self, interface: &str, id: TypeId) {
        let ty = &self.resolve.types[id];
        let name = ty.name.clone().unwrap_or_default();
        let kind = match &ty.kind {
            TypeDefKind::Record(_)
            | TypeDefKind::Variant(_)
            | TypeDefKind::Enum(_)
            | TypeDefKind::Flags(_)
            | TypeDefKind::Resource => ty.kind.as_str(),
            _ => "type",
        };
        self.heading("###", &format!("{interface}.{name}"), &format!("{kind} `{name}`"));
        self.add(said(&ty.docs));
        let part = |name: &str, ty: Option<&Type>, docs: &Docs| {
            let ty = ty.map(|ty| format!(": {}", self.linked(ty)));
            let docs = said(docs).replace('\n', "\n  ").replace("\n  \n", "\n\n");
            match (ty, docs.is_empty()) {
                (None, true) => format!("- `{name}`"),
                (Some(ty), true) => format!("- `{name}`{ty}"),
                (None, false) => format!("- `{name}`: {docs}"),
                (Some(ty), false) => format!("- `{name}`{ty}. {docs}"),
            }
        };
        let parts: Vec<String> = match &ty.kind {
            TypeDefKind::Record(record) => {
                record.fields.iter().map(|it| part(&it.name, Some(&it.ty), &it.docs)).collect()
            }
            TypeDefKind::Variant(variant) => {
                variant.cases.iter().map(|it| part(&it.name, it.ty.as_ref(), &it.docs)).collect()
            }
            TypeDefKind::Enum(all) => {
                all.cases.iter().map(|it| part(&it.name, None, &it.docs)).collect()
            }
            TypeDefKind::Flags(all) => {
                all.flags.iter().map(|it| part(&it.name, None, &it.docs)).collect()
            }
            TypeDefKind::Resource => Vec::new(),
            other => vec![code(&format!("type {name} = {};", self.structure(other)))],
        };
        self.add(parts.join("\n"));
    }
}
