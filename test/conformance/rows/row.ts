// What a row of docs/conformance.md is: one thing the standards ask for, under an id that tests name in their tags.
// Rows come in groups that stand in the order of the standards' own subjects: card, ES10, packages, ESipa, procedures, compact messages.

export interface Row {
  /** "es10b.LoadEuiccPackage", "e5.order-expired": what a tag says. */
  readonly id: string;
  /** "SGP.32 §5.9.1" */
  readonly section: string;
  readonly title: string;
}

export interface Group {
  readonly heading: string;
  readonly rows: readonly Row[];
}

/** A title, or a title with a paragraph of its own. */
type Content = string | readonly [title: string, section: string];

/** Rows whose ids are the prefix, a dot and the key. */
export function group(heading: string, prefix: string, section: string, content: Readonly<Record<string, Content>>): Group {
  const rows = Object.entries(content).map(([key, one]): Row => {
    const [title, own] = typeof one === "string" ? [one, section] : one;
    return { id: `${prefix}.${key}`, section: own, title };
  });
  return { heading, rows };
}
