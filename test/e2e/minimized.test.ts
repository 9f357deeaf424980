// minimizeEsipaBytes through the whole agent: the eIM asks what it needs to know, the next download comes in compact forms, whatever the eIM is reached by.
import { describe, expect } from "vitest";
import { bootstrap, fleet, scenario, second } from "../support/e2e.ts";

const config = (binding: string): string =>
  `[rsp]\neim_features = ["minimizeEsipaBytes"]\n[[eim.peer]]\neim_id = "eim.example.com"\nbinding = "${binding}"\nminimize_esipa_bytes = true\n`;

describe.each(["coaps", "https", "https-json"])("minimizeEsipaBytes over %s", (binding) => {
  scenario("download and enable; full forms before the eIM has asked, compact ones after", {
    config: config(binding),
    async run(world) {
      const { order, poll, download, enable, enabled, installed, eim, notified, vehicle } = world;
      const bytes = { up: 0, down: 0 };
      eim.onEvent(({ type, requestBytes, responseBytes, function: name }) => {
        if (type !== "esipa" || name === "getBoundProfilePackage") return;
        bytes.up += Number(requestBytes);
        bytes.down += Number(responseBytes);
      });
      const taken = (): number => {
        const sum = bytes.up + bytes.down;
        Object.assign(bytes, { up: 0, down: 0 });
        return sum;
      };
      const first = download(second);
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      const full = taken();
      order({ kind: "ipaEuiccData", tags: ["A8", "A5", "A6", "BF20", "BF22"] });
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      taken();
      const other = download(fleet);
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      const compact = taken();
      expect([first().state, other().state]).toEqual(["done", "done"]);
      expect(installed()).toEqual([bootstrap.iccid, second.iccid, fleet.iccid]);
      expect(compact / full).toBeLessThanOrEqual(0.65);

      const changed = enable(fleet, { rollback: true });
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      expect([changed().state, enabled()]).toEqual(["done", fleet.iccid]);
      await notified("install", "install", "enable");
      expect(vehicle.euicc.pending()).toEqual({ notifications: [], packageResults: [] });
    },
  });
});
