// The command line within the test's process: what it wrote, and with which code it ended.
import { runCli } from "../../agent/cli/main.ts";

export interface CapturedRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Against the API's sockets in `apiDir`; not on a terminal. */
export async function capturedCli(apiDir: string, args: readonly string[]): Promise<CapturedRun> {
  const said = { stdout: "", stderr: "" };
  const code = await runCli(args, {
    stdout: (text) => {
      said.stdout += text;
    },
    stderr: (text) => {
      said.stderr += text;
    },
    columns: undefined,
    env: { SIMWARD_API_DIR: apiDir },
    signal: new AbortController().signal,
  });
  return { code, ...said };
}
