// A rehearsal that has ended: whatever of it still runs, in a timer or behind a promise of somebody else, sends nothing and is not remembered.
import { expect, test } from "vitest";
import { barred, inRehearsal, outOfRehearsal, Rehearsal, rehearsal } from "../../base/rehearsal.ts";

const command = { interface: "at", line: "AT+CFUN=1,1" } as const;

test("what comes behind its end is refused and not kept", () => {
  for (const end of [(going: Rehearsal) => going.over(), (going: Rehearsal) => expect(() => going.end()).toThrow()]) {
    const going = new Rehearsal();
    going.note(command);
    end(going);
    expect(() => going.note(command)).toThrow(expect.objectContaining({ code: "ABORTED" }));
    expect([going.commands, going.signal.aborted]).toEqual([[command], true]);
  }
});

test("work that is everybody's is none of it, and the rehearsal goes on behind it", async () => {
  const going = new Rehearsal();
  await inRehearsal(going, async () => {
    const seen = await outOfRehearsal(async () => {
      await Promise.resolve();
      return rehearsal();
    });
    expect([seen, rehearsal()]).toEqual([undefined, going]);
  });
  expect(rehearsal()).toBeUndefined();
});

test("what is barred ends it, however deep it is asked", () => {
  const going = new Rehearsal();
  const services = barred<{ readonly trust: { readonly install: (keys: string) => void } }>(going);
  expect(() => services.trust.install("keys")).toThrow(expect.objectContaining({ code: "ABORTED" }));
  expect(going.signal.aborted).toBe(true);
});
