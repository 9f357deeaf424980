// Which of several names somebody may have meant: a verb, a setting. Pure.

/** No name is as long; comparing takes the product of both lengths. */
const longest = 100;

/** The nearest name by edits, or the one that ends with what was typed; undefined when nothing is near. */
export function nearest(typed: string, names: readonly string[]): string | undefined {
  const words = typed.toLowerCase().trim();
  if (words === "" || words.length > longest) return undefined;
  const byEnd = names.filter((name) => name.split(" ").at(-1) === words);
  if (byEnd.length === 1) return byEnd[0];
  const ranked = names
    .map((name) => ({ name, distance: edits(words, name) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.floor(name.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.name;
}

/** Insertions, removals, replacements, and neighbours that changed places. */
function edits(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const above = rows[i - 1] ?? [];
      const same = a[i - 1] === b[j - 1];
      let least = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}
