// simward completion: the script by which a shell completes simward's words, made from the table of verbs.
import { SimwardError } from "../../../base/errors.ts";
import { completionFor, type Shell, shells } from "../completion.ts";
import { asTyped, type Verb } from "../verb.ts";

export const completion: Verb = {
  name: "completion",
  summary: "the script by which bash, zsh or fish completes simward's words; needs no daemon",
  example: "simward completion bash > /usr/share/bash-completion/completions/simward",
  args: [{ name: "shell", help: shells.join(", "), choices: shells }],
  async run({ out }, { args: [shell = ""] }) {
    if (!(shells as readonly string[]).includes(shell))
      throw new SimwardError("USAGE", { detail: `${asTyped(shell)}: there are ${shells.join(", ")}` });
    // The table names this verb, too.
    const { loadVerbs } = await import("./table.ts");
    const script = completionFor(shell as Shell, await loadVerbs());
    out.result({ schema: "simward/completion/1", shell, script }, () => script.trimEnd(), true);
    return undefined;
  },
};
