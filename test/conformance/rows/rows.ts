// All rows of docs/conformance.md in their order, by subject.
import { cardRows } from "./a-card.ts";
import { es10Rows } from "./b-es10.ts";
import { packageRows } from "./c-packages.ts";
import { codeRows } from "./codes.ts";
import { esipaRows } from "./d-esipa.ts";
import { procedureRows } from "./e-procedures.ts";
import { es9Rows } from "./es9.ts";
import { compactRows } from "./f-compact.ts";
import { fieldRows } from "./g-field.ts";
import type { Group, Row } from "./row.ts";

export const parts: readonly { readonly heading: string; readonly groups: readonly Group[] }[] = [
  { heading: "The card", groups: cardRows },
  { heading: "ES10", groups: es10Rows },
  { heading: "eUICC packages", groups: packageRows },
  { heading: "ESipa", groups: esipaRows },
  { heading: "Procedures", groups: procedureRows },
  { heading: "Compact messages", groups: compactRows },
  { heading: "The field", groups: fieldRows },
  { heading: "Result codes", groups: [...codeRows, ...es9Rows] },
];

export const rows: readonly Row[] = parts.flatMap(({ groups }) => groups.flatMap((group) => group.rows));
