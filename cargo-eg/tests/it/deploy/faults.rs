//! What goes wrong at AWS: refusals, throttling, broken connections, stacks that cannot be deployed, changes that AWS undoes.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{ARCHITECTURE, Shop, order, place};
use crate::support::app::Running;
use crate::support::aws::{Fault, refusal, replaced};

/// The operation that sends a program.
fn sending(shop: &Shop) -> String {
    format!("PUT /{}/shop-dev/assets/", shop.bucket())
}

#[test]
fn each_refusal_of_aws_is_one_message() {
    let Some(shop) = Shop::open() else { return };
    let (name, account) = (shop.bucket(), &shop.aws.account);
    let bucket = format!("HEAD /{name}/");
    let log_in = "hint: run `aws sso login`, or set AWS_PROFILE or AWS_ACCESS_KEY_ID\n";
    let check = |operation: &str, times: usize, fault: Fault, code: i32, expected: &str| {
        shop.aws.plan(operation, times, fault);
        shop.deploy(&["--yes"]).fails(code, expected);
        shop.aws.calm();
    };
    check(
        "GetCallerIdentity",
        1,
        refusal(403, "ExpiredToken", "The security token included in the request is expired"),
        11,
        &format!(
            "error: cannot find out whose the AWS credentials are: the AWS credentials have expired\n{log_in}"
        ),
    );
    let denied = "User: arn:aws:iam::1:user/a is not authorized to perform: cloudformation:DescribeStacks";
    check(
        "DescribeStacks",
        1,
        refusal(403, "AccessDenied", denied),
        8,
        &format!(
            "error: cannot read stack `shop-dev`: the AWS credentials do not allow `cloudformation:DescribeStacks`: {denied}\n\
             hint: ask for this right, or use other credentials, for example with --profile NAME\n"
        ),
    );
    check(
        &bucket,
        1,
        Fault::Answer(403, String::new()),
        8,
        &format!(
            "error: the bucket `{name}` is not one of account {account}, or its credentials may not use it\n\
             hint: choose another bucket with --bucket NAME\n"
        ),
    );
    check(
        &bucket,
        1,
        Fault::Answer(301, String::new()),
        8,
        &format!(
            "error: the bucket `{name}` is not in eu-central-1\n\
             hint: choose one in the region of the stack: Lambda reads programs from its own region only\n"
        ),
    );
    let gone = shop.deploy(&["--yes", "--bucket", "nobodys-bucket"]);
    gone.fails(
        6,
        "error: there is no bucket `nobodys-bucket` in eu-central-1\n\
         hint: create it, or leave --bucket out: `cargo eg deploy` then creates one\n",
    );
    shop.aws.calls();

    // What was prepared is discarded.
    let failed = Fault::Replace(vec![(
        "<Status>CREATE_COMPLETE</Status>",
        "<Status>FAILED</Status><StatusReason>no such type</StatusReason>".to_owned(),
    )]);
    check(
        "DescribeChangeSet",
        1,
        failed,
        8,
        "error: AWS refuses the change of stack `shop-dev`: no such type\nhint: nothing was changed\n",
    );
    let calls = shop.aws.calls();
    for call in ["DeleteChangeSet", "DeleteStack"] {
        assert!(calls.iter().any(|made| made == call), "{call}: {calls:?}");
    }
}

#[test]
fn what_is_throttled_or_lost_is_repeated_and_then_told() {
    let Some(shop) = Shop::open() else { return };
    shop.aws.plan("CreateChangeSet", 2, refusal(400, "Throttling", "Rate exceeded"));
    shop.aws.plan(&sending(&shop), 1, Fault::BreakOff);
    shop.aws.plan("DescribeStackEvents", 1, Fault::BreakOff);
    let done = shop.deploy(&["--yes"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let calls = shop.aws.calls();
    let times = |operation: &str| calls.iter().filter(|call| call.starts_with(operation)).count();
    assert_eq!((times("CreateChangeSet"), times(&sending(&shop))), (3, 2), "{calls:?}");

    order(&shop.app, &[place(512)], "second");
    shop.aws.plan(&sending(&shop), usize::MAX, Fault::BreakOff);
    let lost = shop.deploy(&["--yes"]);
    assert_eq!(lost.code, Some(5), "{lost:?}");
    assert!(lost.stderr.contains("error: cannot upload shop-dev/assets/"), "{lost:?}");
    shop.aws.calm();
    shop.aws.plan("DescribeStackEvents", usize::MAX, refusal(400, "Throttling", "Rate exceeded"));
    let throttled = shop.deploy(&["--yes"]);
    assert_eq!(throttled.code, Some(8), "{throttled:?}");
    assert!(throttled.stderr.contains("AWS takes no more requests at present (Throttling)"), "{throttled:?}");
}

#[test]
fn a_stack_that_cannot_be_deployed_says_why() {
    let Some(shop) = Shop::open() else { return };
    shop.deployed();
    order(&shop.app, &[place(512)], "second");
    let check = |status: &str, code: i32, expected: &str| {
        let status = format!("<StackStatus>{status}</StackStatus><ChangeSetId>c</ChangeSetId>");
        shop.aws.plan("DescribeStacks", 1, replaced("<StackStatus>CREATE_COMPLETE</StackStatus>", &status));
        shop.deploy(&["--yes"]).fails(code, expected);
        shop.aws.calm();
    };
    let author = "<DescribeChangeSetResponse><DescribeChangeSetResult><Description>alice with cargo eg</Description>\
         </DescribeChangeSetResult></DescribeChangeSetResponse>";
    shop.aws.plan("DescribeChangeSet", 1, Fault::Answer(200, author.to_owned()));
    check(
        "UPDATE_IN_PROGRESS",
        14,
        "error: stack `shop-dev` is being changed by alice with cargo eg (UPDATE_IN_PROGRESS)\n\
         hint: wait until that has ended, then run the command again\n",
    );
    check(
        "ROLLBACK_COMPLETE",
        13,
        "error: the first deployment of stack `shop-dev` has failed (ROLLBACK_COMPLETE)\n\
         hint: remove what is left of it with `cargo eg remove`, then deploy again\n",
    );
    check(
        "UPDATE_ROLLBACK_FAILED",
        13,
        "error: stack `shop-dev` could not return to its last version (UPDATE_ROLLBACK_FAILED)\n\
         hint: correct what its events name, then complete that with `cargo eg rollback`\n",
    );
    // The change that was not deployed is deployed now.
    shop.deployed();
    assert_eq!(shop.plan(0), "");
}

#[test]
fn a_deployment_that_aws_undoes_names_the_cause() {
    let Some(shop) = Shop::open() else { return };
    shop.deployed();
    order(&shop.app, &[place(512)], "second");
    let undone = "<ResourceStatus>UPDATE_ROLLBACK_COMPLETE</ResourceStatus>\
                  <ResourceStatusReason>The following resources failed: [OrderPlace]</ResourceStatusReason>";
    shop.aws.plan(
        "DescribeStackEvents",
        usize::MAX,
        replaced("<ResourceStatus>UPDATE_COMPLETE</ResourceStatus>", undone),
    );
    let failed = shop.deploy(&["--yes"]);
    failed.fails(
        13,
        "error: the deployment of stack `shop-dev` has failed: The following resources failed: [OrderPlace]\n\
         hint: AWS has undone it: the stack is as before; correct the cause, then run `cargo eg deploy` again\n",
    );
    assert!(shop.plan(10).contains("memory 256 → 512"), "what failed is not on record");
}

#[test]
fn a_rollback_that_failed_is_completed() {
    let Some(shop) = Shop::open() else { return };
    shop.deployed();
    let stuck = "<StackStatus>UPDATE_ROLLBACK_FAILED</StackStatus>";
    shop.aws.plan("DescribeStacks", 1, replaced("<StackStatus>CREATE_COMPLETE</StackStatus>", stuck));
    let done =
        "<ContinueUpdateRollbackResponse><ContinueUpdateRollbackResult/></ContinueUpdateRollbackResponse>";
    shop.aws.plan("ContinueUpdateRollback", 1, Fault::Answer(200, done.to_owned()));
    // After that call, there are other events.
    let rolled_back = "<ResourceStatus>UPDATE_ROLLBACK_COMPLETE</ResourceStatus>".to_owned();
    let events = vec![
        ("<EventId>", "<EventId>later-".to_owned()),
        ("<ResourceStatus>CREATE_COMPLETE</ResourceStatus>", rolled_back),
    ];
    shop.aws.plan_after("DescribeStackEvents", 1, 1, Fault::Replace(events));
    let completed = shop.eg(&["rollback"]);
    assert_eq!(completed.code, Some(0), "{completed:?}");
    assert!(completed.stderr.ends_with("stack shop-dev is back at its last version\n"), "{completed:?}");
    assert!(shop.aws.calls().contains(&"ContinueUpdateRollback".to_owned()));
}

#[test]
fn an_interrupted_deployment_leaves_nothing_behind() {
    let Some(shop) = Shop::open() else { return };
    let waiting = replaced("<Status>CREATE_COMPLETE</Status>", "<Status>CREATE_IN_PROGRESS</Status>");
    shop.aws.plan("DescribeChangeSet", usize::MAX, waiting);
    let command = shop.command(&["deploy", "--yes", "--architecture", ARCHITECTURE]);
    let mut running = Running::start(command, shop.app.path().join("stderr"));
    let mut calls = Vec::new();
    let deadline = Instant::now() + eg_tests::PATIENCE;
    while !calls.iter().any(|call| call == "DescribeChangeSet") {
        assert!(Instant::now() < deadline, "{calls:?}: {}", running.stderr());
        std::thread::sleep(Duration::from_millis(20));
        calls.extend(shop.aws.calls());
    }
    running.signal(Signal::INT);
    assert_eq!(running.wait(), Some(130), "{}", running.stderr());
    assert!(running.stderr().ends_with("error: not deployed: nothing was changed\n"), "{}", running.stderr());
    let calls = shop.aws.calls();
    for call in ["DeleteChangeSet", "DeleteStack"] {
        assert!(calls.iter().any(|made| made == call), "{call}: {calls:?}");
    }
    assert!(!calls.iter().any(|call| call == "ExecuteChangeSet"), "{calls:?}");
}

/// Another change set of the stack, which another tool is preparing.
const THEIRS: &str = "<ListChangeSetsResponse><ListChangeSetsResult><Summaries><member><StackName>shop-dev</StackName>\
     <ChangeSetId>theirs</ChangeSetId><ChangeSetName>theirs</ChangeSetName><Status>CREATE_IN_PROGRESS</Status>\
     </member></Summaries></ListChangeSetsResult></ListChangeSetsResponse>";

#[test]
fn a_new_stack_with_another_change_set_is_not_deleted() {
    let Some(shop) = Shop::open() else { return };
    let failed = Fault::Replace(vec![(
        "<Status>CREATE_COMPLETE</Status>",
        "<Status>FAILED</Status><StatusReason>no such type</StatusReason>".to_owned(),
    )]);
    shop.aws.plan("DescribeChangeSet", 1, failed);
    shop.aws.plan("ListChangeSets", 1, Fault::Answer(200, THEIRS.to_owned()));
    let refused = shop.deploy(&["--yes"]);
    assert_eq!(refused.code, Some(8), "{refused:?}");
    let calls = shop.aws.calls();
    let made = |call: &str| calls.iter().any(|made| made == call);
    assert_eq!([made("DeleteChangeSet"), made("DeleteStack")], [true, false], "{calls:?}");
}

#[test]
fn the_reason_of_a_refusal_is_not_lost_if_discarding_fails() {
    let Some(shop) = Shop::open() else { return };
    let failed = Fault::Replace(vec![(
        "<Status>CREATE_COMPLETE</Status>",
        "<Status>FAILED</Status><StatusReason>no such type</StatusReason>".to_owned(),
    )]);
    shop.aws.plan("DescribeChangeSet", 1, failed);
    shop.aws.plan("DeleteChangeSet", 1, refusal(403, "AccessDenied", "no"));
    let refused = shop.deploy(&["--yes"]);
    refused.fails(
        8,
        "error: AWS refuses the change of stack `shop-dev`: no such type\nhint: nothing was changed\n",
    );
    assert!(refused.stderr.contains("warning: cannot discard the prepared change"), "{refused:?}");
}

#[test]
fn a_stack_that_somebody_else_has_changed_is_compared_again() {
    let Some(shop) = Shop::open() else { return };
    shop.deployed();
    order(&shop.app, &[place(512)], "second");
    // The first call is the comparison, the second one is after the preparation.
    shop.aws.plan_after("GetTemplate", 1, 1, replaced("256", "300"));
    let expected = "error: somebody else has changed stack `shop-dev` in the meantime\n\
                    hint: run the command again: it compares with the stack as it is now\n";
    shop.deploy(&["--yes"]).fails(14, expected);
    let calls = shop.aws.calls();
    let made = |call: &str| calls.iter().any(|made| made == call);
    assert_eq!([made("DeleteChangeSet"), made("ExecuteChangeSet")], [true, false], "{calls:?}");
    // The change set is no longer the newest one.
    shop.aws.plan("ExecuteChangeSet", 1, refusal(400, "InvalidChangeSetStatus", "obsolete"));
    shop.deploy(&["--yes"]).fails(14, expected);
}

/// The client repeats a call whose answer is lost, and AWS refuses to run a change set twice.
#[test]
fn a_change_that_already_runs_is_followed() {
    let Some(shop) = Shop::open() else { return };
    shop.deployed();
    order(&shop.app, &[place(512)], "second");
    shop.aws.plan("ExecuteChangeSet", 1, refusal(400, "InvalidChangeSetStatus", "it runs"));
    let running = "<ExecutionStatus>EXECUTE_IN_PROGRESS</ExecutionStatus>";
    let running = replaced("<ExecutionStatus>AVAILABLE</ExecutionStatus>", running);
    shop.aws.plan_after("DescribeChangeSet", 1, 1, running);
    shop.aws.plan_after("DescribeStackEvents", 1, 1, replaced("<EventId>", "<EventId>later-"));
    let done = shop.deploy(&["--yes"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains("deployed stack shop-dev in "), "{done:?}");
}

#[test]
fn an_update_that_cannot_be_cancelled_is_followed_further() {
    let Some(shop) = Shop::open() else { return };
    shop.deployed();
    order(&shop.app, &[place(512)], "second");
    let going_on = "<ResourceStatus>UPDATE_COMPLETE_CLEANUP_IN_PROGRESS</ResourceStatus>";
    let going_on = replaced("<ResourceStatus>UPDATE_COMPLETE</ResourceStatus>", going_on);
    shop.aws.plan("DescribeStackEvents", usize::MAX, going_on);
    let too_late = refusal(400, "ValidationError", "CancelUpdateStack cannot be called any more");
    shop.aws.plan("CancelUpdateStack", usize::MAX, too_late);
    let command = shop.command(&["deploy", "--yes", "--architecture", ARCHITECTURE]);
    let mut running = Running::start(command, shop.app.path().join("stderr"));
    let deadline = Instant::now() + eg_tests::PATIENCE;
    let mut calls = Vec::new();
    while !calls.iter().any(|call| call == "ExecuteChangeSet") {
        assert!(Instant::now() < deadline, "{calls:?}: {}", running.stderr());
        std::thread::sleep(Duration::from_millis(20));
        calls.extend(shop.aws.calls());
    }
    for text in
        ["Ctrl-C again cancels the update\n", "any more; AWS goes on, and Ctrl-C again stops following it\n"]
    {
        running.signal(Signal::INT);
        while !running.stderr().contains(text) {
            assert!(Instant::now() < deadline, "{}", running.stderr());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    running.signal(Signal::INT);
    assert_eq!(running.wait(), Some(130), "{}", running.stderr());
    let hint = "hint: AWS continues with stack `shop-dev`; run `cargo eg deploy` later to see the result\n";
    assert!(running.stderr().ends_with(hint), "{}", running.stderr());
    assert_eq!(shop.aws.without_token(), [""; 0]);
}
