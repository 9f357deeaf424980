// What a role sees that may not see usage: every document of the local API without amounts of data, and without what is said about them. Pure.

/** Amounts of data, wherever they stand. */
const amounts = new Set([
  ...["usedBytes", "limitBytes", "capBytes", "reserveBytes", "forecastBytes", "forgivenBytes", "receivedBytes", "sentBytes"],
  ...["fleetBytes", "managementBytes", "usage", "reachedOn", "stepPercent"],
]);
/** "312 MB", "5000 bytes", and "312 of 500 MB" */
const amountWords = /\b\d[\d.,]*(?: of \d[\d.,]*)? ?(?:bytes|octets|[kMGT]i?B)\b/g;

/** The document as that role gets it; undefined: nothing of it. */
export function withoutUsage(value: unknown): unknown {
  if (typeof value === "string") return value.replace(amountWords, "some data");
  if (Array.isArray(value)) return value.map(withoutUsage).filter((item) => item !== undefined);
  if (typeof value !== "object" || value === null) return value;
  const { rule, code, event, cause, kind, record } = value as Readonly<Record<string, unknown>>;
  if (isAbout(event, "usage.") || isAbout(kind, "usage.") || isAbout(code, "USAGE_") || cause === "policy:usage") return undefined;
  // An alarm of that rule, told as an event.
  if (kind === "alarm" && rule === "usage") return undefined;
  if (record !== undefined && withoutUsage(record) === undefined) return undefined;
  const hidden = rule === "usage" ? new Set([...amounts, "reason", "retryAt", "explain", "verdicts", "actions"]) : amounts;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => {
      if (hidden.has(key)) return [];
      const shown = withoutUsage(item);
      return shown === undefined ? [] : [[key, shown]];
    }),
  );
}

/** The same of a line of JSON whose octets count: whole, or not at all. */
export function lineWithoutUsage(line: string): string | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return JSON.stringify(withoutUsage(value)) === JSON.stringify(value) ? line : undefined;
  } catch {
    return undefined;
  }
}

/** Figures for a monitor, a line each. */
export function textWithoutUsage(text: string): string {
  return text
    .split("\n")
    .filter((line) => !/usage/i.test(line))
    .join("\n");
}

export async function* linesWithoutUsage(lines: AsyncIterable<string>): AsyncIterable<string> {
  for await (const line of lines) {
    const shown = lineWithoutUsage(line);
    if (shown !== undefined) yield shown;
  }
}

function isAbout(value: unknown, beginning: string): boolean {
  return typeof value === "string" && value.startsWith(beginning);
}
