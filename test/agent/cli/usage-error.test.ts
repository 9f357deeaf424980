// A command line that is not valid: it ends with 2 before anything is asked of the daemon, says what is wrong, and names the help of what it was about.
import { describe, expect, test } from "vitest";
import { capturedCli } from "../../support/captured-cli.ts";

/** The socket is never opened. */
const nowhere = "/nowhere";

describe("what to do next is the help of", () => {
  test.each([
    ["net scan extra", "simward net scan --help"],
    ["net scan --frob", "simward net scan --help"],
    ["--wait 5s net register", "simward net register --help"],
    ["profile enable", "simward profile enable --help"],
    ["notif retry now", "simward notif retry --help"],
    ["notif drop seven --force --yes --reason x", "simward notif drop --help"],
    ["usage limit 5qb --reason x", "simward usage limit --help"],
    ["audit tial", "simward audit --help"],
    ["profile fallback sett", "simward profile fallback --help"],
    ["net --frob scan", "simward net --help"],
    ["statos", "simward --help"],
    ["--frob", "simward --help"],
  ])("%s: %s", async (line, next) => {
    const { code, stdout, stderr } = await capturedCli(nowhere, line.split(" "));
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^error USAGE: the command line is not valid: /);
    expect(stderr).toContain(`\n  next: ${next}\n`);
    const help = await capturedCli(nowhere, next.split(" ").slice(1));
    expect([help.code, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toContain(`Usage: ${next.replace(" --help", "")} `);
  });

  test("in JSON too, and as a result where the verb's result is one", async () => {
    const { code, stdout } = await capturedCli(nowhere, ["net", "scan", "extra", "--json"]);
    expect([code, JSON.parse(stdout)]).toMatchObject([2, { type: "result", error: { code: "USAGE", next: "simward net scan --help" } }]);
  });
});
