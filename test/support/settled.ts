// What differs from one run of the virtual vehicle to the next, made the same: times, durations, ports, hashes, counters. Field by field, so that all
// else is compared as it is.

const time = "2026-06-01T12:00:00.000Z";
const hash = "5eed".repeat(16);

/** By the end of a field's name; the first that fits counts. */
const numbers: readonly (readonly [RegExp, number])[] = [
  [/^(seq|id|pid|records|segment|counter|checkpoints|firstSeq|seqNumber)$/, 7],
  [/^uid$/, 0],
  [/^port$/, 5_684],
  [/^seconds$|Seconds$/, 60],
  [/^(memoryBytes|diskBytes|freeBytes|totalBytes|free\w*|total\w*|entries|nextSeq|after)$/, 7_000],
  [/Ms$|^ms$/, 1_000],
  [/Dbm$/, -97],
  [/Db$/, 12],
  [/^(sentBytes|receivedBytes|usedBytes|bytes|octets|size\w*|\w*BytesUsed)$/, 1_024],
  [/[bB]itsPerSecond$/, 100_000],
];

const texts: readonly (readonly [RegExp, string])[] = [
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, time],
  [/\b[0-9a-f]{64}\b/g, hash],
  [/\b(?=\d*[a-f])[0-9a-f]{32}\b/g, "5eed".repeat(8)],
  [/\b[0-9A-F]{40}\b/g, "5EED".repeat(10)],
  [/\b\d+ MiB of \d+ MiB/g, "77000 MiB of 258000 MiB"],
  [/\b10\.50\.\d+\.\d+\b/g, "10.50.0.1"],
  [/\b\d\d\/\d\d\/\d\d,\d\d:\d\d:\d\d/g, "26/06/01,12:00:00"],
  [/(\+CE?SQ: )[\d,]+/g, "$199,99"],
  [/\blocalhost:\d{2,5}\b/g, "localhost:5684"],
  [/-----BEGIN PUBLIC KEY-----[\s\S]*?-----END PUBLIC KEY-----/g, "-----BEGIN PUBLIC KEY-----\nkey\n-----END PUBLIC KEY-----"],
  [/\b127\.0\.0\.1:\d{2,5}\b/g, "127.0.0.1:5684"],
  [/\bin \d+(\.\d+)? (ms|s|min|h)\b/g, "in 1.0 s"],
  [/\/tmp\/simward-[\w-]+/g, "/tmp/simward"],
  [/\b\d+ ms\b/g, "1000 ms"],
  [/\bapi-[0-9a-f]{4}-\d+\b/g, "t-1"],
  [/\bbug-[0-9a-f]{4}(-[0-9a-f]{4})+\b/g, "bug-5eed-5eed-5eed"],
  [/(?<=[?#](?:token=)?)[\w-]{43}(?![\w-])/g, "5eed"],
  [/\bCI [0-9A-F]{8}…/g, "CI 5EED5EED…"],
  [/\bcertificate [0-9a-f]{16}\b/g, "certificate 5eed5eed5eed5eed"],
  [/\bmid \d+ token [0-9A-Fa-f]+/g, "mid 7 token 5eed"],
  [/\bepoch (\d+) seq \d+ length \d+/g, "epoch $1 seq 7 length 7"],
  [/\b\d+ records, seq 1 to \d+, head\b/g, "7 records, seq 1 to 7, head"],
  [/\b\d+ checkpoints, the last at seq \d+/g, "7 checkpoints, the last at seq 7"],
  [/\b\d+(?=:(?:5eed){16}\b)/g, "7"],
  [/\b\d+ KiB\b/g, "7 KiB"],
  // A package, signed.
  [/\bBF4E[0-9A-F]{100,}\b/g, "BF4E5EED"],
];

const textFields: Readonly<Record<string, string>> = {
  serial: "0A0B0C",
  challenge: "c0ffee".repeat(5),
  traceId: "t-1",
  ref: "t-1",
  cause: "operator:0",
  sha256: hash,
  // Another test reads it.
  script: "# bash completion",
};

export function settled(value: unknown, name = ""): unknown {
  if (/^(fleet|management)Bytes$/.test(name)) return value === 0 ? 0 : 1_024;
  if (typeof value === "number") return numbers.find(([pattern]) => pattern.test(name))?.[1] ?? value;
  if (typeof value === "string") {
    const fixed = name === "cause" && !value.startsWith("operator:") ? undefined : textFields[name];
    return fixed ?? texts.reduce((text, [pattern, to]) => text.replace(pattern, to), value);
  }
  if (Array.isArray(value)) return value.map((item) => settled(item, name));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, settled(item, key)]));
}

export const settledText = (text: string): string => String(settled(text));
