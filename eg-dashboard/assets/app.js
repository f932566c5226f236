// What is live on the pages: the list that follows the gateway, the keyboard, and buttons that copy. Without this script, the
// pages show the same when they are loaded again.

const listing = document.getElementById("listing");

if (listing?.dataset.live) follow(listing, listing.dataset.live);
for (const block of document.querySelectorAll("pre[data-copy]")) addCopy(block);
addKeyboard();

/** Replaces the content of `listing` whenever the gateway says that something has happened. */
function follow(listing, feed) {
  const bar = document.getElementById("live");
  const pause = document.getElementById("pause");
  const state = document.getElementById("state");
  const fresh = document.getElementById("new");
  let paused = false, waiting = false, loading = false;

  const say = (text) => { if (state) state.textContent = text; };
  const isAway = () => bar !== null && window.scrollY > 200;

  async function load() {
    if (loading) { waiting = true; return; }
    loading = true;
    waiting = false;
    try {
      const url = new URL(location.href);
      url.searchParams.set("fragment", "1");
      const answer = await fetch(url, { credentials: "same-origin" });
      if (answer.ok) replace(await answer.text());
      else if (answer.status === 401) say("logged out");
    } catch { say("the gateway does not answer"); }
    loading = false;
    if (waiting) load();
  }

  function replace(text) {
    // Somebody is filling in a form or has selected text in it.
    if (listing.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) return;
    const current = rows().findIndex((row) => row.contains(document.activeElement));
    const opened = [...listing.querySelectorAll("details")].map((details) => details.open);
    listing.innerHTML = text;
    listing.querySelectorAll("details").forEach((details, at) => { if (at in opened) details.open = opened[at]; });
    for (const block of listing.querySelectorAll("pre[data-copy]")) addCopy(block);
    if (current >= 0) focusRow(current);
    if (fresh) fresh.hidden = true;
  }

  function changed() {
    if (paused) return;
    if (isAway()) { fresh.hidden = false; return; }
    load();
  }

  const events = new EventSource(feed);
  events.addEventListener("open", () => {
    say(paused ? "paused" : "live");
    // What has happened since the page was made.
    changed();
  });
  events.addEventListener("error", () => say("reconnecting"));
  events.addEventListener("changed", changed);
  events.addEventListener("denied", () => { events.close(); say("live updates need the key for all spaces"); });

  if (bar) bar.hidden = false;
  fresh?.addEventListener("click", () => { window.scrollTo(0, 0); load(); });
  pause?.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Resume" : "Pause";
    say(paused ? "paused" : "live");
    if (!paused) load();
  });
}

function rows() {
  return [...document.querySelectorAll("[data-row]")];
}

function focusRow(at) {
  rows()[at]?.querySelector("a")?.focus();
}

function addCopy(block) {
  const text = block.textContent;
  const button = document.createElement("button");
  button.className = "plain copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  block.after(button);
}

function addKeyboard() {
  const help = document.getElementById("keys");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    const at = rows().findIndex((row) => row.contains(document.activeElement));
    switch (event.key) {
      case "/": document.querySelector("form[role=search] input")?.focus(); break;
      case "j": focusRow(Math.min(at + 1, rows().length - 1)); break;
      case "k": focusRow(Math.max(at - 1, 0)); break;
      case "p": document.getElementById("pause")?.click(); break;
      case "?": help.hidden = !help.hidden; break;
      default: return;
    }
    event.preventDefault();
  });
}
