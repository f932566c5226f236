//! Mistakes are explained where they are made, and every right form compiles.

#[test]
fn compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
