// Routes about what is wrong: doctor as one document or with its progress, and the test of the ways to an eIM.
import { nonEmpty, optional, picklist, pipe, strictObject, string } from "valibot";
import { SimwardError } from "../../base/errors.ts";
import type { DoctorMode, DoctorProgress, DoctorReport } from "./doctor-types.ts";
import { type Route, route } from "./route.ts";
import type { Role } from "./types.ts";

const mode = strictObject({ mode: optional(picklist(["fast", "full", "factory"]), "full") });

export const doctorRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/doctor",
    access: "viewer",
    summary:
      "Looks at everything and says what is wrong, why, and what to do; docs/doctor.md has the checks. `mode=fast` sends nothing over the network, " +
      "`mode=factory` is the production line's; the others need `engineer.sock`, since they cost data and the card's time. Who asks while one is " +
      "under way gets that one's answer.",
    answer: "simward/doctor/1",
    example: "mode=fast",
    input: mode,
    run: ({ services, role }, { mode: wanted }) => services.doctor.examine(allowed(role, wanted)),
  }),
  route({
    method: "GET",
    path: "/v1/doctor/lines",
    access: "viewer",
    summary: "The same, a line for each finding as it comes (`simward/doctor-progress/1`), and the report as the last line.",
    answer: "simward/doctor/1",
    example: "mode=fast",
    input: mode,
    lines: ({ services, role }, { mode: wanted }) => linesOf((tell) => services.doctor.examine(allowed(role, wanted), tell)),
  }),
  route({
    method: "POST",
    path: "/v1/eim/test",
    access: "engineer",
    summary:
      "The ways to one eIM, or all: the name found, DTLS or TLS set up, the certificate judged by what is pinned. No package is fetched. " +
      "`EIM_UNKNOWN`, `EIM_NOT_CONFIGURED`; `BUSY` when the card is at work for longer than half a minute.",
    answer: "simward/eim-test/1",
    example: "{}",
    input: strictObject({
      eimId: optional(pipe(string(), nonEmpty("must not be empty"))),
      binding: optional(picklist(["coaps", "https", "https-json"])),
    }),
    run: async ({ services, role, peer }, { eimId, binding }) => {
      await services.auditAdminAct("eim.testAsked", role, peer, { eimId: eimId ?? null });
      return services.doctor.testEim({ eimId, binding });
    },
  }),
];

/** Throws API_FORBIDDEN: whoever only looks must not be able to use up the vehicle's data. */
function allowed(role: Role, wanted: DoctorMode): DoctorMode {
  if (role !== "viewer" || wanted === "fast") return wanted;
  throw new SimwardError("API_FORBIDDEN", { detail: `doctor, mode ${wanted}, needs engineer.sock; mode=fast is for viewers too` });
}

async function* linesOf(examine: (tell: (progress: DoctorProgress) => void) => Promise<DoctorReport>): AsyncIterable<string> {
  const said: DoctorProgress[] = [];
  let wake = (): void => undefined;
  let ended = false;
  const report = examine((progress) => {
    said.push(progress);
    wake();
  }).finally(() => {
    ended = true;
    wake();
  });
  report.catch(() => undefined);
  while (!ended || said.length > 0) {
    const next = said.shift();
    if (next !== undefined) yield JSON.stringify(next);
    else
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (ended || said.length > 0) resolve();
      });
  }
  yield JSON.stringify(await report);
}
