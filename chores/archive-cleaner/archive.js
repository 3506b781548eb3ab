// What becomes of an archive, and what is worth a word about it. It knows no peer, so that it is
// tested by any Node.js. Times are nanoseconds and BigInt.

const SECOND = 1_000_000_000n;
const HOUR = 3600n * SECOND;
const DAY = 24n * HOUR;

const UNITS = new Map([
  [["ns"], 1n],
  [["us", "µs"], 1_000n],
  [["ms"], 1_000_000n],
  [["s", "sec", "secs", "second", "seconds"], SECOND],
  [["m", "min", "mins", "minute", "minutes"], 60n * SECOND],
  [["h", "hour", "hours"], HOUR],
  [["d", "day", "days"], DAY],
  [["w", "week", "weeks"], 7n * DAY],
].flatMap(([names, nanos]) => names.map((name) => [name, nanos])));

/** A setting of the kind duration, which the peer has checked: "7days", "1h 30m", "1.5h". */
export function duration(text) {
  let nanos = 0n;
  for (const [, whole, fraction = "", unit] of text.matchAll(/(\d+)(?:\.(\d+))?\s*([a-zµ]+)/g)) {
    const [size, scale] = [UNITS.get(unit), 10n ** BigInt(fraction.length)];
    if (size === undefined) throw new Error(`the duration "${text}" has an unknown unit`);
    nanos += (BigInt(whole + fraction) * size) / scale;
  }
  return nanos;
}

/** What was archived by then goes. Not before 1970: a time has 64 bits, and BigInt has no end. */
export function cutoff(now, keep) {
  return keep < now ? now - keep : 0n;
}

/** A text of an older version or of another chore counts as none. */
export function load(data) {
  try {
    return { seen: BigInt(JSON.parse(new TextDecoder().decode(data)).seen) };
  } catch {
    return undefined;
  }
}

export function save({ seen }) {
  return new TextEncoder().encode(JSON.stringify({ seen: seen.toString() }));
}

/**
 * What was archived since the last look: how many orders, how many of them their satellite rejected,
 * why, the most frequent reason first, and what the next look begins after. `newest` is the newest
 * part of the archive, as `list-archived` has it.
 */
export function since(newest, seen) {
  const fresh = newest.filter((order) => order.archived > seen);
  const rejected = fresh.filter((order) => order.status === "rejected");
  const counts = new Map();
  for (const { reason } of rejected) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const reasons = [...counts].sort(([, a], [, b]) => b - a);
  const last = fresh.reduce((last, order) => (order.archived > last ? order.archived : last), seen);
  return { orders: fresh.length, rejected: rejected.length, reasons, seen: last };
}

/** At most `most` reasons in words, so that a satellite cannot fill the log. */
export function words(reasons, most = 3) {
  const named = reasons.slice(0, most).map(([reason, count]) => `${count} for "${reason}"`);
  const more = reasons.length - named.length;
  return named.concat(more > 0 ? [`${more} other reasons`] : []).join(", ");
}
