// Registers, remembers the session for as long as the tab is open, emits clicks, and shows what happens because of them.

const gateway = document.querySelector('meta[name="event-gateway"]').content;
const element = (id) => document.getElementById(id);

/** The pauses before the journal is read again after an action, in milliseconds. Effects come soon, retries later. */
const PAUSES = [200, 500, 1000, 2000, 4000, 8000, 15000];

function say(text, isError = false) {
  const message = element("message");
  message.textContent = text;
  message.hidden = false;
  message.classList.toggle("error", isError);
  message.setAttribute("role", isError ? "alert" : "status");
}

const complain = (text) => say(text, true);

function show() {
  const registered = sessionStorage.getItem("session") !== null;
  element("register").hidden = registered;
  element("home").hidden = !registered;
}

function post(path, contentType, body) {
  return fetch(gateway + path, {
    method: "POST",
    headers: { "content-type": contentType },
    body: JSON.stringify(body),
  });
}

/** What the gateway or a function says went wrong; they say it in one of two forms. */
async function complaint(response) {
  const body = await response.json().catch(() => ({}));
  const error = body.message ?? body.errors?.[0];
  return error?.message ?? error ?? `the gateway answered ${response.status}`;
}

async function register(email, name) {
  const response = await post("/users", "application/json", name ? { email, name } : { email });
  if (response.status !== 200) {
    return complain(await complaint(response));
  }
  const user = await response.json();
  sessionStorage.setItem("session", user.session);
  say(`Welcome, ${user.name ?? user.email}!`);
  show();
  watch();
}

/** Emits an event: the one type, at the one path, that the gateway takes from browsers. */
async function click(target) {
  const session = sessionStorage.getItem("session");
  if (session === null) {
    return;
  }
  const response = await post("/clicks", "application/cloudevents+json", {
    specversion: "1.0",
    id: crypto.randomUUID(),
    source: "/web",
    type: "user.clicked",
    time: new Date().toISOString(),
    datacontenttype: "application/json",
    data: { target, session },
  });
  if (response.status === 403) {
    logOut();
  }
  if (response.status !== 202) {
    return complain(await complaint(response));
  }
  say(`Noted: ${target}`);
  watch();
}

/** Shows the events that followed from what the user did, the newest first. */
async function readJournal() {
  const session = sessionStorage.getItem("session");
  if (session === null) {
    return;
  }
  const response = await fetch(`${gateway}/journal`, { headers: { authorization: `Bearer ${session}` } });
  if (response.status === 401) {
    logOut();
  }
  if (response.status !== 200) {
    return complain(await complaint(response));
  }
  const entries = await response.json();
  if (session !== sessionStorage.getItem("session")) {
    return; // The user has logged out in the meantime.
  }
  element("journal").replaceChildren(...entries.reverse().map(line));
}

let turn = 0;

/** Reads the journal now, and again after each pause. A new action starts again. */
async function watch() {
  const mine = ++turn;
  await attempt(readJournal());
  for (const pause of PAUSES) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (mine !== turn) {
      return;
    }
    // What fails now is not shown: the user has seen the answer to the action.
    await readJournal().catch(() => {});
  }
}

function line({ time, event, detail, failed }) {
  const item = document.createElement("li");
  item.classList.toggle("failed", failed);
  const parts = [["time", new Date(time).toLocaleTimeString()], ["code", event], ["span", detail ?? ""]];
  for (const [name, text] of parts) {
    const part = document.createElement(name);
    part.textContent = text;
    item.append(part);
  }
  item.lastChild.className = "detail";
  return item;
}

function logOut() {
  turn += 1;
  sessionStorage.removeItem("session");
  element("journal").replaceChildren();
  show();
}

/** What fails without an answer is the network, or the browser keeping us from another origin. */
function attempt(action) {
  return action.catch((error) => complain(`The gateway cannot be reached: ${error.message}`));
}

element("register").addEventListener("submit", async (event) => {
  event.preventDefault();
  // A second click would register a second user.
  const button = element("register").querySelector("button");
  button.disabled = true;
  await attempt(register(element("email").value, element("name").value.trim()));
  button.disabled = false;
});
for (const button of document.querySelectorAll("[data-target]")) {
  button.addEventListener("click", () => attempt(click(button.dataset.target)));
}
element("logout").addEventListener("click", () => {
  logOut();
  say("Good-bye!");
});
show();
watch();
