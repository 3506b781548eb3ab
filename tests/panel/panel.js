// Drives a real browser through the panel, as an operator would, and fails with the name of what
// does not hold. Arguments: the panel's address, one without events, that of a peer with a thousand
// chores, a token, the chore to act on, the one that fails, what that one says, and a folder for
// pictures.
"use strict";

const fs = require("node:fs");
const assert = require("node:assert/strict");
const puppeteer = require("puppeteer-core");

const [base, withoutEvents, crowd, token, patched, failing, evil, pictures] = process.argv.slice(2);
const SENDER = "order-sender";

const WAIT_MS = 30000; // Longest that one thing is waited for, on a machine that is busy.
const LOOK_EVERY_MS = 50;
const ALL_MS = 240000; // Longest that everything may take.
const PHONE = { width: 360, height: 740, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
const DESK = { width: 1360, height: 900 };

setTimeout(() => {
  console.error(`not done within ${ALL_MS} ms`);
  process.exit(2);
}, ALL_MS).unref();

// What no page may do.
const complaints = [];

async function until(what, holds) {
  const end = Date.now() + WAIT_MS;
  let last = "";
  while (Date.now() < end) {
    try {
      const found = await holds();
      if (found) return found;
    } catch (error) {
      last = error.message;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  throw new Error(`not within ${WAIT_MS} ms: ${what} ${last}`);
}

async function open(browser, address, { scripts = true, viewport = DESK, dark = false } = {}) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await page.setViewport(viewport);
  await page.setJavaScriptEnabled(scripts);
  await page.emulateMediaFeatures([
    { name: "prefers-color-scheme", value: dark ? "dark" : "light" },
    { name: "prefers-reduced-motion", value: "reduce" },
  ]);
  const own = new URL(address).origin;
  page.on("console", (message) => {
    const expected = own !== base && message.location().url?.includes("/api/v1/events");
    // What the peer refuses on purpose, a browser tells as an error.
    const refused = message.location().url?.includes("/api/v1/chores/") && /status of 40[01]/.test(message.text());
    if (message.type() === "error" && !expected && !refused) complaints.push(`console: ${message.text()}`);
    // Violations of the policy are among these.
    if (message.type() === "warn" || message.type() === "warning") complaints.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`script: ${error.message}`));
  page.on("dialog", (dialog) => complaints.push(`a native dialog: ${dialog.message()}`));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== own && protocol !== "data:") complaints.push(`request: ${request.url()}`);
  });
  await page.evaluateOnNewDocument(() => {
    globalThis.violations = [];
    addEventListener("securitypolicyviolation", (event) => globalThis.violations.push(event.violatedDirective));
  });
  const answer = await page.goto(address, { waitUntil: "load", timeout: WAIT_MS });
  assert.equal(answer.status(), 200, address);
  return page;
}

const text = (page, selector) => page.$eval(selector, (element) => element.textContent);
const row = (chore) => `[id="row:${chore}:main"]`;
const action = (word, chore, cycle = "main") => `[id="${word}:${chore}:${cycle}"]`;

async function picture(page, name, fullPage = true) {
  await page.screenshot({ path: `${pictures}/${name}.png`, fullPage });
}

async function fits(page, what) {
  const { content, window, wide } = await page.evaluate(() => {
    const window = document.documentElement.clientWidth;
    const wide = [...document.querySelectorAll("main *")].find((it) => it.getBoundingClientRect().right > window + 1);
    return { content: document.documentElement.scrollWidth, window, wide: wide?.outerHTML.slice(0, 200) };
  });
  assert.ok(content <= window, `${what} scrolls sideways, ${content} of ${window}: ${wide}`);
}

async function fine(page, what) {
  // Where scripts are blocked, there is nothing to ask.
  const violations = await page.evaluate(() => globalThis.violations ?? []).catch(() => []);
  assert.deepEqual(violations, [], what);
  assert.equal(await page.$("#evil"), null, `${what}: what a chore says is part of the page`);
  assert.equal(await page.evaluate(() => globalThis.evil).catch(() => undefined), undefined, `${what}: its script ran`);
}

// Presses a button, fills what its dialog asks for, and confirms.
async function act(page, button, fields = {}) {
  await page.click(button);
  await until("the dialog is open", () => page.$("dialog[open]"));
  for (const [name, value] of Object.entries(fields)) {
    await page.$eval(`dialog [name=${name}]`, (input) => { input.value = ""; });
    await page.type(`dialog [name=${name}]`, value);
  }
  await page.click("#ask-yes");
}

const closed = (page) => until("the dialog is closed", async () => !(await page.$("dialog[open]")));

async function looksAtEverything(browser) {
  const views = [
    ["light", {}], ["dark", { dark: true }],
    ["phone", { viewport: PHONE }], ["phone-dark", { viewport: PHONE, dark: true }],
  ];
  for (const [name, options] of views) {
    for (const [what, path] of [["overview", "/"], ["chore", `/chores/${patched}`],
      ["failing", `/chores/${failing}`], ["run", "/runs/1"]]) {
      const page = await open(browser, base + path, options);
      await until("the page is live", () => page.$('#live[data-state="on"]'));
      await fits(page, `${what} ${name}`);
      await fine(page, `${what} ${name}`);
      await picture(page, `${what}-${name}`);
      await page.browserContext().close();
    }
  }
}

async function isReadWithoutScripts(browser) {
  const page = await open(browser, base, { scripts: false });
  const body = async () => (await page.content()).replaceAll(/\s+/g, " ");
  for (const wanted of [SENDER, patched, failing, "Old Notes.wasm", "Scripts are blocked", "in 5", "succeeded"]) {
    assert.ok((await body()).includes(wanted), `without scripts: ${wanted}`);
  }
  await picture(page, "overview-without-scripts");
  await page.goto(`${base}/chores/${failing}`, { timeout: WAIT_MS });
  assert.ok((await body()).includes("&lt;b id=evil&gt;no&lt;/b&gt; !!"), "it is escaped");
  await fine(page, "without scripts");
  await page.browserContext().close();
}

async function aFailingChoreIsSeen(browser) {
  const page = await open(browser, base);
  const problems = await text(page, ".problems");
  for (const wanted of [failing, "failing", "in a row: failed", evil, "Old Notes.wasm", "refused"]) {
    assert.ok(problems.includes(wanted), `problems: ${wanted} in ${problems}`);
  }
  await page.click(`.problems a[href="/chores/${failing}"]`);
  await until("the chore's page", async () => (await page.title()).startsWith(failing));
  const why = await text(page, ".why");
  assert.ok(why.startsWith("Next run "), `its why-sentence: ${why}`);
  assert.ok((await text(page, ".history")).includes(evil), "its history");
  await page.select(".filter [name=outcome]", "succeeded");
  await Promise.all([page.waitForNavigation({ timeout: WAIT_MS }), page.click(".filter button")]);
  assert.ok((await text(page, "main")).includes("Nothing in the ledger"), "no run of it succeeded");
  await fine(page, "a failing chore");
  await page.browserContext().close();
}

async function changesAreSeenWithoutReload(browser, address) {
  const page = await open(browser, `${address}/chores/${SENDER}`);
  const runs = () => page.$$eval(".card .facts div", (all) =>
    all.find((line) => line.textContent.startsWith("Runs")).lastElementChild.textContent);
  await page.evaluate(() => {
    globalThis.marker = "still here";
    document.querySelector(".filter select").focus();
  });
  const before = await runs();
  const triggered = await fetch(`${base}/api/v1/chores/${SENDER}/trigger`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: "{}",
  });
  assert.equal(triggered.status, 200);
  await until("another run is shown", async () => (await runs()) !== before);
  assert.equal(await page.evaluate(() => globalThis.marker), "still here", "the page was not loaded again");
  assert.equal(await page.evaluate(() => document.activeElement.name), "cycle", "the focus stays");
  if (address === base) {
    const log = () => text(page, "#lines");
    await until("its line is shown", async () => (await log()).includes("INFO orders are settled"));
    await fine(page, "a line of a run");
  }
  const countdown = () => page.$eval(".countdown", (time) => time.textContent);
  const then = await countdown();
  await until("the countdown ticks", async () => (await countdown()) !== then);
  await page.browserContext().close();
}

// Also: whatever can be chosen by others has a tag and a script in it.
async function aThousandChoresAreShown(browser) {
  const views = [["light", {}], ["dark", { dark: true }], ["phone", { viewport: PHONE }]];
  for (const [name, options] of views) {
    for (const [what, path] of [["overview", "/"], ["chore", "/chores/chore-0001"], ["run", "/runs/7"]]) {
      const page = await open(browser, crowd + path, options);
      await fits(page, `crowd ${what} ${name}`);
      await fine(page, `crowd ${what} ${name}`);
      await picture(page, `crowd-${what}-${name}`, false);
      for (const part of await page.$$(".chores, .timeline, .figures")) {
        const kind = await part.evaluate((element) => element.classList.item(element.classList.length - 1));
        await part.screenshot({ path: `${pictures}/crowd-${what}-${name}-${kind}.png` });
      }
      await page.browserContext().close();
    }
  }
  const none = [["/chores/nobody", 404, "no chore"], ["/runs/0", 404, "no run 0"], ["/runs/x", 400, "no such page"]];
  for (const [path, status, words] of none) {
    const refused = await fetch(base + path);
    assert.equal(refused.status, status, path);
    assert.ok((await refused.text()).includes(words), `${path}: ${words}`);
  }
  const begun = Date.now();
  const bytes = (await (await fetch(`${crowd}/`)).text()).length;
  console.log(`the page of a thousand chores: ${bytes} bytes in ${Date.now() - begun} ms`);
  const page = await open(browser, `${crowd}/?show=loaded&page=40`);
  assert.ok((await text(page, "main")).includes("chore-0999"), "the last page has the last chore");
  assert.ok((await text(page, ".chores caption")).includes("25 of 1000 chores"));
  assert.ok((await page.$$(".problems li")).length <= 12, "problems are cut");
  const answer = await page.goto(`${crowd}/?q=0777`, { timeout: WAIT_MS });
  assert.equal((await page.$$(".chores tbody tr")).length, 1, "one is found by its name");
  assert.match(answer.headers()["content-security-policy"], /default-src 'none'; script-src 'self'/);
  await page.goto(`${crowd}/chores/chore-0000?page=50`, { timeout: WAIT_MS });
  assert.ok((await text(page, ".grid")).includes("cycle-0999"), "the last page has the last cycle");
  await page.browserContext().close();
}

async function anOperatorActs(browser) {
  const page = await open(browser, base);
  // A wrong token, in words; the dialog stays.
  await act(page, action("pause", patched), { note: "<i>maintenance</i>", by: "alice", token: "guessed", for: "2h" });
  const wrong = () => text(page, "#ask-error");
  await until("the refusal is shown", async () => (await wrong()).includes("the token is unknown"));
  await picture(page, "dialog");
  await page.type("dialog [name=token]", token);
  await page.click("#ask-yes");
  await closed(page);
  const state = () => text(page, row(patched));
  await until("it is paused", async () => (await state()).includes("Paused by alice"));
  assert.ok((await state()).includes("<i>maintenance</i>"), "the note is text");
  await until("the pause ends by itself", async () => (await state()).includes("ends in 1h 59m"));
  // The button that was pressed is another now, and has the focus.
  const focused = () => page.evaluate(() => document.activeElement.id);
  await until("the focus is where it was", async () => (await focused()).endsWith(`:${patched}:main`));

  await act(page, action("restart", patched));
  await closed(page);
  await until("it is not paused", async () => !(await state()).includes("Paused by"));

  await page.goto(`${base}/chores/${patched}`, { timeout: WAIT_MS });
  const count = () => page.$$eval('[id^="run:"]', (rows) => rows.length);
  const before = await count();
  await act(page, action("trigger", patched));
  await closed(page);
  await until("its run is in the history", async () => (await count()) > before);
  assert.ok((await text(page, ".history")).includes("trigger by alice"));

  await act(page, action("interval", patched), { interval: "soon" });
  await until("a wrong interval is explained", async () => (await wrong()).includes("cannot read interval"));
  await page.$eval("dialog [name=interval]", (input) => { input.value = ""; });
  await page.type("dialog [name=interval]", "5m");
  await page.click("#ask-yes");
  await closed(page);
  await until("the interval is another", async () => (await text(page, ".card")).includes("5m changed by hand"));

  await act(page, action("go-back", patched, ""), { note: "too slow" });
  await closed(page);
  await until("the good version runs", async () => (await text(page, ".lead")).includes("Version 1.7.100"));
  assert.ok((await text(page, ".versions")).includes("quarantined"));
  await picture(page, "gone-back");
  await fine(page, "acting");
  await page.browserContext().close();
}

async function theKeyboardIsEnough(browser) {
  const page = await open(browser, base);
  const focus = () => page.evaluate(() => document.activeElement.id);
  const tabTo = async (wanted) => {
    for (let pressed = 0; pressed < 200; pressed += 1) {
      await page.keyboard.press("Tab");
      if ((await focus()) === wanted) return;
    }
    throw new Error(`no Tab leads to ${wanted}`);
  };
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "jump", "first the way past the head");
  const pause = `pause:${SENDER}:main`;
  await tabTo(pause);
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, "none", "the focus is visible");
  await page.keyboard.press("Enter");
  await until("the dialog is open", () => page.$("dialog[open]"));
  await page.keyboard.press("Escape");
  await closed(page);
  assert.equal(await focus(), pause, "Escape leads back");
  await page.keyboard.press("Enter");
  await until("the dialog is open again", () => page.$("dialog[open]"));
  for (const [name, value] of [["for", ""], ["note", "by keyboard"], ["by", "alice"], ["token", token]]) {
    assert.equal(await page.evaluate(() => document.activeElement.name), name, "the order of the fields");
    if (value) await page.keyboard.type(value);
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Tab");
  assert.equal(await focus(), "ask-yes");
  await page.keyboard.press("Enter");
  await closed(page);
  await until("it is paused", async () => (await text(page, row(SENDER))).includes("by keyboard"));
  await until("it is told", async () => (await text(page, "#said")).length > 0);
  await fine(page, "by keyboard");
  await page.browserContext().close();
}

async function main() {
  fs.mkdirSync(pictures, { recursive: true });
  const browser = await puppeteer.launch({
    executablePath: "/usr/bin/chromium",
    // Tests may run as root, where Chromium's own sandbox does not; and small machines have a small /dev/shm.
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
    timeout: WAIT_MS,
    protocolTimeout: WAIT_MS,
  });
  try {
    await isReadWithoutScripts(browser);
    await aFailingChoreIsSeen(browser);
    await changesAreSeenWithoutReload(browser, base);
    await changesAreSeenWithoutReload(browser, withoutEvents);
    await looksAtEverything(browser);
    await aThousandChoresAreShown(browser);
    await anOperatorActs(browser);
    await theKeyboardIsEnough(browser);
    assert.deepEqual(complaints, [], "what no page may do");
  } finally {
    await browser.close();
  }
  console.log("done");
}

main().catch((error) => {
  console.error(error.stack, complaints);
  process.exitCode = 1;
});
