//! Compile tests of the attributes. `fail/` has a program and the expected messages for each mistake; `examples/` has the
//! forms that compile, as examples so that the tests of the workspace build them.

/// Crates of the edition before: what compiles in this one compiles there too.
#[cfg(doctest)]
#[doc = concat!("```edition2021,no_run\n", include_str!("../examples/every_form.rs"), "\n```")]
#[doc = concat!("```edition2021,no_run\n", include_str!("../examples/schedules_and_queues.rs"), "\n```")]
pub struct Edition2021;
