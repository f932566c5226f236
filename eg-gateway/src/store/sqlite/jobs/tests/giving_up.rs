//! Jobs that give up what waited for a deleted or disabled subscription, and what happens meanwhile.

use super::*;

/// What waited when a subscription was deleted was attempted after all if the subscription came back before the
/// deliveries were given up.
#[tokio::test]
async fn deliveries_of_a_deleted_subscription_are_given_up_even_if_it_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    apply(&store, put()).await;
    add(&store, MANY, DeliveryState::Pending).await;
    apply(&store, delete()).await;
    apply(&store, put()).await;
    add(&store, 1, DeliveryState::Pending).await;

    let job = running(&store).await.unwrap();
    let given_up = slice(&store, &job).await.unwrap();
    assert!(0 < given_up && given_up < 1_200, "{given_up}");
    // The engine meets the rest before the job does.
    let (claimed, Losses { lost, .. }) = claim(&store).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.delivery).collect::<Vec<_>>(), [MANY + 1]);
    assert_eq!(given_up + lost.len(), 1_200);
    assert!(lost.iter().all(|lost| lost.reason == SUBSCRIPTION_DELETED));
    finish(&store).await;
    assert_eq!(books(&store).await.dead, 1_200);
    apply(&store, delete()).await;
    assert!(running(&store).await.is_none(), "a job without work");
}

/// Deleted again while the job of the first deletion runs: one job does both.
#[tokio::test]
async fn one_job_gives_up_the_deliveries_of_several_deletions() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for _ in 0..2 {
        apply(&store, put()).await;
        add(&store, 700, DeliveryState::Pending).await;
        apply(&store, delete()).await;
    }
    assert_eq!(store.running_jobs().await.unwrap().len(), 1);
    assert_eq!(finish(&store).await.1, 1_400);
}

/// The second deletion's reason was lost.
#[tokio::test]
async fn deliveries_are_given_up_for_the_reason_that_they_waited_under() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let mut disabled = (*subscription()).clone();
    disabled.disabled = Some("it is gone".to_owned());
    let disable = Change::Put(Resource::Subscription(Arc::new(disabled)));
    for (waiting, change) in [(3, disable), (2, delete())] {
        apply(&store, put()).await;
        add(&store, waiting, DeliveryState::Pending).await;
        apply(&store, change).await;
    }
    assert_eq!(store.running_jobs().await.unwrap().len(), 2);
    assert_eq!(finish(&store).await.1, 5);
    let query = DeadLetterQuery { space: "default".to_owned(), loss: Loss::Dead, before: None, limit: 9 };
    let mut letters = store.dead_letters(query).await.unwrap().dead_letters;
    letters.sort_by_key(|letter| letter.dead_letter_id);
    let reasons: Vec<_> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    let disabled = "the subscription is disabled: it is gone";
    assert_eq!(reasons, [disabled, disabled, disabled, SUBSCRIPTION_DELETED, SUBSCRIPTION_DELETED]);
}

/// A job that still gave up what had waited before gave up redriven deliveries, too.
#[tokio::test]
async fn redriven_deliveries_are_not_given_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    apply(&store, put()).await;
    add(&store, 1, DeliveryState::Dead).await;
    add(&store, MANY, DeliveryState::Pending).await;
    apply(&store, delete()).await;
    let giving_up = running(&store).await.unwrap();
    apply(&store, put()).await;

    let redrive = |delivery| store.redrive("default".to_owned(), delivery, None, NOW);
    assert!(matches!(redrive(1).await.unwrap(), Redrive::GivingUp(job) if job == giving_up.id));
    begin(&store, Work::Redrive { loss: Loss::Dead }).await;
    let redriving = running(&store).await.unwrap();
    let waits = store.redrive_slice(&redriving, Loss::Dead, NOW).await.unwrap().unwrap();
    assert_eq!((waits.deliveries, waits.waits_for), (0, Some(giving_up.id)));

    while store.running_jobs().await.unwrap().len() > 1 {
        slice(&store, &giving_up).await.unwrap();
    }
    assert_eq!(finish(&store).await.1, 1);
    assert!(matches!(redrive(2).await.unwrap(), Redrive::Due(_)));
    let (claimed, Losses { lost, .. }) = claim(&store).await;
    assert_eq!((claimed.len(), lost.len()), (2, 0));
}

#[tokio::test]
async fn the_progress_of_giving_up_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    apply(&store, put()).await;
    add(&store, MANY, DeliveryState::Pending).await;
    apply(&store, delete()).await;
    let job = running(&store).await.unwrap();
    assert_eq!(state_of(&store, job.id).await, (JobState::Running, 0, 0));
    let first = slice(&store, &job).await.unwrap();
    let percent = u8::try_from(first * 100 / 1_200).unwrap();
    assert_eq!(state_of(&store, job.id).await, (JobState::Running, first, percent));
}
