// The main job, end to end: the eIM orders a download and then the change to the new profile; the vehicle does both and reports.
import { describe, expect } from "vitest";
import { bootstrap, fleet, type Given, scenario } from "../support/e2e.ts";

const ways: readonly (Pick<Given, "port" | "binding"> & { readonly name: string })[] = [
  { name: "CoAP over DTLS, module on a pty", binding: "coaps", port: "pty" },
  { name: "CoAP over DTLS, module on tcp", binding: "coaps", port: "tcp" },
  { name: "HTTPS, module on a unix socket", binding: "https", port: "unix" },
];

describe("download by activation code, then enable with the rollback flag", () => {
  for (const { name, ...way } of ways)
    scenario(name, {
      ...way,
      async run({ download, enable, poll, enabled, installed, modem, eim, vehicle, status, audit, esipa, notified }) {
        const downloaded = download(fleet);
        expect(await poll()).toEqual({ packages: 1, code: undefined });
        expect(downloaded()).toMatchObject({
          state: "done",
          deliveries: 1,
          results: [{ kind: "profileInstallationResult", verified: true }],
        });
        expect(installed()).toEqual([bootstrap.iccid, fleet.iccid]);
        expect(enabled()).toBe(bootstrap.iccid);

        const changed = enable(fleet, { rollback: true });
        expect(await poll()).toEqual({ packages: 1, code: undefined });
        expect(changed()).toMatchObject({ state: "done", deliveries: 1 });
        expect(enabled()).toBe(fleet.iccid);
        expect([await modem.iccid(), await modem.imsi()]).toEqual([fleet.iccid, fleet.imsi]);
        expect(await status()).toMatchObject({
          network: { registration: "home", plmn: "26299", apn: "fleet.rheinfunk", address: expect.stringMatching(/^10\./) },
          profiles: [
            { iccid: bootstrap.iccid, state: "disabled" },
            { iccid: fleet.iccid, state: "enabled" },
          ],
          pending: { notifications: 0, packageResults: 0 },
        });

        expect(eim.results()).toMatchObject([{ verified: true, counterValue: 1, commands: [{ kind: "enableResult", value: "ok" }] }]);
        await notified("install", "enable");
        expect(vehicle.euicc.pending()).toEqual({ notifications: [], packageResults: [] });
        expect(esipa()).toEqual([
          ...["getEimPackage", "initiateAuthentication", "authenticateClient", "getBoundProfilePackage", "handleNotification"],
          ...["getEimPackage", "getEimPackage", "provideEimPackageResult", "getEimPackage"],
        ]);
        const events = await audit.events();
        // The module loses its path when the card announces the change; the IPA reads the result meanwhile. Neither waits for the other.
        const down = events.indexOf("path.down");
        expect(events.filter((event) => event === "path.down")).toHaveLength(1);
        expect(events.lastIndexOf("package.received")).toBeLessThan(down);
        expect(down).toBeLessThan(events.indexOf("module.cardAdopted"));
        expect(events.toSpliced(down, 1)).toEqual([
          ...["daemon.started", "apn.applied", "path.up"],
          ...["package.received", "download.started", "download.metadata", "download.finished", "notification.delivered"],
          ...["package.received", "package.executed", "profile.enabled", "module.cardAdopted", "apn.applied", "path.up"],
          ...["profile.online", "package.reported"],
        ]);
      },
    });
});
