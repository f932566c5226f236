//! What people who do not see a page, or see it badly, need of it. axe-core checks every view, wide and narrow, light and dark.

use std::sync::LazyLock;

use eg_tests::axe::axe;
use eg_tests::webdriver::Session;
use serde_json::{Value, json};

static AXE: LazyLock<Option<String>> = LazyLock::new(axe);

/// Returns what is wrong with the page, in words.
const CHECK: &str = r"
  const wrong = [];
  if (document.documentElement.scrollWidth > window.innerWidth + 1) {
    wrong.push(`the page is ${document.documentElement.scrollWidth} wide on a screen of ${window.innerWidth}`);
  }
  if (!window.axe) return wrong;
  return axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => {
    for (const { id, help, nodes } of violations) {
      for (const { html, failureSummary } of nodes) wrong.push(`${id}: ${help}: ${html} ${failureSummary}`);
    }
    return wrong;
  });
";

/// Sets the width of the screen, and whether people want dark pages.
pub(crate) async fn screen(session: &Session, width: u32, is_dark: bool) {
    let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
    session.devtools("Emulation.setDeviceMetricsOverride", &metrics).await;
    let scheme = if is_dark { "dark" } else { "light" };
    let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
    session.devtools("Emulation.setEmulatedMedia", &features).await;
}

/// Checks the current page: wide and narrow, light and dark.
pub(crate) async fn check(session: &Session, page: &str) {
    if let Some(axe) = &*AXE {
        session.execute(axe, &[]).await;
    }
    for (width, is_dark) in [(1280, false), (390, true)] {
        screen(session, width, is_dark).await;
        let wrong = session.execute(CHECK, &[]).await;
        assert_eq!(wrong, Value::Array(Vec::new()), "{page}, {width} wide, dark: {is_dark}");
    }
    screen(session, 1280, false).await;
}
