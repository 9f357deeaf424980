// Ports that are not the module's for AT: another rate, positions, PPP. What doctor says to do is done, word by word, and the vehicle comes online.
import { type AddressInfo, createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DoctorReport, Finding } from "../../agent/api/doctor-types.ts";
import { allPrograms, ProgramBench, until } from "../support/e2e-programs.ts";
import { isRealMend } from "../support/mends.ts";
import { bundlePrograms } from "../support/shipped.ts";

let bundles: Awaited<ReturnType<typeof bundlePrograms>>;
beforeAll(async () => {
  bundles = await bundlePrograms(allPrograms);
});
afterAll(() => bundles.close());

for (const [title, octets, cause, mend] of [
  ["another rate", Buffer.from("e0f8001ce0fc7ef880fe1c00e0f8001ce0fc7ef880fe", "hex"), /another line rate/, /baud=115200/],
  ["positions", Buffer.from("$GPRMC,092750.000,A,5321.6802,N,00630.3372,W,0.02,31.66,280511,,,A*43\r\n"), /GNSS/, /modem list --ask/],
  ["PPP", Buffer.from("7eff7d23c0217d217d217d207d387e", "hex"), /PPP/, /simward modem list/],
] as const)
  test.concurrent(`a port of ${title}: named, and mended`, async () => {
    const bench = await ProgramBench.create(bundles.dir);
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.write(octets);
      socket.on("data", () => socket.write(octets));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const config = await bench.config(`tcp:127.0.0.1:${(server.address() as AddressInfo).port}`);
      const daemon = await bench.daemon(config);
      const examined = async (): Promise<DoctorReport> => {
        const { stdout } = await bench.simward("doctor", "--json", "--config", config);
        return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as DoctorReport;
      };
      const found = ({ findings }: DoctorReport): Finding | undefined => findings.find(({ check }) => check === "module-answers");
      const report = await until(examined, (one) => one.causes[0] === "module-answers" && cause.test(found(one)?.cause ?? ""));
      expect(found(report)).toMatchObject({ level: "fail", mend: expect.stringMatching(mend) });
      expect(isRealMend(found(report)?.mend ?? "")).toBe(true);
      daemon.child.kill("SIGTERM");
      await daemon.ended;

      const sim = await bench.sim("--modem", "pty");
      // "serial:/dev/ttyS1?baud=115200", of this module's port.
      const typed = /serial:\/dev\/\w+(\?\S+?)?(?=[,; ]|$)/.exec(found(report)?.mend ?? "");
      await bench.daemon(await bench.config(`serial:${sim.ready.modem.pty}${typed?.[1] ?? ""}`));
      await bench.online();
      expect(await examined()).toMatchObject({ verdict: "pass" });
    } finally {
      server.close();
      await bench.close();
    }
  });
