// The gallery from the disk in a real browser, as a person with eyes, with a keyboard and with a screen reader finds it;
// `node gallery.mjs FILE`. Nothing but the file and the videos beside it may be loaded.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import axe from "axe-core";
import { chromium } from "playwright-core";

const { BROWSER, ARTEFACTS } = process.env;
const FLAGS = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync";
const address = pathToFileURL(process.argv[2]).href;
const folder = address.slice(0, address.lastIndexOf("/") + 1);

mkdirSync(ARTEFACTS, { recursive: true });
const browser = await chromium.launch({ executablePath: BROWSER, args: FLAGS.split(" ") });
const left = [];
const faults = [];

const open = async (options) => {
  const page = await (await browser.newContext({ locale: "en-GB", ...options })).newPage();
  page.setDefaultTimeout(20_000);
  page.on("request", (request) => {
    if (!request.url().startsWith("data:") && !request.url().startsWith(folder)) left.push(request.url());
  });
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  await page.goto(address);
  return page;
};
const shown = (page) => page.locator(".video:visible").count();
const count = (page) => page.locator("#count").innerText();

// Whole and without a broken rule in light and dark, narrow and wide.
for (const colorScheme of ["light", "dark"]) {
  for (const width of [320, 1300]) {
    const page = await open({ colorScheme, viewport: { width, height: 900 } });
    for (const video of await page.locator("video").all()) {
      await video.scrollIntoViewIfNeeded();
      await video.evaluate(async (element) => {
        while (!element.poster) await new Promise(requestAnimationFrame);
      });
    }
    await page.screenshot({ path: join(ARTEFACTS, `gallery-${width}-${colorScheme}.png`), fullPage: true });
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(background, colorScheme === "light" ? "rgb(255, 255, 255)" : "rgb(28, 28, 31)");
    // The page's policy keeps the checker out: it comes through the debugger.
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), []);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "it is cut off");
    await page.context().close();
  }
}

// What a screen reader walks along.
const page = await open({ viewport: { width: 1300, height: 900 } });
const headings = await page.getByRole("heading").allInnerTexts();
assert.equal(headings[0], "Seedance videos");
assert.ok(headings.includes("snow film") && headings.includes("<b>Ads</b> & co"), headings.join("|"));
assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
for (const name of ["Words in it", "Project", "Model", "Status"]) await page.getByLabel(name, { exact: true }).waitFor();
assert.equal(await page.locator("img, iframe, script[src], link[rel=stylesheet]").count(), 0);

// The keyboard: past the filters to the videos, and a visible focus all the way.
await page.keyboard.press("Tab");
assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the videos");
await page.keyboard.press("Enter");
assert.equal(await page.evaluate(() => document.activeElement.id), "videos");
await page.keyboard.press("Tab");
assert.ok(["VIDEO", "SUMMARY"].includes(await page.evaluate(() => document.activeElement.tagName)));
assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "none");

// Filters: words, project, model, status, and all of it again.
const every = await shown(page);
assert.equal(await count(page), `${every} of ${every} shown`);
await page.getByLabel("Words in it").fill("FOX snow");
assert.equal(await shown(page), 2);
assert.equal(await count(page), `2 of ${every} shown`);
await page.getByLabel("Words in it").fill("whale");
assert.match(await count(page), /None fits/);
assert.equal(await page.getByRole("heading", { level: 2 }).count(), 0);
await page.getByRole("button", { name: "Show all" }).click();
await page.locator("#count", { hasText: `${every} of ${every}` }).waitFor();
assert.equal(await shown(page), every);
await page.getByLabel("Project").selectOption("<b>Ads</b> & co");
assert.equal(await shown(page), 1);
await page.getByLabel("Project").selectOption("");
await page.getByLabel("Status").selectOption({ label: "Finished, not saved" });
assert.equal(await shown(page), 1);
await page.getByText("Ask in the chat to save it").waitFor();
await page.getByLabel("Status").selectOption("");
await page.getByLabel("Model").selectOption("seedance2.0-sp");
assert.equal(await shown(page), 1);
await page.getByRole("button", { name: "Show all" }).click();

// Takes stand side by side, with their own names, and play from the disk, one at a time, by the keyboard alone.
const takes = ["Take 1: A fox trots through snow", "Take 2: A fox trots through snow"].map((name) => page.getByLabel(name, { exact: true }));
const [one, two] = await Promise.all(takes.map((take) => take.boundingBox()));
assert.equal(one.y, two.y);
assert.ok(one.x + one.width <= two.x);
for (const take of takes) {
  await take.focus();
  await take.evaluate((video) => {
    video.muted = true;
  });
  await page.keyboard.press("Space");
  await take.evaluate((video) => new Promise((done) => video.addEventListener("timeupdate", () => video.currentTime > 0.2 && done())));
  assert.ok(await take.evaluate((video) => video.videoWidth > 0));
}
assert.deepEqual(await Promise.all(takes.map((take) => take.evaluate((video) => video.paused))), [true, false]);
await page.getByLabel("Status").selectOption({ label: "Finished, not saved" });
assert.ok(await takes[1].evaluate((video) => video.paused)); // a hidden video is silent

// Without scripts every video is there with its player.
const plain = await open({ javaScriptEnabled: false });
assert.equal(await plain.locator("video[controls]").count(), 3);
assert.ok(await plain.locator("form").isHidden());

assert.deepEqual(left, []);
assert.deepEqual(faults, []);
await browser.close();
process.exit(0);
