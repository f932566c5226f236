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
  let paused = false, waiting = false, loading = false, later = 0;
  // What is known of the connection, and what prevented the last load.
  let connection = "connecting", trouble = null;

  const report = () => { if (state) state.textContent = trouble ?? (paused ? "paused" : connection); };
  const isAway = () => bar !== null && window.scrollY > 200;

  async function load() {
    if (loading) { waiting = true; return; }
    loading = true;
    waiting = false;
    try {
      const url = new URL(location.href);
      url.searchParams.set("fragment", "1");
      const answer = await fetch(url, { credentials: "same-origin" });
      trouble = answer.ok ? null : [401, 403].includes(answer.status) ? "logged out" : "the gateway does not answer";
      if (answer.ok) replace(await answer.text());
    } catch { trouble = "the gateway does not answer"; }
    report();
    loading = false;
    if (waiting) load();
  }

  function replace(text) {
    if (isInUse()) { clearTimeout(later); later = setTimeout(changed, 1000); return; }
    const current = listing.contains(document.activeElement) ? identity(document.activeElement) : null;
    listing.innerHTML = text;
    for (const block of listing.querySelectorAll("pre[data-copy]")) addCopy(block);
    if (current) [...listing.querySelectorAll("a, button")].find((control) => identity(control) === current)?.focus();
    if (fresh) fresh.hidden = true;
  }

  /** Returns whether somebody is filling in a form in the list, or has selected text there. */
  function isInUse() {
    const active = document.activeElement;
    const selection = document.getSelection();
    return (listing.contains(active) && active.matches("input, textarea, select"))
      || (!selection.isCollapsed && selection.containsNode(listing, true));
  }

  function changed() {
    if (paused) return;
    if (isAway()) { fresh.hidden = false; return; }
    load();
  }

  function connect() {
    const events = new EventSource(feed);
    events.addEventListener("open", () => {
      connection = "live";
      report();
      // What has happened since the page was made.
      changed();
    });
    events.addEventListener("error", () => {
      connection = "reconnecting";
      report();
      // A browser reconnects unless the answer was a failure.
      if (events.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
    });
    events.addEventListener("changed", changed);
    events.addEventListener("denied", () => {
      events.close();
      connection = "live updates need the key for all spaces";
      // If the session has ended, this says so.
      load();
    });
  }

  if (bar) bar.hidden = false;
  fresh?.addEventListener("click", () => { window.scrollTo(0, 0); load(); });
  pause?.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Resume" : "Pause";
    report();
    if (!paused) load();
  });
  connect();
}

/** Returns what a link or button has in common with its successor in a newer list. */
function identity(control) {
  const fields = control.form ? new URLSearchParams(new FormData(control.form)) : "";
  return `${control.href ?? control.form?.action ?? ""} ${fields} ${control.textContent}`;
}

function rows() {
  return [...document.querySelectorAll("[data-row]")];
}

function focusRow(at) {
  rows()[at]?.querySelector("a")?.focus();
}

function addCopy(block) {
  // Browsers offer the clipboard to pages from this machine and to those with TLS only.
  if (!navigator.clipboard) return;
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
