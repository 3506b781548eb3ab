// What makes a page of the panel live: it fetches the same page when something happens and puts in
// what differs, counts down, and sends what an operator does. Without it, every page can be read.
"use strict";

const REFRESH_MS = 2000; // Without events; what a person waits for without wondering.
const REFRESH_WITH_EVENTS_MS = 15000; // For what no event tells: states that change with time.
const REFRESH_MIN_MS = 1000; // Between two refreshes, however many events come.
const FETCH_TIMEOUT_MS = 10000;
const EVENTS_RETRY_MS = 30000;
const LOG_LINES_MAX = 500;
const TICK_MS = 1000;

const $ = (id) => document.getElementById(id);
const main = $("main");
document.documentElement.classList.add("scripted");

// The peer's clock, because the browser's may be wrong.
let clockOffset = Date.parse(main.dataset.now) - Date.now();

// ---- In words.

const pair = (large, small, a, b) => (small ? `${large}${a} ${small}${b}` : `${large}${a}`);

function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return pair(Math.floor(s / 60), s % 60, "m", "s");
  if (s < 86400) return pair(Math.floor(s / 3600), Math.floor((s % 3600) / 60), "h", "m");
  return pair(Math.floor(s / 86400), Math.floor((s % 86400) / 3600), "d", "h");
}

function tick() {
  const now = Date.now() + clockOffset;
  for (const time of document.querySelectorAll("time[data-countdown], time[data-ago]")) {
    const at = Date.parse(time.dateTime);
    const left = (at - now) / 1000;
    const text = "ago" in time.dataset ? `${duration(-left)} ago` : left < 1 ? "now" : `in ${duration(left)}`;
    if (time.textContent !== text) time.textContent = text;
  }
}

// ---- Bringing the page up to date. Nodes that stay are the same nodes: focus, selection, scroll
// and what somebody types in a form are left alone.

function sameKind(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
}

function morph(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.matches("form")) return;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    let found = at;
    // What has a name is looked for; what has none must be in its place.
    if (found && !sameKind(found, wanted)) {
      found = null;
      if (wanted.id) {
        for (let node = at; node && !found; node = node.nextSibling) {
          if (sameKind(node, wanted)) found = node;
        }
      } else if (at.id === "" && at.nextSibling && sameKind(at.nextSibling, wanted)) {
        found = at.nextSibling;
      }
    }
    if (!found) {
      old.insertBefore(document.importNode(wanted, true), at);
      continue;
    }
    while (at !== found) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
    morph(found, wanted);
    at = found.nextSibling;
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

const says = (root) => root.querySelector("[data-say]")?.textContent.trim() ?? "";

function say(text) {
  // A reader says the same text twice only if it was another in between.
  $("said").textContent = "";
  requestAnimationFrame(() => { $("said").textContent = text; });
}

function put(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.getElementById("main");
  if (!fresh) return;
  clockOffset = Date.parse(fresh.dataset.now) - Date.now();
  const [before, after] = [says(main), says(fresh)];
  const log = $("lines");
  const atEnd = log && log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  morph(main, fresh);
  keepLogged();
  tick();
  if (log && atEnd) log.scrollTop = log.scrollHeight;
  if (document.title !== page.title) document.title = page.title;
  if (before !== after) {
    say(main.querySelector("[data-say] h2, [data-say] .message")?.textContent ?? "The page has changed");
  }
}

let refreshing = null;
let timer = 0;
let refreshed = Date.now();

function refresh() {
  refreshing ??= fetchPage().finally(() => { refreshing = null; });
  return refreshing;
}

async function fetchPage() {
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    put(await answer.text());
    live(true);
  } catch {
    live(false);
  }
  refreshed = Date.now();
  schedule(events?.readyState === EventSource.OPEN ? REFRESH_WITH_EVENTS_MS : REFRESH_MS);
}

function schedule(after) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, after);
}

function soon() {
  schedule(Math.max(0, REFRESH_MIN_MS - (Date.now() - refreshed)));
}

function live(reached) {
  const state = reached ? "on" : "broken";
  const word = reached ? "live" : "no answer from the peer";
  if ($("live").dataset.state === state) return;
  if (!reached) say(`${word}: what is shown may be old`);
  $("live").dataset.state = state;
  $("live").querySelector(".word").textContent = word;
}

// ---- Events. A browser has few connections for one peer, so a tab that nobody sees gives its own up.

let events = null;
let retry = 0;

function listen() {
  clearTimeout(retry);
  if (document.hidden || events) return;
  events = new EventSource(document.body.dataset.events);
  events.onopen = soon;
  events.onerror = () => {
    if (events.readyState !== EventSource.CLOSED) return;
    events = null;
    retry = setTimeout(listen, EVENTS_RETRY_MS);
  };
  for (const kind of ["run", "skip", "change", "control", "problem"]) events.addEventListener(kind, soon);
  events.addEventListener("log", ({ data }) => logged(data));
}

// Lines of runs in progress: the ledger has them when the run has ended.
let unwritten = [];

function logged(data) {
  const list = $("lines");
  let said;
  try { said = JSON.parse(data); } catch { return; }
  if (!list || !said.line || (said.cycle && said.cycle !== list.dataset.cycle)) return;
  const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 4;
  // As the ledger has it.
  said.line = `${String(said.level).toUpperCase()} ${said.line}`;
  unwritten = [...unwritten, said].slice(-LOG_LINES_MAX);
  append(list, said.line);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function append(list, line) {
  const item = document.createElement("li");
  item.textContent = line;
  list.append(item);
  list.hidden = false;
}

function keepLogged() {
  const list = $("lines");
  if (!list) return;
  unwritten = unwritten.filter(({ run }) => run && !list.querySelector(`a[href="/runs/${Number(run)}"]`));
  for (const { line } of unwritten) append(list, line);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    events?.close();
    events = null;
    clearTimeout(timer);
    clearTimeout(retry);
  } else {
    listen();
    refresh();
  }
});

// ---- What an operator does.

const ask = $("ask");
const form = ask.querySelector("form");
const field = (name) => form.elements[name];
let asking = null;

const remembered = (key) => sessionStorage.getItem(key) ?? "";

function showToken() {
  $("token").textContent = remembered("token") ? "Token is set" : "Token";
}

function open(button) {
  const { act, title, what, label, fields } = button.dataset;
  asking = button;
  form.reset();
  $("ask-title").textContent = act ? title : "Token";
  $("ask-what").textContent = act ? what : "Whoever has a token may change what the peer does.";
  $("ask-yes").textContent = act ? label : "Keep";
  $("ask-error").textContent = "";
  const wanted = act ? ["note", "by", ...fields.split(" ")] : ["token"];
  if (act && !remembered("token")) wanted.push("token");
  for (const line of form.querySelectorAll("[data-field]")) {
    line.hidden = !wanted.includes(line.dataset.field);
  }
  field("interval").required = wanted.includes("interval");
  field("token").required = Boolean(act) && wanted.includes("token");
  field("by").value = remembered("by");
  ask.showModal();
  const first = [...form.querySelectorAll("[data-field]:not([hidden]) input")]
    .find((input) => !input.value && input.type !== "checkbox");
  (first ?? $("ask-yes")).focus();
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button[data-act], #token");
  if (button) open(button);
});
$("ask-no").addEventListener("click", () => ask.close());

function failed(text) {
  $("ask-error").textContent = text;
}

// In words, of a problem or of a list with one item for each chore.
function trouble(status, said) {
  const items = Array.isArray(said) ? said : [said ?? {}];
  const texts = items.map((item) => {
    const wrong = item.error ?? item.problem ?? (status >= 400 ? item : null);
    return wrong && (typeof wrong === "string" ? wrong : wrong.detail ?? wrong.title ?? "");
  });
  const text = texts.filter(Boolean).join("; ");
  if (text || status < 400) return text;
  return `the peer refused it with status ${status}`;
}

async function send() {
  const { act, chore, cycle } = asking.dataset;
  if (field("by").value) sessionStorage.setItem("by", field("by").value);
  if (field("token").value) sessionStorage.setItem("token", field("token").value.trim());
  const body = {};
  if (cycle !== undefined) body.cycle = cycle;
  for (const name of ["for", "interval", "note", "by"]) {
    const value = field(name).value.trim();
    if (value && !field(name).closest("[data-field]").hidden) body[name] = value;
  }
  if (field("force").checked) body.force = true;
  const answer = await fetch(`/api/v1/chores/${encodeURIComponent(chore)}/${act}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${remembered("token")}` },
    body: JSON.stringify(body),
  });
  const said = await answer.json().catch(() => null);
  if (answer.status === 401 || answer.status === 403) {
    sessionStorage.removeItem("token");
    field("token").value = "";
  }
  return trouble(answer.status, said);
}

async function done() {
  const { title, label } = asking.dataset;
  const group = asking.closest(".actions[id]")?.id;
  ask.close();
  await refreshing;
  await refresh();
  say(`${title}: done`);
  // The button may be another now; who acts by keyboard stays where they were.
  if (document.activeElement !== document.body || !group) return;
  const buttons = [...($(group)?.querySelectorAll("button") ?? [])];
  (buttons.find((button) => button.dataset.label === label) ?? buttons.at(-1) ?? main).focus();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!asking.dataset.act) {
    const token = field("token").value.trim();
    if (token) sessionStorage.setItem("token", token);
    else sessionStorage.removeItem("token");
    showToken();
    ask.close();
    return;
  }
  $("ask-yes").disabled = true;
  try {
    const wrong = await send();
    if (wrong) failed(wrong);
    else await done();
  } catch {
    failed("the peer does not answer: it may have ended, or the network");
  } finally {
    $("ask-yes").disabled = false;
    showToken();
    if (ask.open && !remembered("token")) {
      field("token").closest("[data-field]").hidden = false;
      field("token").focus();
    }
  }
});

// ---- To begin with.

showToken();
tick();
const lines = $("lines");
if (lines) lines.scrollTop = lines.scrollHeight;
setInterval(tick, TICK_MS);
live(true);
listen();
schedule(REFRESH_MS);
