// Somebody else's card in the module's slot, over vpcd and over HTTP: the real agent does the demo's main job with it.
import { describe, expect, test } from "vitest";
import { createCard } from "../../../hw-sim/card.ts";
import { inDirectory, mainJob, rheinfunk, timeLapse, withAgent } from "./fleet.ts";

const loopback = "127.0.0.1";

describe("download and enable with an external card", () => {
  test("over HTTP", () =>
    inDirectory(async (pkiDir) => {
      const { clock, stop } = timeLapse();
      const card = await createCard({ clock, pkiDir, services: [{ kind: "http", host: loopback, port: 0 }] });
      const url = card.ready.services[0]?.replace("http:", "") ?? "";
      await withAgent(clock, { pkiDir, card: { kind: "http", url } }, async (fleet) => {
        expect(fleet.vehicle.ready).toMatchObject({ card: url, eid: card.ready.eid });
        expect(() => fleet.vehicle.euicc).toThrow(expect.objectContaining({ code: "SIM_OPTION" }));
        await mainJob(fleet);
      });
      expect(card.euicc.profiles()).toMatchObject([{ state: "disabled" }, { iccid: rheinfunk, state: "enabled" }]);
      expect(card.euicc.eims()).toEqual(["eim.example.com"]);
      expect(card.euicc.pending()).toEqual({ notifications: [], packageResults: [] });
      await card.close();
      stop();
    }));

  // shows: a8.vpcd
  test("over vpcd, the card inserted when all is running", () =>
    inDirectory(async (pkiDir) => {
      const { clock, stop } = timeLapse();
      let close = async (): Promise<void> => {};
      await withAgent(
        clock,
        { pkiDir, card: { kind: "vpcd", host: loopback, port: 0 } },
        async (fleet) => {
          await mainJob(fleet);
        },
        async (vehicle) => {
          expect(vehicle.ready.eid).toBeNull();
          const port = Number(vehicle.ready.card?.split(":")[1]);
          const card = await createCard({ clock, pkiDir, services: [{ kind: "vpcd", host: loopback, port }] });
          close = () => card.close();
        },
      );
      await close();
      stop();
    }));
});

test("the built-in card serves a guest beside the module, which loses nothing by the guest's reset", async () => {
  const { clock, stop } = timeLapse();
  await withAgent(clock, { services: [{ kind: "http", host: loopback, port: 0 }] }, async (fleet) => {
    const [service = ""] = fleet.vehicle.ready.cardServices;
    const url = service.replace("http:", "");
    const ask = async (path: string, body: object): Promise<unknown> =>
      (await fetch(new URL(path, url), { method: "POST", body: JSON.stringify(body) })).json();
    expect(await ask("apdu", { apdu: "0070000001" })).toMatchObject({ sw1: 0x90 });
    expect(await ask("reset", {})).toMatchObject({ atr: expect.stringMatching(/^3B/) });
    await mainJob(fleet);
    expect(fleet.vehicle.ready.card).toBeNull();
  });
  stop();
});

test("a vehicle whose HTTP card is not there yet starts without one, and finds it when it comes", () =>
  inDirectory(async (pkiDir) => {
    const { clock, stop } = timeLapse();
    const first = await createCard({ clock, pkiDir, services: [{ kind: "http", host: loopback, port: 0 }] });
    const url = first.ready.services[0]?.replace("http:", "") ?? "";
    const port = Number(new URL(url).port);
    await first.close();
    let close = async (): Promise<void> => {};
    await withAgent(clock, { pkiDir, card: { kind: "http", url } }, mainJob, async (vehicle) => {
      expect(vehicle.ready.eid).toBeNull();
      const card = await createCard({ clock, pkiDir, services: [{ kind: "http", host: loopback, port }] });
      close = () => card.close();
    });
    await close();
    stop();
  }));
