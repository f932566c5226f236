//! The views and actions in a real browser, one gateway and one browser for all of them.

use eg_sdk::CloudEvent;
use eg_sdk::history::EventFilter;
use eg_tests::browser::Browser;
use eg_tests::eventually;
use eg_tests::webdriver::{Screen, Session};
use serde_json::{Value, json};

use crate::accessible;
use crate::site::{BROKEN, Site};

/// A text that sets `window.alerted` if a page takes it for markup.
const HOSTILE: &str = r#"<img src=x onerror="window.alerted=1">"#;

/// The pages from the view of a user.
struct Tab<'a>(&'a Session);

impl Tab<'_> {
    async fn text(&self, css: &str) -> String {
        let script = "return [...document.querySelectorAll(arguments[0])].map((element) => element.innerText ?? element.textContent).join('\\n')";
        self.0.execute(script, &[json!(css)]).await.as_str().unwrap().to_owned()
    }

    async fn count(&self, css: &str) -> u64 {
        self.0
            .execute("return document.querySelectorAll(arguments[0]).length", &[json!(css)])
            .await
            .as_u64()
            .unwrap()
    }

    /// Waits until the elements contain a text.
    async fn shows(&self, css: &str, text: &str) {
        eventually(&format!("{css} to show `{text}`"), async || {
            self.text(css).await.contains(text).then_some(())
        })
        .await;
    }

    async fn shows_rows(&self, rows: u64) {
        eventually(&format!("{rows} rows"), async || {
            (self.count("#listing tr[data-row]").await == rows).then_some(())
        })
        .await;
    }

    /// Clicks on an element, in one step: a live list may replace it at any moment.
    async fn press(&self, css: &str) {
        // Drawings have no `click()`.
        let script = "document.querySelector(arguments[0]).dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }))";
        self.0.execute(script, &[json!(css)]).await;
    }

    /// Clicks on the button, link or summary with this text, and waits for the next page if one follows.
    async fn choose(&self, text: &str) {
        let script = "const control = [...document.querySelectorAll('button, a, summary')].find((control) => control.innerText?.trim() === arguments[0] && control.checkVisibility());
            if (!control) return false;
            control.scrollIntoView({ block: 'center' }); control.click(); return true";
        eventually(&format!("something to click on with the text `{text}`"), async || {
            self.0.execute(script, &[json!(text)]).await.as_bool().unwrap().then_some(())
        })
        .await;
    }

    async fn key(&self, key: &str) {
        self.0.find("body").await.send_keys(key).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_finds_out_why_a_function_did_not_get_an_event() {
    let Some(browser) = Browser::start(Screen::Window).await else { return };
    let tell = async |session: &Session| {
        let site = Site::start().await;
        site.register().await;
        story(&Tab(session), &site).await;
        site.stop().await;
    };
    browser.run(tell).await;
}

async fn story(tab: &Tab<'_>, site: &Site) {
    // Nothing has happened: the page says what to do, with an event of this application.
    tab.0.goto(&site.page("/")).await;
    tab.shows("main", "cargo eg emit --event user.created --sample").await;
    accessible::check(tab.0, "no events").await;
    tab.shows("#state", "live").await;

    // What is sent from another page appears without loading this one again.
    tab.0.execute("window.same = true", &[]).await;
    site.emit("order-1", "user.created", &json!({"amount": 5, "name": HOSTILE})).await;
    tab.shows_rows(2).await;
    tab.shows("#listing", "1/2").await;
    assert_eq!(tab.0.execute("return window.same", &[]).await, true);
    accessible::check(tab.0, "events").await;

    // A new list leaves the keyboard where it was, and waits while text in it is selected.
    tab.key("j").await;
    let at = "return document.activeElement.closest('tr')?.querySelector('.id').title";
    let chosen = tab.0.execute(at, &[]).await;
    let select = "document.getSelection().selectAllChildren(document.querySelector('#listing td.from'))";
    tab.0.execute(select, &[]).await;
    let loads = "return performance.getEntriesByType('resource').filter((one) => one.name.includes('fragment')).length";
    let before = tab.0.execute(loads, &[]).await.as_u64();
    site.emit("order-0", "user.left", &json!({})).await;
    eventually("the list to be loaded", async || {
        (tab.0.execute(loads, &[]).await.as_u64() > before).then_some(())
    })
    .await;
    assert_eq!(tab.count("#listing tr[data-row]").await, 2);
    tab.0.execute("document.getSelection().removeAllRanges()", &[]).await;
    tab.shows_rows(3).await;
    assert_eq!((tab.0.execute(at, &[]).await, chosen.is_string()), (chosen, true));

    // A paused list stays, and catches up.
    tab.press("#pause").await;
    tab.shows("#state", "paused").await;
    site.emit("order-2", "user.created", &json!({"amount": 900})).await;
    assert_eq!(tab.count("#listing tr[data-row]").await, 3);
    tab.press("#pause").await;
    tab.shows_rows(5).await;

    // Filters, with the keyboard.
    tab.key("/").await;
    let focused = "return document.activeElement.name";
    assert_eq!(tab.0.execute(focused, &[]).await, "text");
    tab.0.find("input[name=type]").await.send_keys("user.created\u{e007}").await;
    tab.shows_rows(2).await;
    tab.0.goto(&site.page("/dashboard/spaces/default/events?state=dead&function=crm")).await;
    tab.shows_rows(2).await;
    tab.0.goto(&site.page("/dashboard/spaces/default/events?state=delivered&function=audit")).await;
    tab.shows_rows(1).await;
    tab.key("j").await;
    let focused = "return document.activeElement.closest('tr') !== null && document.activeElement.tagName";
    assert_eq!(tab.0.execute(focused, &[]).await, "A");

    // The event says for each function what happened and why.
    tab.0.goto(&site.page("/dashboard/spaces/default/events?type=user.created")).await;
    tab.press("tr:nth-child(2) .what a").await;
    tab.shows("h1", "user.created").await;
    for text in
        ["data.amount is 5.", "The filter requires [{\"numeric\":[\">\",500]}].", BROKEN, "3 attempts"]
    {
        tab.shows("#listing", text).await;
    }
    tab.shows(".facts", "order-1").await;
    tab.shows(".tree", HOSTILE).await;
    assert_eq!(tab.count("main img").await, 0);
    assert_eq!(tab.0.execute("return window.alerted", &[]).await, Value::Null);
    accessible::check(tab.0, "event").await;

    // A retry of the repaired function, watched live.
    site.fix_crm();
    tab.choose("Retry now").await;
    tab.shows(".notice", "1 dead letter will be delivered again.").await;
    eventually("crm to be delivered", async || {
        (tab.count("#listing .chip.delivered").await == 2 && tab.count("#listing .chip.dead").await == 0)
            .then_some(())
    })
    .await;

    // What the functions answered.
    tab.press("article:has(.chip.delivered) summary").await;
    tab.shows("details[open] pre", "sent to donald@disney.com").await;

    // Sent again, edited: a new event, which the filter of `audit` lets pass.
    tab.choose("Edit and resend").await;
    let edit = "const field = document.querySelector('textarea[name=event]'); field.value = field.value.replace('\"amount\": 5', '\"amount\": 600')";
    tab.0.execute(edit, &[]).await;
    tab.choose("Send as a new event").await;
    tab.shows(".notice", "The gateway has stored the event.").await;
    eventually("three functions to get it", async || {
        (tab.count("#listing .chip.delivered").await == 3).then_some(())
    })
    .await;
    assert!(!tab.text(".facts").await.contains("order-1"));
    tab.choose("Replay to all").await;
    tab.shows(".notice", "Replayed to 3 subscriptions.").await;
    eventually("three more deliveries", async || {
        (tab.count("#listing .chip.delivered").await == 6).then_some(())
    })
    .await;
    tab.choose("As a command").await;
    let commands = tab.text("details[open] pre").await;
    let command = "cargo eg emit --event user.created --source /services/users --subject users/10 --data '{";
    assert!(commands.contains("curl -X POST http://localhost:") && commands.contains(command), "{commands}");

    // The trace leads from the event to what its functions emitted.
    tab.0.goto(&site.page("/dashboard/spaces/default/events/order-2/trace")).await;
    tab.shows(".trace", "archive").await;
    let below =
        "return [...document.querySelectorAll('.trace .name')].map((name) => name.innerText.split(' ')[0])";
    let steps = tab.0.execute(below, &[]).await;
    let steps: Vec<&str> = steps.as_array().unwrap().iter().map(|step| step.as_str().unwrap()).collect();
    let at = |name: &str| {
        steps.iter().position(|step| *step == name).unwrap_or_else(|| panic!("{name}: {steps:?}"))
    };
    assert!(
        at("user.created") < at("mail") && at("mail") < at("email.sent") && at("email.sent") < at("archive"),
        "{steps:?}"
    );
    accessible::check(tab.0, "trace").await;

    others(tab, site).await;
}

fn of_type(ty: &str) -> EventFilter {
    EventFilter { ty: Some(ty.to_owned()), ..EventFilter::default() }
}

/// The views beside events.
async fn others(tab: &Tab<'_>, site: &Site) {
    // `order-2` failed before the repair; its group is discarded after a question.
    tab.0.goto(&site.page("/dashboard/spaces/default/dead-letters")).await;
    tab.shows("main", BROKEN).await;
    accessible::check(tab.0, "dead letters").await;
    tab.choose("Discard…").await;
    tab.shows("h1", "Discard 1 dead letter?").await;
    accessible::check(tab.0, "discard").await;
    tab.choose("Discard").await;
    tab.shows(".notice", "Discarded 1 dead letter.").await;
    tab.shows("main", "No dead letters").await;

    tab.choose("Functions").await;
    tab.shows("main", "3 attempts within 3.0 s (1.5 s on average), then a dead letter").await;
    tab.shows("main", &format!("user.created: rejected: HTTP status 422: {BROKEN}")).await;
    let figure = async |function: &str, column: u8| {
        let row = format!("tr:has(a[href$='logs?function={function}'])");
        tab.text(&format!("{row} td:nth-of-type({column})")).await
    };
    let (audit, crm) = (figure("audit", 3).await, figure("crm", 3).await);
    assert!(audit == "0" && crm != "0" && !crm.is_empty(), "{audit}, {crm}");
    assert_eq!(figure("crm", 6).await, "0 of 5");
    // What calls it beside its subscriptions is in its notes.
    assert!(figure("mail", 1).await.ends_with("rate(1 day)"));
    accessible::check(tab.0, "functions").await;

    tab.choose("Logs").await;
    tab.shows("#state", "live").await;
    tab.shows("#listing", &format!("rejected: HTTP status 422: {BROKEN}")).await;
    accessible::check(tab.0, "logs").await;
    let calls = tab.count(".call").await;
    let only_mail = site.text("/dashboard/spaces/default/logs?function=mail&fragment=1").await;
    assert!(only_mail.contains("sent to donald@disney.com") && !only_mail.contains(BROKEN), "{only_mail}");
    let event = CloudEvent::of_type("user.created", "/test", json!({"id": "seen", "amount": 1}));
    site.api.emit(event).await.unwrap();
    eventually("the new calls to be listed", async || (tab.count(".call").await > calls).then_some(())).await;
    tab.0.goto(&site.page("/dashboard/spaces/default/logs?text=SENT+TO")).await;
    tab.shows(".call:first-of-type .head", "mail user.created 200").await;
    tab.press(".call:first-of-type summary").await;
    tab.shows(".call:first-of-type pre", "sent to donald@disney.com").await;
    tab.choose("Map").await;
    tab.shows(".odd", "user.created: no function emits it, unless another program does").await;
    tab.shows(".odd", "email.counted: no function subscribes to it").await;
    accessible::check(tab.0, "map").await;
    tab.choose("As a table").await;
    tab.shows("details[open] tbody tr:nth-child(4)", "rate(1 day), user.created").await;
    tab.choose("As Mermaid, DOT or JSON").await;
    let mermaid = tab.text("details[open] pre").await;
    assert!(mermaid.starts_with("flowchart LR\n") && mermaid.contains("{{\"rate(1 day)\"}}"), "{mermaid}");
    let dot = site.text("/dashboard/spaces/default/map/graph?format=dot").await;
    assert!(dot.starts_with("digraph application {") && dot.ends_with("}\n"), "{dot}");
    let json = site.text("/dashboard/spaces/default/map/graph?format=json&service=archive").await;
    let part: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((part["nodes"].as_array().unwrap().len(), part["edges"].as_array().unwrap().len()), (2, 1));
    assert_eq!(site.get("/dashboard/spaces/default/map/graph?format=svg").await.status(), 400);
    tab.choose("archive").await;
    tab.shows("svg", "email.sent").await;
    assert_eq!(tab.count("svg .node").await, 2);
    tab.press("svg a[href$='type=email.sent']").await;
    tab.shows("h1", "Events").await;
    tab.shows_rows(site.api.history().events(&of_type("email.sent"), 50).await.unwrap().len() as u64).await;

    tab.choose("Catalogue").await;
    let card = "article:has(a[href$='type=user.created'])";
    tab.shows(card, "Delivered to\naudit, crm, mail").await;
    tab.shows("article:has(a[href$='type=email.sent'])", "Emitted by\nmail").await;
    accessible::check(tab.0, "catalogue").await;
    tab.choose("Schema of the payload").await;
    tab.shows(&format!("{card} pre"), "\"amount\": {").await;
    tab.choose("Health").await;
    tab.shows("main", "Every delivery is accounted for").await;
    tab.shows(".figures", "Store").await;
    tab.shows(".chart figcaption", " events, ").await;
    accessible::check(tab.0, "health").await;

    tab.choose("Send").await;
    accessible::check(tab.0, "send").await;
    tab.0.find("input[name=type]").await.send_keys("user.creatd").await;
    tab.press("main form button").await;
    tab.shows("h1", "user.creatd").await;
    tab.shows("#listing", "is the type misspelt?").await;
}

/// A browser gives up after an answer that is a failure, for example from a proxy whose gateway restarts.
#[tokio::test(flavor = "multi_thread")]
async fn a_live_list_connects_again_after_a_failure() {
    let Some(browser) = Browser::start(Screen::Window).await else { return };
    let story = async |session: &Session| {
        let site = Site::start().await;
        site.register().await;
        let tab = Tab(session);
        let fail_once = "const Real = EventSource; let failed = false;
            window.EventSource = class extends Real {
              constructor(url) { super(failed ? url : '/dashboard/nothing'); failed = true; }
            };";
        session.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": fail_once })).await;
        session.goto(&site.page("/dashboard/spaces/default/events")).await;
        tab.shows("#state", "reconnecting").await;
        tab.shows("#state", "live").await;
        site.emit("1", "user.created", &json!({"amount": 5})).await;
        tab.shows_rows(2).await;
        site.stop().await;
    };
    browser.run(story).await;
}
