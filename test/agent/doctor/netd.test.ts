// What keeps simward-netd from its work is named by its cause, and the mend is for that cause.
import { expect, test } from "vitest";
import { pathChecks } from "../../../agent/doctor/checks/path.ts";
import type { DoctorContext } from "../../../agent/doctor/context.ts";
import { type ErrorCode, SimwardError } from "../../../base/errors.ts";

const check = pathChecks.find(({ name }) => name === "netd");
const diagnosed = (alarms: readonly (readonly [ErrorCode, string])[], answer?: SimwardError) =>
  check?.run(
    {
      running: { net: { mode: "ecm", netd_socket: "/run/simward-netd.sock" } },
      status: async () => ({ network: {}, alarms: alarms.map(([code, detail]) => new SimwardError(code, { detail })) }),
      askNetd: async () => {
        if (answer !== undefined) throw answer;
      },
    } as unknown as DoctorContext,
    new AbortController().signal,
  );

test.each<readonly [string, readonly (readonly [ErrorCode, string])[], RegExp, RegExp]>([
  [
    "it is for another user, and the interface fails for that too",
    [
      ["NETD_ABSENT", "/run/simward-netd.sock: the connection has ended"],
      ["NETD_FORBIDDEN", "uid 990"],
    ],
    /does not serve the daemon's user: uid 990/,
    /SIMWARD_UID=990\/" \/etc\/simward\/netd\.env; systemctl restart simward-netd$/,
  ],
  [
    "its socket is not for the daemon",
    [["NETD_ABSENT", "/run/simward-netd.sock: connect EACCES /run/simward-netd.sock"]],
    /EACCES/,
    /^ls -l \/run\/simward-netd\.sock; systemctl restart simward-netd\.socket/,
  ],
  ["nobody listens", [["NETD_ABSENT", "connect ECONNREFUSED"]], /does not answer/, /^systemctl restart simward-netd\.socket; /],
  ["a program is not installed", [["NETD_PROGRAM", "/usr/sbin/nft"]], /nft/, /install|apt|package/],
])("%s", async (_what, alarms, cause, mend) => {
  expect(await diagnosed(alarms)).toMatchObject({ level: "fail", cause: expect.stringMatching(cause), mend: expect.stringMatching(mend) });
});

test("without an alarm it is asked, and what it says of the user counts; what it says of a verb does not", async () => {
  expect(await diagnosed([], new SimwardError("NETD_FORBIDDEN", { detail: "uid 990" }))).toMatchObject({ level: "fail" });
  expect(await diagnosed([], new SimwardError("NETD_VERB", { detail: "firewall-read" }))).toMatchObject({ level: "pass" });
});
