// Commands of a page, as they stand there: the shell block behind the mark `<!-- run: NAME -->`, run with bash in a directory.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function runBlock(page: string, name: string, cwd: string, env: Readonly<Record<string, string>> = {}): Promise<Said> {
  const text = readFileSync(page, "utf8");
  const block = new RegExp(`<!-- run: ${name} -->\\n\`\`\`sh\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1];
  if (block === undefined) throw new Error(`${page} has no block ${name}`);
  return new Promise((resolve) => {
    execFile("bash", ["-c", `set -e -o pipefail\n${block}`], { cwd, env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
  });
}
