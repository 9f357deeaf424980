// The whole suite: lint, types, then every test. Ends with one line that counts: N passed, N failed, N skipped.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const count = { passed: 0, failed: 0, skipped: 0 };

function step(name, command, args) {
  console.log(`\n== ${name}`);
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  return status === 0;
}

function check(name, command, args) {
  count[step(name, command, args) ? "passed" : "failed"]++;
}

check("lint", "npx", ["biome", "check", "."]);
check("types", "npx", ["tsc", "--noEmit"]);
check("build", "node", ["build.mjs"]);

const dir = mkdtempSync(join(tmpdir(), "simward-test-"));
const report = join(dir, "report.json");
const ended = step("tests", "npx", ["vitest", "run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`]);
if (existsSync(report)) {
  const result = JSON.parse(readFileSync(report, "utf8"));
  count.passed += result.numPassedTests;
  count.failed += result.numFailedTests;
  count.skipped += result.numPendingTests + result.numTodoTests;
  // A file that could not even be loaded holds no failed test, but it failed.
  const broken = result.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.every((one) => one.status !== "failed"),
  );
  count.failed += broken.length;
  const left = result.testResults.flatMap((file) =>
    file.assertionResults.filter((one) => one.status === "pending" || one.status === "skipped").map((one) => one.fullName),
  );
  if (left.length > 0) console.log(`\nleft out:\n${left.map((name) => `  ${name}`).join("\n")}`);
}
if (!ended && count.failed === 0) count.failed++;
rmSync(dir, { recursive: true, force: true });
console.log(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exitCode = count.failed === 0 ? 0 : 1;
