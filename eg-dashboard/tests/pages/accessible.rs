//! What people who do not see a page, or see it badly, need of it. The script runs in the browser, on every view.

use eg_tests::webdriver::Session;
use serde_json::{Value, json};

/// Returns what is wrong with the page, in words.
const CHECK: &str = r"
  const wrong = [];
  const name = (element) => (element.getAttribute('aria-label') || element.textContent || element.getAttribute('title') || element.alt || '').trim();
  const shown = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  if (!document.documentElement.lang) wrong.push('the page names no language');
  if (document.querySelectorAll('h1').length !== 1) wrong.push('the page has not one h1');
  let level = 1;
  for (const heading of document.querySelectorAll('main h1, main h2, main h3')) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) wrong.push(`after h${level} comes <${heading.tagName}> ${heading.textContent}`);
    level = next;
  }
  for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
    if (!field.labels.length || !name(field.labels[0])) wrong.push(`a field has no label: ${field.outerHTML.slice(0, 80)}`);
  }
  for (const control of document.querySelectorAll('a, button, summary, [role=img]')) {
    if (!name(control)) wrong.push(`has no name: ${control.outerHTML.slice(0, 80)}`);
  }
  for (const image of document.querySelectorAll('img')) if (image.getAttribute('alt') === null) wrong.push('an image has no alt');
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) wrong.push(`two elements have the id ${id}`);
  for (const table of document.querySelectorAll('table')) if (!table.querySelector('th')) wrong.push('a table has no headings');

  // Contrast of text with what is behind it, by the formula of WCAG 2.
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((at) => top[at] * top[3] + below[at] * (1 - top[3])).concat(1);
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((value) => value / 255).map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || seen.has(element) || !shown(element) || element.closest('svg, option, .hidden, .skip')) continue;
    seen.add(element);
    const below = behind(element);
    const [a, b] = [light(over(rgba(getComputedStyle(element).color), below)), light(below)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) wrong.push(`the contrast is ${contrast.toFixed(1)}: ${element.outerHTML.slice(0, 100)}`);
  }
  if (document.documentElement.scrollWidth > window.innerWidth + 1) wrong.push(`the page is ${document.documentElement.scrollWidth} wide on a screen of ${window.innerWidth}`);
  return wrong;
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
    for (width, is_dark) in [(1280, false), (390, true)] {
        screen(session, width, is_dark).await;
        let wrong = session.execute(CHECK, &[]).await;
        assert_eq!(wrong, Value::Array(Vec::new()), "{page}, {width} wide, dark: {is_dark}");
    }
    screen(session, 1280, false).await;
}
