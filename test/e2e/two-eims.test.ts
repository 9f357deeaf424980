// Two eIMs on one card: each gets what is its own, neither can take away what is the other's, and each hears of what the other did.
import { describe, expect } from "vitest";
import { toHexUpper } from "../../base/bytes.ts";
import type { Eim } from "../../hw-sim/eim/eim.ts";
import { writeTlv } from "../../ipa/asn1/tlv.ts";
import { bootstrap, fleet, scenario, second as secondOffer } from "../support/e2e.ts";
import { addSecondEim, secondEimId } from "../support/e2e-second-eim.ts";

const list = { kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] };
const times = "[eim]\nexchange_timeout_seconds = 20\n";

/** ProvideEimPackageResultResponse that acknowledges these sequence numbers. */
function acknowledging(...numbers: readonly number[]): string {
  return toHexUpper(writeTlv(0xbf50, writeTlv(0xbf53, ...numbers.map((number) => writeTlv(0x80, Uint8Array.of(number))))));
}

function stateChanges(eim: Eim): unknown[] {
  const causes: unknown[] = [];
  eim.onEvent((event) => event.type === "stateChange" && causes.push(event.cause));
  return causes;
}

describe("two eIMs", () => {
  scenario("each is asked, each order is carried out, each result goes to the eIM that ordered", {
    installed: [fleet],
    async run(world) {
      const { order, poll, enable, enabled, eim, audit, status } = world;
      const eim2 = await addSecondEim(world);
      const before = eim.results().length;
      const [mine, theirs] = [enable(fleet, { rollback: true }), order(list, eim2)];
      expect(await poll()).toEqual({ packages: 2, code: undefined });
      expect([mine().state, theirs().state, enabled()]).toEqual(["done", "done", fleet.iccid]);
      expect([eim.results().length - before, eim2.results().length]).toEqual([1, 1]);
      expect((await status()).eims.map(({ eimId }) => eimId)).toEqual([eim.eimId, secondEimId]);
      const causes = (await audit.records()).filter(({ event }) => event === "package.executed").map(({ cause }) => cause);
      expect(causes).toEqual(["eim:eim.example.com", "eim:eim.example.com", `eim:${secondEimId}`]);
    },
  });

  scenario("an acknowledgement of one never removes what is addressed to the other", {
    config: times,
    async run(world) {
      const { order, poll, event, fault, vehicle, audit, eim, until } = world;
      const eim2 = await addSecondEim(world);
      // A result for the first that it does not have yet.
      const waiting = order(list);
      const polling = poll(eim.eimId);
      await event("package.executed", ({ eimId, outcomes }) => eimId === eim.eimId && JSON.stringify(outcomes).includes("listProfileInfo"));
      await fault({ eim: { silentRequests: 1_000 } });
      expect(await polling).toEqual({ packages: 1, code: "ESIPA_UNREACHABLE" });
      const [kept = 0] = vehicle.euicc.pending().packageResults;
      expect(vehicle.euicc.pending().packageResults).toEqual([kept]);

      // The second acknowledges its own result, and everything else it can think of.
      order(list, eim2);
      eim2.onEvent((one) => {
        if (one.type === "esipa" && one.function === "getEimPackage" && eim2.faults.garbage === undefined)
          eim2.faults.garbage = { octets: new Uint8Array(Buffer.from(acknowledging(1, 2, kept, kept + 1, 77), "hex")), times: 1 };
      });
      await poll(secondEimId);
      expect(vehicle.euicc.pending().packageResults).toEqual([kept]);
      expect(await audit.data("acknowledgement.ignored")).toMatchObject({
        eimId: secondEimId,
        seqNumbers: expect.arrayContaining([kept, 77]),
      });

      await fault({ eim: { silentRequests: 0 } });
      await until(waiting, ({ state }) => state === "done");
      expect(eim.results().filter((one) => JSON.stringify(one).includes("listProfileInfo"))).toHaveLength(1);
    },
  });

  scenario("what one did to the profiles the other is told with its next poll, once", {
    installed: [fleet],
    async run(world) {
      const { poll, enable, download, eim } = world;
      const eim2 = await addSecondEim(world);
      const [first, other] = [stateChanges(eim), stateChanges(eim2)];
      enable(fleet, { rollback: true });
      await poll();
      expect([first, other]).toEqual([[], ["otherEim"]]);
      await poll();
      expect([first, other]).toEqual([[], ["otherEim"]]);
      download(secondOffer);
      await poll();
      expect([first, other]).toEqual([[], ["otherEim", "otherEim"]]);
    },
  });

  scenario("one is silent: the other is served all the same, and the state change waits for the one", {
    installed: [fleet],
    config: times,
    async run(world) {
      const { poll, order, fault, eim, enabled } = world;
      const eim2 = await addSecondEim(world);
      const causes = stateChanges(eim);
      await fault({ eim: { silentRequests: 1_000 } });
      const theirs = order({ kind: "euiccPackage", psmos: [{ enable: { iccid: fleet.iccid, rollback: true } }] }, eim2);
      expect(await poll()).toEqual({ packages: 1, code: "ESIPA_UNREACHABLE" });
      expect([theirs().state, enabled(), causes]).toEqual(["done", fleet.iccid, []]);
      await fault({ eim: { silentRequests: 0 } });
      await poll();
      expect(causes).toEqual(["otherEim"]);
    },
  });

  scenario("a rolled back profile is no change: nobody is told", {
    installed: [fleet],
    faults: { vehicle: { "no-coverage": fleet.iccid } },
    config: `${times}online_timeout_seconds = 20\n`,
    async run(world) {
      const { poll, enable, eim, enabled } = world;
      const eim2 = await addSecondEim(world);
      const [first, other] = [stateChanges(eim), stateChanges(eim2)];
      const order = enable(fleet, { rollback: true });
      await poll();
      expect(order()).toMatchObject({ reason: "rolledBack" });
      expect(enabled()).toBe(bootstrap.iccid);
      expect([first, other]).toEqual([[], []]);
    },
  });

  scenario("an eIM that is removed from the card by the other is asked no more", {
    async run(world) {
      const { poll, order, vehicle, status, audit } = world;
      const eim2 = await addSecondEim(world);
      const removed = order({ kind: "euiccPackage", ecos: [{ deleteEim: { eimId: secondEimId } }] });
      const asked: unknown[] = [];
      eim2.onEvent((event) => event.type === "esipa" && asked.push(event.function));
      await poll();
      expect(removed()).toMatchObject({ state: "done" });
      expect(vehicle.euicc.eims()).toEqual(["eim.example.com"]);
      expect((await status()).eims.map(({ eimId }) => eimId)).toEqual(["eim.example.com"]);
      expect(asked).toEqual([]);
      expect(await poll(secondEimId)).toEqual({ packages: 0, code: "EIM_UNKNOWN" });
      expect(await audit.data("eim.changed")).toMatchObject({ eimIds: ["eim.example.com"] });
    },
  });
});
