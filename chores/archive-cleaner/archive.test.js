// The archive without a peer: `node --test` in this folder.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cutoff, duration, load, save, since, words } from "./archive.js";

test("a duration is read as the peer reads it", () => {
  const second = 1_000_000_000n;
  for (const [text, expected] of [
    ["0s", 0n],
    ["250ms", second / 4n],
    ["90s", 90n * second],
    ["1h30m", 5400n * second],
    ["1h 30m", 5400n * second],
    ["1.5h", 5400n * second],
    ["7days", 168n * 3600n * second],
    ["1w", 168n * 3600n * second],
    ["10 µs", 10_000n],
  ]) {
    assert.equal(duration(text), expected, text);
  }
  assert.throws(() => duration("7 fortnights"), /unknown unit/);
});

test("what is kept for longer than there were peers is kept", () => {
  const now = 1_795_628_474_506_983_089n;
  for (const [keep, expected] of [[0n, now], [1n, now - 1n], [now, 0n], [2n ** 64n - 1n, 0n]]) {
    assert.equal(cutoff(now, keep), expected, keep);
  }
});

const order = (archived, reason = "") => ({
  archived,
  reason,
  status: reason === "" ? "accepted" : "rejected",
});

test("only what is new is counted", () => {
  for (const [newest, seen, expected] of [
    [[], 5n, { orders: 0, rejected: 0, reasons: [], seen: 5n }],
    [[order(5n, "old"), order(4n)], 5n, { orders: 0, rejected: 0, reasons: [], seen: 5n }],
    [[order(7n), order(6n), order(5n)], 5n, { orders: 2, rejected: 0, reasons: [], seen: 7n }],
    [
      [order(6n, "late"), order(9n, "twice"), order(6n, "twice"), order(6n), order(2n, "late")],
      5n,
      { orders: 4, rejected: 3, reasons: [["twice", 2], ["late", 1]], seen: 9n },
    ],
  ]) {
    assert.deepEqual(since(newest, seen), expected);
  }
});

test("the most frequent reasons are named", () => {
  assert.equal(words([]), "");
  assert.equal(words([["late", 2]]), '2 for "late"');
  const many = [["a", 4], ["b", 3], ["c", 2], ["d", 1], ["e", 1]];
  assert.equal(words(many), '4 for "a", 3 for "b", 2 for "c", 2 other reasons');
});

test("what is saved is loaded and anything else is nothing", () => {
  const look = { seen: 1_795_628_474_506_983_089n };
  assert.deepEqual(load(save(look)), look);
  for (const text of ["", "x", "[1]", "null", '{"seen": "x"}', '{"seen": 1.5}', "{}"]) {
    assert.equal(load(new TextEncoder().encode(text)), undefined, text);
  }
});
