//! Mistakes are explained where they are made. (The forms that compile are this package's examples.)

#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}
