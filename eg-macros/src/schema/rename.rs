//! Computes serde's names of fields and variants.

use syn::Ident;

/// A value of `rename_all`.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Rule {
    #[default]
    None,
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Rule {
    pub(super) const NAMES: [&'static str; 8] = [
        "lowercase",
        "UPPERCASE",
        "PascalCase",
        "camelCase",
        "snake_case",
        "SCREAMING_SNAKE_CASE",
        "kebab-case",
        "SCREAMING-KEBAB-CASE",
    ];

    pub(super) fn of(name: &str) -> Option<Self> {
        const RULES: [Rule; 8] = [
            Rule::Lower,
            Rule::Upper,
            Rule::Pascal,
            Rule::Camel,
            Rule::Snake,
            Rule::ScreamingSnake,
            Rule::Kebab,
            Rule::ScreamingKebab,
        ];
        Self::NAMES.iter().position(|known| *known == name).map(|at| RULES[at])
    }

    pub(super) fn or(self, other: Self) -> Self {
        if self == Self::None { other } else { self }
    }

    /// Renames a field, written `like_this`.
    pub(super) fn field(self, ident: &Ident) -> String {
        let name = unraw(ident);
        match self {
            Self::None | Self::Lower | Self::Snake => name,
            Self::Upper | Self::ScreamingSnake => name.to_ascii_uppercase(),
            Self::Pascal => pascal(&name),
            Self::Camel => uncapitalised(&pascal(&name)),
            Self::Kebab => name.replace('_', "-"),
            Self::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// Renames a variant, written `LikeThis`.
    pub(super) fn variant(self, ident: &Ident) -> String {
        let name = unraw(ident);
        match self {
            Self::None | Self::Pascal => name,
            Self::Lower => name.to_ascii_lowercase(),
            Self::Upper => name.to_ascii_uppercase(),
            Self::Camel => uncapitalised(&name),
            Self::Snake => snake(&name),
            Self::ScreamingSnake => snake(&name).to_ascii_uppercase(),
            Self::Kebab => snake(&name).replace('_', "-"),
            Self::ScreamingKebab => snake(&name).to_ascii_uppercase().replace('_', "-"),
        }
    }
}

/// Returns the name without `r#`.
pub(super) fn unraw(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").unwrap_or(&text).to_owned()
}

fn pascal(name: &str) -> String {
    let mut new = String::new();
    let mut capital = true;
    for c in name.chars() {
        if c == '_' {
            capital = true;
        } else {
            new.push(if capital { c.to_ascii_uppercase() } else { c });
            capital = false;
        }
    }
    new
}

fn uncapitalised(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + chars.as_str())
}

fn snake(name: &str) -> String {
    let mut new = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !new.is_empty() {
            new.push('_');
        }
        new.push(c.to_ascii_lowercase());
    }
    new
}
