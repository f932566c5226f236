// Registers, remembers the session for as long as the tab is open, and tells the gateway what is clicked on.

const gateway = document.querySelector('meta[name="event-gateway"]').content;
const element = (id) => document.getElementById(id);

function say(text) {
  element("message").textContent = text;
}

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
    return say(await complaint(response));
  }
  const user = await response.json();
  sessionStorage.setItem("session", user.session);
  say(`Welcome, ${user.name ?? user.email}!`);
  show();
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
  say(response.status === 202 ? `Noted: ${target}` : await complaint(response));
  if (response.status === 403) {
    logOut();
  }
}

function logOut() {
  sessionStorage.removeItem("session");
  show();
}

/** What fails without an answer is the network, or the browser keeping us from another origin. */
function attempt(action) {
  action.catch((error) => say(`The gateway cannot be reached: ${error.message}`));
}

element("register").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(register(element("email").value, element("name").value.trim()));
});
for (const button of document.querySelectorAll("[data-target]")) {
  button.addEventListener("click", () => attempt(click(button.dataset.target)));
}
element("logout").addEventListener("click", () => {
  logOut();
  say("Good-bye!");
});
show();
