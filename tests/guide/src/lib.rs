//! The examples in the guide, as documentation tests. The book itself is tested in `tests/`.

macro_rules! pages {
    ($($name:ident: $file:literal,)+) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!("../../../docs/", $file))]
            pub struct $name;
        )+
    };
}

pages! {
    Introduction: "introduction.md",
    Http: "http.md",
    Events: "events.md",
    Triggers: "triggers.md",
    Reliability: "reliability.md",
    Testing: "testing.md",
    FromLambdaRuntime: "from-lambda-runtime.md",
    Recipes: "recipes.md",
    Webhooks: "webhooks.md",
}
