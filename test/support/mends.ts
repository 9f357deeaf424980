// Whether what doctor says to do can be done: every simward command in it is a verb with what it must have, and there is one, or a program of the system, or
// an act of a person.
import { globalOptions } from "../../agent/cli/options.ts";
import { optionsOf, type Verb } from "../../agent/cli/verb.ts";
import { loadVerbs, verbRows } from "../../agent/cli/verbs/table.ts";

const programs =
  /\b(systemctl|journalctl|timedatectl|df|kill|chown|install|usermod|mount|dmesg|getent|resolvectl|swanctl|date|fuser|lsusb|ls|sudo|findmnt)\b/;
const acts =
  /\b(check|set|add|correct|put|ask|have|switch|take|plan|wait|update|see|nothing|simply|a card for tests|another eUICC|remove|use|give|try|move|compare|measure|restore)\b/i;
const verbs = await loadVerbs();
const byName = new Map<string, Verb>();
for (const [at, { name, also }] of verbRows.entries())
  for (const one of [name, ...also]) if (verbs[at] !== undefined) byName.set(one, verbs[at]);
/** Who is not asked by the verb itself has to say why, where its example does. */
const wantsReason = ({ danger, example }: Verb): boolean => danger === undefined && example.includes("--reason");

/** What is wrong with the simward commands of a text, in words; empty: nothing. Prose may follow a command. */
export function faultsOf(text: string): readonly string[] {
  return [...text.matchAll(/\bsimward (?=[a-z])((?:"[^"]*"|[^;,)"])*)/g)].flatMap((match) => faultOf(match[1] ?? "") ?? []);
}

function faultOf(line: string): string | undefined {
  const tokens = [...line.matchAll(/"[^"]*"|\S+/g)].map(([token]) => token.replace(/[.:]$/, ""));
  const count = [3, 2, 1].find((length) => byName.has(tokens.slice(0, length).join(" ")));
  const verb = count === undefined ? undefined : byName.get(tokens.slice(0, count).join(" "));
  if (count === undefined || verb === undefined) return `simward ${line}: no such verb`;
  const options = [...globalOptions, ...optionsOf(verb)];
  const { args = [] } = verb;
  const needed = args.filter(({ optional }) => optional !== true).length;
  const given = new Set<string>();
  let taken = 0;
  for (let at = count; at < tokens.length; at++) {
    const token = tokens[at] ?? "";
    if (token.startsWith("-")) {
      const option = options.find(({ flags }) => flags.split(/[ ,]+/).includes(token));
      if (option === undefined) return `simward ${verb.name} has no ${token}`;
      given.add(token);
      if (option.flags.includes("<")) {
        at++;
        if (tokens[at] === undefined) return `simward ${verb.name} ${token} wants a value`;
      }
    } else if (taken < needed || (taken < args.length && /^[A-Z0-9/"$]/.test(token))) taken++;
    else if (/^[A-Z]*:?[0-9$]/.test(token)) return `simward ${verb.name} takes no ${token}`;
    else break;
  }
  if (taken < needed) return `simward ${verb.name} wants ${args[taken]?.name}`;
  if (wantsReason(verb) && !given.has("--reason")) return `simward ${verb.name} wants --reason`;
  return undefined;
}

export function isRealMend(mend: string): boolean {
  if (faultsOf(mend).length > 0) return false;
  return /\bsimward [a-z]/.test(mend) || programs.test(mend) || acts.test(mend);
}
