// The scripts of simward completion in the shells themselves.
import { execFile } from "node:child_process";
import { describe, expect, test } from "vitest";
import { completionFor } from "../../../agent/cli/completion.ts";
import { loadVerbs } from "../../../agent/cli/verbs/table.ts";
import { need, program } from "../../support/programs.ts";

const verbs = await loadVerbs();
const shells = { bash: program("bash"), zsh: program("zsh"), fish: program("fish") };

function run(shell: string, script: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const child = execFile("bash", ["-c", shell === "fish" ? "cat | fish --no-config" : `exec ${shell} -s`], (error, stdout, stderr) =>
      error === null && stderr === ""
        ? resolve(stdout.split("\n").filter((line) => line !== ""))
        : reject(new Error(stderr || String(error))),
    );
    child.stdin?.end(script);
  });
}

/** What bash would offer for the last word of a line. */
function offered(...words: readonly string[]): Promise<readonly string[]> {
  const typed = ["simward", ...words].map((word) => `'${word}'`).join(" ");
  return run(
    "bash",
    `${completionFor("bash", verbs)}\nCOMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _simward; printf '%s\\n' "\${COMPREPLY[@]}"\n`,
  );
}

describe("bash", () => {
  test("offers nouns, then verbs, then what a verb takes", async (context) => {
    need(context, shells.bash);
    expect(await offered("sta")).toEqual(["status"]);
    expect(await offered("")).toEqual(expect.arrayContaining(["status", "profile", "audit", "completion"]));
    expect(await offered("profile", "")).toEqual(expect.arrayContaining(["list", "enable", "fallback"]));
    expect(await offered("profile", "fallback", "")).toEqual(expect.arrayContaining(["exec", "return", "set", "unset"]));
    expect(await offered("completion", "")).toEqual(["bash", "zsh", "fish"]);
  });

  test("offers the verb's own options and those of all, also behind an argument", async (context) => {
    need(context, shells.bash);
    expect(await offered("profile", "delete", "--")).toEqual(expect.arrayContaining(["--yes", "--reason", "--json"]));
    expect(await offered("profile", "delete", "8946", "--y")).toEqual(["--yes"]);
    expect(await offered("status", "--y")).toEqual([]);
  });

  test("what stands behind an option with a value is no word of the verb", async (context) => {
    need(context, shells.bash);
    expect(await offered("--socket", "/run/x", "audit", "v")).toEqual(["verify"]);
    expect(await offered("audit", "--timeout", "60s", "v")).toEqual(["verify"]);
  });

  test("every verb of the table is reached word by word", async (context) => {
    need(context, shells.bash);
    const lines = verbs.flatMap(({ name }) => {
      const words = name.split(" ");
      return words.map((_, i) => {
        const typed = ["simward", ...words.slice(0, i), ""].map((word) => `'${word}'`).join(" ");
        return `COMP_WORDS=(${typed}); COMP_CWORD=${i + 1}; _simward; case " \${COMPREPLY[*]} " in *' ${words[i]} '*) ;; *) echo '${name}' ;; esac`;
      });
    });
    expect(await run("bash", `${completionFor("bash", verbs)}\n${lines.join("\n")}\n`)).toEqual([]);
  });
});

describe("zsh", () => {
  test("offers the same", async (context) => {
    need(context, shells.zsh);
    const script = `${completionFor("zsh", verbs)}\ncompadd() { shift; print -l -- "$@" }\nwords=(simward profile fallback ''); CURRENT=4; _simward\n`;
    expect(await run("zsh", script)).toEqual(expect.arrayContaining(["exec", "return"]));
  });
});

describe("fish", () => {
  test("offers the same", async (context) => {
    need(context, shells.fish);
    const said = await run("fish", `${completionFor("fish", verbs)}\ncomplete -C 'simward profile fallback '\n`);
    expect(said.map((line) => line.split("\t")[0])).toEqual(expect.arrayContaining(["exec", "return"]));
  });
});
