//! Tests of the whole service in memory: events in, contacts out.

use eg_runtime::testing::{Outcome, TestApp};
use eg_tests::moto::Moto;
use registration_faults::Mode;

use super::*;

struct Crm {
    app: TestApp,
    contacts: Contacts,
}

fn crm(mode: Mode) -> Crm {
    let store = Store::in_memory().unwrap();
    let contacts = Contacts::new(store.clone());
    let app = App::new().state(contacts.clone()).state(Faults::new(mode, store));
    Crm { app: TestApp::new(app).unwrap(), contacts }
}

fn donald() -> CloudEvent<UserRegistered> {
    let [id, session, email, name] = ["10", "secret", "donald@disney.com", "Donald"].map(str::to_owned);
    CloudEvent::new("/services/users", UserRegistered { id, session, email, name: Some(name) })
}

impl Crm {
    /// Returns the outcomes of `attempts` attempts to deliver the same event.
    async fn attempts(&self, attempts: usize) -> Vec<Outcome> {
        let (event, mut outcomes) = (donald(), Vec::new());
        for _ in 0..attempts {
            outcomes.push(self.app.deliver(event.clone()).await.unwrap().remove(0).outcome);
        }
        outcomes
    }
}

#[tokio::test]
async fn new_users_become_contacts_once() {
    let crm = crm(Mode::Never);
    assert_eq!(crm.attempts(2).await, [Outcome::Done, Outcome::Done]);
    let [id, email, name] = ["10", "donald@disney.com", "Donald"].map(str::to_owned);
    assert_eq!(crm.contacts.get("10").await.unwrap(), Some(Contact { id, email, name: Some(name) }));
}

#[tokio::test]
async fn it_fails_on_demand_and_for_now_only() {
    let failed = || Outcome::Retry("Can't add user to the CRM".to_owned());
    let broken = crm(Mode::Always);
    assert_eq!(broken.attempts(3).await, [failed(), failed(), failed()]);
    assert_eq!(broken.contacts.get("10").await.unwrap(), None);

    let shaky = crm(Mode::First(2));
    assert_eq!(shaky.attempts(3).await, [failed(), failed(), Outcome::Done]);
    assert!(shaky.contacts.get("10").await.unwrap().is_some());
}

/// Runs against both backends.
async fn check_repository(store: Store) {
    let contacts = Contacts::new(store.clone());
    let contact = |email: &str| Contact { id: "10".to_owned(), email: email.to_owned(), name: None };
    assert_eq!(contacts.get("10").await.unwrap(), None);
    for email in ["o'brien@x.org", "donald@x.org"] {
        contacts.put(&contact(email)).await.unwrap();
        assert_eq!(contacts.get("10").await.unwrap(), Some(contact(email)));
    }
    let faults = Faults::new(Mode::First(1), store);
    assert!(faults.strike("event 1").await.unwrap());
    assert!(!faults.strike("event 1").await.unwrap());
}

#[tokio::test]
async fn contacts_in_memory() {
    check_repository(Store::in_memory().unwrap()).await;
}

#[tokio::test]
async fn contacts_in_a_table() {
    let Some(moto) = Moto::start() else { return };
    check_repository(service_storage::testing::table(&moto.url, "crm").await).await;
}
