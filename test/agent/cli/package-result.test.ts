// What `package last` says came of a package, by the records that the audit trail has of it.
import { expect, test } from "vitest";
import { resultOf } from "../../../agent/cli/verbs/package-show.ts";

test.each([
  ["nothing yet", [], "under way"],
  ["only received", [["package.received"]], "under way"],
  ["a package that the card carried out, reported", [["package.executed", "euiccPackageResultSigned"], ["package.reported"]], "done"],
  ["one that the card refused, reported", [["package.executed", "euiccPackageErrorSigned"], ["package.reported"]], "failed"],
  ["one that nobody could read", [["package.malformed"]], "failed"],
  ["a download", [["download.started"], ["download.finished"], ["package.reported"]], "done"],
  ["a download that failed, reported", [["download.started"], ["download.failed"], ["package.reported"]], "failed"],
  ["one that failed, and was begun anew", [["download.failed"], ["download.started"], ["download.finished"], ["package.reported"]], "done"],
] as const)("%s", (_what, records, result) => {
  expect(resultOf(records.map(([event, said]) => ({ event, ...(said === undefined ? {} : { data: { result: said } }) })))).toBe(result);
});
