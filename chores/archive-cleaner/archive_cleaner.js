// The chore: deletes what is archived for too long, and warns of orders that satellites rejected.

import { write } from "chore:peer/log@0.1.0";
import { count } from "chore:peer/metrics@0.1.0";
import { cleanArchive, listArchived } from "chore:peer/orders-sync@0.1.0";
import { get } from "chore:peer/settings@0.1.0";
import { load as loadState, save as saveState } from "chore:peer/state-sync@0.1.0";

import { cutoff, duration, load, save, since, words } from "./archive.js";

const SECOND = 1_000_000_000n;

/** How many of the newest orders a run looks at: a few MB at most. */
const LOOKED_AT = 1000;

const descriptor = {
  name: "archive-cleaner",
  version: "0.1.0",
  about: "Deletes archived orders after a while, and warns if satellites reject orders.",
  cycles: [
    {
      name: "main",
      help: "Looks at what was archived since the last run, then deletes what is old.",
      interval: 300n * SECOND,
      timeout: 60n * SECOND,
      delayStart: false,
    },
  ],
  settings: [
    {
      name: "keep",
      help: "How long an order stays in the archive, if the peer's own archive-ttl is longer.",
      kind: "duration",
      default: "7days",
    },
    {
      name: "warn-at",
      help: "Rejected orders between two runs from which on they are a warning.",
      kind: "integer",
      default: "1",
    },
  ],
  extensions: [],
};

function run() {
  const saved = loadState();
  const before = (saved && load(saved.data)) ?? { seen: 0n };
  const found = since(listArchived(LOOKED_AT), before.seen);
  if (found.rejected > 0) {
    const level = found.rejected >= Number(get("warn-at")) ? "warn" : "info";
    const message = `${found.rejected} of ${found.orders} orders rejected: ${words(found.reasons)}`;
    write(level, message, []);
  }
  const now = BigInt(Date.now()) * 1_000_000n;
  const deleted = cleanArchive(cutoff(now, duration(get("keep"))));
  count("archive_deleted_total", [], deleted);
  write("info", "archive cleaned", [{ key: "deleted", value: String(deleted) }]);
  saveState(save(found));
}

/** An error of the host has a payload; what a call throws must be a text, its failure. */
function told(err) {
  return err?.payload?.message ?? (err instanceof Error ? err.message : String(err));
}

function answering(call) {
  return (...given) => {
    try {
      call(...given);
    } catch (err) {
      throw told(err);
    }
  };
}

export const lifecycleSync = {
  describe: () => descriptor,
  open: () => {},
  run: answering(run),
  close: () => {},
};
