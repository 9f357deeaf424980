// Whether what doctor says to do can be done: every simward command in it is a verb, and it has one, or a program of the system, or an act of a person.
import { verbRows } from "../../agent/cli/verbs/table.ts";

const programs =
  /\b(systemctl|journalctl|timedatectl|df|kill|chown|install|usermod|mount|dmesg|getent|resolvectl|swanctl|date|fuser|lsusb|ls|sudo|findmnt)\b/;
const acts =
  /\b(check|set|add|correct|put|ask|have|switch|take|plan|wait|update|see|nothing|simply|a card for tests|another eUICC|remove|use|give|try|move|compare)\b/i;
const names = new Set(verbRows.flatMap(({ name, also }) => [name, ...also]));

export function isRealMend(mend: string): boolean {
  const verbs = [...mend.matchAll(/\bsimward ((?:[a-z][a-z-]*)(?: [a-z-]+){0,2})/g)].map((match) => match[1] ?? "");
  const isVerb = (words: string): boolean => [1, 2, 3].some((count) => names.has(words.split(" ").slice(0, count).join(" ")));
  if (!verbs.every(isVerb)) return false;
  return verbs.length > 0 || programs.test(mend) || acts.test(mend);
}
