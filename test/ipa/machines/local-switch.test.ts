// The machine of profile changes that the device orders: every result code of every function, and every point at which a restart may find it.
import { describe, expect, test } from "vitest";
import { decode, type Type } from "../../../ipa/asn1/schema.ts";
import {
  type LocalSwitchEffect,
  type LocalSwitchFunction,
  type LocalSwitchOutcome,
  type LocalSwitchState,
  localSwitches,
  maxLocalSwitchAttempts,
  nextLocalSwitch,
  orderedSwitch,
} from "../../../ipa/machines/local-switch.ts";
import {
  DisableEmergencyProfileResponse,
  EnableEmergencyProfileResponse,
  ExecuteFallbackMechanismResponse,
  ReturnFromFallbackResponse,
} from "../../../ipa/messages/es10.ts";

const a = "89460000000000000012";
const b = "89460000000000000020";
const dos = (effects: readonly LocalSwitchEffect[]): readonly string[] =>
  effects.map((effect) => (effect.do === "tell" ? effect.event.kind : effect.do));

/** SGP.32 §5.9.20 to §5.9.23: every code there is, and what it means for whoever ordered. */
const rows: readonly (readonly [LocalSwitchFunction, string | number, LocalSwitchOutcome])[] = [
  ["executeFallbackMechanism", "profileNotInDisabledState", "already"],
  ["executeFallbackMechanism", "catBusy", "busy"],
  ["executeFallbackMechanism", "fallbackNotAvailable", "unavailable"],
  ["executeFallbackMechanism", "commandError", "unavailable"],
  ["executeFallbackMechanism", "ecallActive", "held"],
  ["executeFallbackMechanism", "undefinedError", "failed"],
  ["returnFromFallback", "catBusy", "busy"],
  ["returnFromFallback", "fallbackNotAvailable", "unavailable"],
  ["returnFromFallback", "commandError", "unavailable"],
  ["returnFromFallback", "undefinedError", "failed"],
  ["enableEmergencyProfile", "profileNotInDisabledState", "already"],
  ["enableEmergencyProfile", "catBusy", "busy"],
  ["enableEmergencyProfile", "ecallNotAvailable", "unavailable"],
  ["enableEmergencyProfile", "undefinedError", "failed"],
  ["disableEmergencyProfile", "profileNotInEnabledState", "already"],
  ["disableEmergencyProfile", "catBusy", "busy"],
  ["disableEmergencyProfile", "undefinedError", "failed"],
];

/** Gives a code so often as it is asked again; answers the last state and effects. */
function refusedWith(fn: LocalSwitchFunction, code: string | number): { readonly state: LocalSwitchState; readonly orders: number } {
  let step = nextLocalSwitch(orderedSwitch(fn, a), { kind: "ordered" });
  for (let orders = 1; ; orders++) {
    step = nextLocalSwitch(step.state, { kind: "answered", code, enabledIccid: a });
    if (!dos(step.effects).includes("order")) {
      expect(dos(step.effects)).toEqual(["profile.switchRefused", "finish"]);
      return { state: step.state, orders };
    }
  }
}

describe("a card that refuses", () => {
  // shows: a7.cat-busy
  test.each(rows)("%s: %s is %s", (fn, code, outcome) => {
    const { state, orders } = refusedWith(fn, code);
    expect(state).toMatchObject({ phase: "done", outcome, code });
    expect(orders).toBe(code === "catBusy" ? maxLocalSwitchAttempts : 1);
  });

  test("the table has every code that the messages have", () => {
    const codes = <T extends object>(fn: LocalSwitchFunction, tag: number, type: Type<T>): void => {
      const named = Array.from({ length: 128 }, (_, code) => {
        const value = decode(type, Uint8Array.of(0xbf, tag, 3, 0x80, 1, code), { name: fn });
        return Object.values(value)[0] as unknown;
      }).filter((name) => typeof name === "string" && name !== "ok");
      expect(Object.keys(localSwitches[fn].codes).sort()).toEqual([...named].sort());
    };
    codes("executeFallbackMechanism", 0x5d, ExecuteFallbackMechanismResponse);
    codes("returnFromFallback", 0x5e, ReturnFromFallbackResponse);
    codes("enableEmergencyProfile", 0x5b, EnableEmergencyProfileResponse);
    codes("disableEmergencyProfile", 0x5c, DisableEmergencyProfileResponse);
  });

  test("a code of a later version has failed; a card of an earlier one has no such way", () => {
    expect(refusedWith("executeFallbackMechanism", 42).state.outcome).toBe("failed");
    expect(refusedWith("executeFallbackMechanism", "ES10_UNSUPPORTED").state.outcome).toBe("unavailable");
  });
});

describe("a card that does it", () => {
  test.each([
    ["executeFallbackMechanism", "profile.fellBack"],
    ["returnFromFallback", "profile.returned"],
    ["enableEmergencyProfile", "profile.emergencyEnabled"],
    ["disableEmergencyProfile", "profile.emergencyDisabled"],
  ] as const)("%s: told, adopted, done", (fn, told) => {
    const ordered = nextLocalSwitch(orderedSwitch(fn, a), { kind: "ordered" });
    expect(ordered.effects).toEqual([{ do: "order", again: false }]);
    const answered = nextLocalSwitch(ordered.state, { kind: "answered", code: "ok", enabledIccid: b });
    expect(dos(answered.effects)).toEqual([told, "adopt"]);
    expect(answered.effects[1]).toEqual({ do: "adopt", iccid: b });
    const adopted = nextLocalSwitch(answered.state, { kind: "adopted", online: false });
    expect(adopted.state).toMatchObject({ phase: "done", outcome: "switched", toIccid: b, online: false });
    expect(dos(adopted.effects)).toEqual(["finish"]);
  });

  test("and says otherwise, or nothing: what it shows decides", () => {
    for (const code of ["undefinedError", "catBusy", "ok"]) {
      const step = nextLocalSwitch(orderedSwitch("executeFallbackMechanism", a), { kind: "answered", code, enabledIccid: b });
      expect(step.state).toMatchObject({ phase: "adopting", toIccid: b });
    }
  });

  test("but says ok and shows what it showed before: it has not", () => {
    expect(refusedWith("returnFromFallback", "ok").state).toMatchObject({ outcome: "failed", code: "ok" });
  });

  test("but shows nothing: asked again, then looked at, then left in the journal to be looked at later", () => {
    let state = orderedSwitch("executeFallbackMechanism", a);
    for (let attempt = 1; attempt < maxLocalSwitchAttempts; attempt++) {
      const step = nextLocalSwitch(state, { kind: "unanswered" });
      expect(step.effects).toEqual([{ do: "order", again: true }]);
      state = step.state;
    }
    const looked = nextLocalSwitch(state, { kind: "answered", code: "ok", enabledIccid: undefined });
    expect(looked.effects).toEqual([{ do: "look" }]);
    const left = nextLocalSwitch(looked.state, { kind: "looked", enabledIccid: undefined });
    expect(left.effects).toEqual([]);
    expect(left.state).toMatchObject({ phase: "ordering", outcome: "failed" });
  });
});

describe("a restart", () => {
  const resumed = (state: LocalSwitchState) => nextLocalSwitch(state, { kind: "resumed" });
  const ordering = orderedSwitch("executeFallbackMechanism", a);

  test("before the card was told, or before it answered: the card is looked at, never told without a new reason", () => {
    expect(resumed(ordering).effects).toEqual([{ do: "look" }]);
    expect(nextLocalSwitch(ordering, { kind: "looked", enabledIccid: a }).state).toMatchObject({ phase: "done", outcome: "failed" });
    expect(nextLocalSwitch(ordering, { kind: "looked", enabledIccid: b }).state).toMatchObject({ phase: "adopting", toIccid: b });
  });

  test("while the module adopts: adopted again", () => {
    expect(resumed({ ...ordering, phase: "adopting", toIccid: b }).effects).toEqual([{ do: "adopt", iccid: b }]);
  });

  test("of a card without an enabled profile since: none is adopted", () => {
    const off = nextLocalSwitch(orderedSwitch("disableEmergencyProfile", a), { kind: "answered", code: "ok", enabledIccid: null });
    expect(off.effects.at(-1)).toEqual({ do: "adopt", iccid: undefined });
  });
});

test("which cause the eIMs are told (SGP.32 §5.14.5)", () => {
  expect(Object.entries(localSwitches).map(([name, { cause }]) => [name, cause])).toEqual([
    ["executeFallbackMechanism", "fallback"],
    ["returnFromFallback", "fallback"],
    ["enableEmergencyProfile", "emergencyProfile"],
    ["disableEmergencyProfile", "emergencyProfile"],
  ]);
});
