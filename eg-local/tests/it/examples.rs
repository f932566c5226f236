//! Every example prints what the comment at its top promises.

use std::process::Command;

use crate::support::example;

fn check(name: &str, source: &str) {
    let run = format!("//! $ cargo run -p eg-local --example {name}\n");
    let (_, after) = source.split_once(&run).expect("its comment says how it is run");
    let (promised, _) = after.split_once("//! ```").expect("its block ends");
    let promised = promised.replace("//! ", "");
    let output = Command::new(example(name)).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), promised, "{name}");
}

#[test]
fn invoke_prints_the_answer_the_failure_and_the_log() {
    check("invoke", include_str!("../../examples/invoke.rs"));
}

#[test]
fn queue_prints_what_was_handled_and_what_was_not() {
    check("queue", include_str!("../../examples/queue.rs"));
}

#[test]
fn aws_sdk_prints_what_lambda_and_sqs_answer() {
    check("aws_sdk", include_str!("../../examples/aws_sdk.rs"));
}
