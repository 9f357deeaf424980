// Broken vehicles that a stranger brought: directories and groups that are not, secrets not given, ports that are no module's, a daemon that hangs or is of
// another version. doctor is asked by the command line, and names the cause first.
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { createServer as createHttp } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { expect } from "vitest";
import type { DoctorReport } from "../../agent/api/doctor-types.ts";
import { brokenPrograms, diagnosed } from "../support/broken-programs.ts";
import { until } from "../support/e2e-programs.ts";

const vehicle = brokenPrograms();

const listening = (server: Server, at: string | undefined): Promise<void> =>
  new Promise((resolve) => (at === undefined ? server.listen(0, "127.0.0.1", resolve) : server.listen(at, resolve)));

/** A port that says this, again after each line that it hears. */
async function portThatSays(octets: string | Buffer): Promise<{ readonly address: string; close(): void }> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.write(octets);
    socket.on("data", () => socket.write(octets));
  });
  await listening(server, undefined);
  return { address: `tcp:127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

vehicle("the state directory is a link to what is not mounted, or is a file", async (bench) => {
  const config = await bench.config("tcp:127.0.0.1:9");
  await symlink(join(bench.dir, "unmounted", "state"), join(bench.dir, "state"));
  expect((await bench.run("simwardd", "--config", config)).code).toBe(1);
  expect((await diagnosed(bench, config, "state-directory", /symbolic link to .*unmounted/)).level).toBe("fail");

  await writeFile(join(bench.dir, "file"), "");
  const other = await bench.config("tcp:127.0.0.1:9", "", { state: "file" });
  await diagnosed(bench, other, "state-directory", /file is not a directory/);
});

vehicle("the sockets cannot be made: a file stands there, or a group is missing", async (bench) => {
  await writeFile(join(bench.dir, "run"), "");
  const config = await bench.config("tcp:127.0.0.1:9");
  expect((await bench.run("simwardd", "--config", config)).code).toBe(2);
  await diagnosed(bench, config, "api-sockets", /run is not a directory/);
  expect(await bench.simward("status")).toMatchObject({ code: 4, stderr: expect.stringContaining("API_NOT_RUNNING") });

  await writeFile(config, `[modem]\naddress = "tcp:127.0.0.1:9"\n[api]\ndir = "${bench.dir}/other"\nviewer_group = "no-such-group"\n`);
  await diagnosed(bench, config, "api-sockets", /no group no-such-group/);
});

vehicle("a password that the unit does not load: not the APN is at fault", async (bench) => {
  const sim = await bench.sim("--modem", "tcp");
  const config = join(bench.dir, "c.toml");
  const apn = '[[apn]]\nname = "bootstrap.iot"\nauth = "chap"\nuser = "u"\npassword_credential = "apn-fleet"\n';
  const places = `[api]\ndir = "${bench.dir}/run"\n[paths]\nstate = "${bench.dir}/state"\n`;
  await writeFile(config, `[modem]\naddress = "tcp:${sim.ready.modem.tcp}"\n${apn}${places}`);
  await bench.daemon(config);
  expect((await diagnosed(bench, config, "credentials", /bootstrap\.iot needs a secret/)).mend).toContain("LoadCredential=apn-fleet:");
});

vehicle("ports that are no module's AT port: said by what speaks there", async (bench) => {
  const nmea = await portThatSays("$GPRMC,092750.000,A,5321.6802,N,00630.3372,W,0.02,31.66,280511,,,A*43\r\n");
  const refusing = await portThatSays("\r\nERROR\r\n");
  try {
    for (const [port, place, words] of [
      [nmea, "a", /GNSS/],
      [refusing, "b", /ERROR to everything/],
    ] as const) {
      const config = await bench.config(port.address, "", { state: place });
      const daemon = await bench.daemon(config);
      await diagnosed(bench, config, "module-answers", words);
      daemon.child.kill("SIGKILL");
      await daemon.ended;
    }
  } finally {
    nmea.close();
    refusing.close();
  }
});

vehicle("a family that the module is not", async (bench) => {
  const sim = await bench.sim("--modem", "tcp", "--personality", "quectel-eg25");
  const config = join(bench.dir, "c.toml");
  const places = `[api]\ndir = "${bench.dir}/run"\n[paths]\nstate = "${bench.dir}/state"\n`;
  await writeFile(config, `[modem]\naddress = "tcp:${sim.ready.modem.tcp}"\nfamily = "ublox-sara-r5"\n${places}`);
  await bench.daemon(config);
  await until(
    async () => JSON.parse((await bench.simward("doctor", "--fast", "--json")).stdout.trim().split("\n").at(-1) ?? "") as DoctorReport,
    ({ findings }) => findings.some(({ check, cause = "" }) => check === "module-family" && /driven as ublox-sara-r5/.test(cause)),
  );
});

vehicle("a daemon that hangs: doctor does not", async (bench) => {
  const sim = await bench.sim("--modem", "tcp");
  const config = await bench.config(`tcp:${sim.ready.modem.tcp}`);
  const daemon = await bench.daemon(config);
  daemon.child.kill("SIGSTOP");
  expect((await diagnosed(bench, config, "daemon", /runs and does not answer/)).mend).toContain("systemctl restart simwardd");
});

vehicle("a daemon of another version: said so, and nothing of an error of our own", async (bench) => {
  await mkdir(join(bench.dir, "run"));
  const server = createHttp((request, response) => {
    response.statusCode = request.url === "/v1/status" ? 200 : 404;
    response.end(JSON.stringify(request.url === "/v1/status" ? { schema: "simward/status/1", version: "0.0.1" } : {}));
  });
  await listening(server, join(bench.dir, "run", "viewer.sock"));
  try {
    const { code, stderr } = await bench.simward("status");
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(/API_RESPONSE.*simwardd 0\.0\.1/) });
    expect(JSON.parse((await bench.simward("status", "--json")).stdout)).toMatchObject({ version: "0.0.1" });
    const config = await bench.config("tcp:127.0.0.1:9");
    await diagnosed(bench, config, "daemon", /another version/);
  } finally {
    server.close();
  }
});
