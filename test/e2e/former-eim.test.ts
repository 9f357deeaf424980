// An eIM of SGP.32 v1.0 and the whole agent: the configuration says so of that eIM, and everything works as with one of v1.2.
import { describe, expect } from "vitest";
import { bootstrap, fleet, scenario } from "../support/e2e.ts";

const peer = (binding: string): string => `[[eim.peer]]\neim_id = "eim.example.com"\nbinding = "${binding}"\nesipa_version = "1.0"\n`;

describe.each(["coaps", "https"])("an eIM of v1.0 over %s", (binding) => {
  scenario("data, download, enable", {
    esipaVersion: "1.0",
    config: peer(binding),
    async run({ order, download, enable, poll, enabled, installed, notified, vehicle }) {
      const data = order({ kind: "ipaEuiccData", tags: ["A0", "81", "BF20", "BF22", "A5", "A6", "A8"] });
      const downloaded = download(fleet);
      expect(await poll()).toEqual({ packages: 2, code: undefined });
      expect([data().state, downloaded().state]).toEqual(["done", "done"]);
      expect(installed()).toEqual([bootstrap.iccid, fleet.iccid]);

      const changed = enable(fleet, { rollback: true });
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      expect([changed().state, enabled()]).toEqual(["done", fleet.iccid]);
      await notified("install", "enable");
      expect(vehicle.euicc.pending()).toEqual({ notifications: [], packageResults: [] });
    },
  });
});
