// Every decision of an indirect download, as tables: which step follows, how each failure ends, what a restart goes on with.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ErrorCode, errorReport, SimwardError } from "../../../base/errors.ts";
import {
  type DownloadEffect,
  type DownloadInput,
  type DownloadPhase,
  type DownloadState,
  maxDownloadAttempts,
  maxInterruptions,
  maxUnbegun,
  nextDownload,
} from "../../../ipa/machines/download.ts";

const start: DownloadState = {
  kind: "profileDownload",
  phase: "received",
  eimId: "eim1",
  trigger: "v1QA",
  sha256: "00",
  eimTransactionId: "aabb",
  attempts: 0,
  sessionOpen: false,
  installed: false,
  notified: false,
  enabled: false,
};
const open: DownloadState = { ...start, phase: "checkingMetadata", attempts: 1, transactionId: "01", sessionOpen: true };
const report = (code: ErrorCode) => errorReport(new SimwardError(code));
const refused = report("ESIPA_REFUSED");
const lost = report("COAP_TIMEOUT");
const installed = { seqNumber: 5, installed: true, iccid: "8946", errorReason: undefined };
const notInstalled = { seqNumber: 5, installed: false, iccid: undefined, errorReason: "loadProfileElements: scp03tSecurityError" };

function shown(effects: readonly DownloadEffect[]): string[] {
  return effects.map((effect) => {
    if (effect.do === "tell") return `tell ${effect.event.kind}`;
    if (effect.do === "cancel") return `cancel ${effect.reason}`;
    if (effect.do === "notify" || effect.do === "remove") return `${effect.do} ${effect.seqNumber}`;
    return effect.do;
  });
}

type Row = readonly [name: string, state: DownloadState, input: DownloadInput, phase: DownloadPhase, effects: readonly string[]];

const happy: readonly Row[] = [
  ["allowed", start, { kind: "allowed" }, "initiating", ["initiate"]],
  [
    "initiated",
    { ...start, phase: "initiating" },
    { kind: "initiated", transactionId: "01" },
    "authenticatingServer",
    ["authenticateServer"],
  ],
  [
    "server accepted by the card",
    { ...start, phase: "authenticatingServer" },
    { kind: "serverAuthenticated", error: undefined },
    "authenticatingClient",
    ["authenticateClient"],
  ],
  [
    "card accepted by the server",
    { ...open, phase: "authenticatingClient" },
    { kind: "clientAuthenticated" },
    "checkingMetadata",
    ["checkMetadata"],
  ],
  ["metadata accepted", open, { kind: "metadataAccepted", iccid: "8946" }, "preparing", ["prepare"]],
  ["prepared", { ...open, phase: "preparing" }, { kind: "prepared", error: undefined }, "fetching", ["fetch"]],
  ["fetched", { ...open, phase: "fetching" }, { kind: "fetched" }, "loading", ["load"]],
  [
    "installed",
    { ...open, phase: "loading" },
    { kind: "installation", facts: installed, bytes: 9 },
    "notifying",
    ["tell download.finished", "notify 5"],
  ],
  ["the eIM has it", { ...open, phase: "notifying", seqNumber: 5 }, { kind: "notified" }, "removing", ["remove 5"]],
  ["removed from the card", { ...open, phase: "removing", seqNumber: 5 }, { kind: "removed" }, "done", ["finish"]],
  [
    "the eIM does not have it yet: the card keeps it",
    { ...open, phase: "notifying", seqNumber: 5 },
    { kind: "notNotified" },
    "done",
    ["finish"],
  ],
];

const failures: readonly Row[] = [
  [
    "refused by policy: a report, nothing else",
    start,
    { kind: "failed", error: report("POLICY_REFUSED") },
    "failing",
    ["tell download.failed", "reportFailure"],
  ],
  [
    "refused by the server before the card is in: a report",
    { ...start, phase: "initiating", attempts: 1 },
    { kind: "failed", error: refused },
    "failing",
    ["tell download.failed", "reportFailure"],
  ],
  [
    "the card refuses the server: the server gets the card's word",
    { ...start, phase: "authenticatingServer" },
    { kind: "serverAuthenticated", error: refused },
    "authenticatingClient",
    ["authenticateClient"],
  ],
  [
    "… and whatever it says to that, it is over",
    { ...start, phase: "authenticatingClient", failure: { step: "authenticatingServer", error: refused } },
    { kind: "failed", error: refused },
    "failing",
    ["tell download.failed", "reportFailure"],
  ],
  [
    "the server refuses the card: the card's session is cancelled",
    { ...open, phase: "authenticatingClient" },
    { kind: "failed", error: refused },
    "cancelling",
    ["cancel undefinedReason"],
  ],
  [
    "a policy rule the card does not allow",
    open,
    { kind: "metadataRefused", reason: "pprNotAllowed", error: report("DOWNLOAD_REFUSED") },
    "cancelling",
    ["cancel pprNotAllowed"],
  ],
  [
    "our policy",
    open,
    { kind: "metadataRefused", reason: "endUserRejection", error: report("POLICY_REFUSED") },
    "cancelling",
    ["cancel endUserRejection"],
  ],
  [
    "other metadata in the package",
    { ...open, phase: "loading" },
    { kind: "metadataRefused", reason: "metadataMismatch", error: report("DOWNLOAD_REFUSED") },
    "cancelling",
    ["cancel metadataMismatch"],
  ],
  [
    "PrepareDownload refused: the server gets the card's word",
    { ...open, phase: "preparing" },
    { kind: "prepared", error: refused },
    "fetching",
    ["fetch"],
  ],
  [
    "… and whatever it says to that, it is over",
    { ...open, phase: "fetching", sessionOpen: false, failure: { step: "preparing", error: refused } },
    { kind: "fetched" },
    "failing",
    ["tell download.failed", "reportFailure"],
  ],
  ["no package", { ...open, phase: "fetching" }, { kind: "failed", error: refused }, "cancelling", ["cancel loadBppExecutionError"]],
  [
    "a segment refused without a result: the card is searched for one",
    { ...open, phase: "loading" },
    { kind: "noInstallation", error: report("APDU_STATUS") },
    "searching",
    ["search"],
  ],
  [
    "… none: cancelled",
    { ...open, phase: "searching", failure: { step: "loading", error: report("APDU_STATUS") } },
    { kind: "noInstallation", error: report("APDU_STATUS") },
    "cancelling",
    ["cancel loadBppExecutionError"],
  ],
  [
    "… found: it goes to the eIM",
    { ...open, phase: "searching" },
    { kind: "installation", facts: installed, bytes: 0 },
    "notifying",
    ["tell download.finished", "notify 5"],
  ],
  [
    "a result that says no: it goes to the eIM all the same",
    { ...open, phase: "loading" },
    { kind: "installation", facts: notInstalled, bytes: 9 },
    "notifying",
    ["tell download.failed", "notify 5"],
  ],
  [
    "cancelled: reported",
    { ...open, phase: "cancelling", failure: { step: "fetching", error: refused } },
    { kind: "cancelled" },
    "failing",
    ["tell download.failed", "reportFailure"],
  ],
  [
    "the path lost: it waits for the next poll, and nothing is cancelled",
    { ...open, phase: "fetching" },
    { kind: "failed", error: lost },
    "received",
    ["tell warning"],
  ],
  [
    "a lost channel without a result on the card: begun anew at once",
    { ...open, phase: "searching", failure: { step: "loading", error: report("APDU_CHANNEL_LOST") } },
    { kind: "noInstallation", error: lost },
    "initiating",
    ["tell warning", "initiate"],
  ],
  [
    "… but not for ever",
    { ...open, attempts: maxDownloadAttempts, phase: "searching", failure: { step: "loading", error: report("APDU_CHANNEL_LOST") } },
    { kind: "noInstallation", error: lost },
    "cancelling",
    ["cancel loadBppExecutionError"],
  ],
  [
    "the module is away: the next attempt waits for the next poll",
    { ...open, phase: "preparing" },
    { kind: "failed", error: report("PORT_CLOSED") },
    "received",
    ["tell warning"],
  ],
  [
    "the card cannot be asked what it made of the package: it is asked again before anything is begun anew",
    { ...open, phase: "searching", failure: { step: "loading", error: report("PORT_CLOSED") } },
    { kind: "failed", error: report("PORT_CLOSED") },
    "searching",
    [],
  ],
  [
    "something fails after the installation: it stays installed",
    { ...open, phase: "notifying", installed: true, seqNumber: 5 },
    { kind: "failed", error: lost },
    "done",
    ["finish"],
  ],
  ["an SM-DS leads on", { ...open, phase: "authenticatingClient" }, { kind: "redirected", trigger: "v1QB" }, "initiating", ["initiate"]],
  [
    "… once",
    { ...open, phase: "authenticatingClient", redirected: true },
    { kind: "redirected", trigger: "v1QB" },
    "cancelling",
    ["cancel undefinedReason"],
  ],
];

const resumed: readonly (readonly [DownloadState, DownloadPhase, readonly string[]])[] = [
  [start, "initiating", ["initiate"]],
  [{ ...start, phase: "initiating", attempts: 1 }, "initiating", ["initiate"]],
  [{ ...start, phase: "initiating", attempts: maxDownloadAttempts }, "initiating", ["initiate"]],
  [{ ...start, phase: "initiating", attempts: 1, interruptions: maxInterruptions }, "failing", ["tell download.failed", "reportFailure"]],
  [{ ...start, phase: "received", attempts: maxDownloadAttempts }, "failing", ["tell download.failed", "reportFailure"]],
  [{ ...open, phase: "authenticatingServer" }, "searching", ["search"]],
  [{ ...open, phase: "loading" }, "searching", ["search"]],
  [{ ...open, phase: "enabling", installed: true, seqNumber: 5 }, "notifying", ["notify 5"]],
  [{ ...open, phase: "adopting", installed: true, seqNumber: 5 }, "adopting", ["adopt"]],
  [{ ...open, phase: "notifying", installed: true, seqNumber: 5 }, "notifying", ["notify 5"]],
  [{ ...open, phase: "removing", installed: true, seqNumber: 5 }, "removing", ["remove 5"]],
  [{ ...open, phase: "cancelling", cancelReason: "timeout" }, "cancelling", ["cancel timeout"]],
  [{ ...open, phase: "failing" }, "failing", ["reportFailure"]],
  [{ ...open, phase: "done" }, "done", ["finish"]],
];

describe("download", () => {
  const without = { immediateEnable: false };

  test.each(happy)("%s", (_name, state, input, phase, effects) => {
    const step = nextDownload(without, state, input);
    expect([step.state.phase, shown(step.effects)]).toEqual([phase, effects]);
  });

  test.each(failures)("%s", (_name, state, input, phase, effects) => {
    const step = nextDownload(without, state, input);
    expect([step.state.phase, shown(step.effects)]).toEqual([phase, effects]);
  });

  test.each(resumed.map((row) => [row[0].phase, row] as const))("after a restart in %s", (_name, [state, phase, effects]) => {
    const step = nextDownload(without, state, { kind: "resumed", afterRestart: true });
    expect([step.state.phase, shown(step.effects)]).toEqual([phase, effects]);
  });

  // shows: e6.09-immediate, e5.11-immediate
  test("ImmediateEnable where configured: once, before the eIM hears of the installation, whatever it answers", () => {
    const rules = { immediateEnable: true };
    const loading: DownloadState = { ...open, phase: "loading" };
    const step = nextDownload(rules, loading, { kind: "installation", facts: installed, bytes: 9 });
    expect([step.state.phase, shown(step.effects)]).toEqual(["enabling", ["tell download.finished", "enable"]]);
    const no = nextDownload(rules, step.state, { kind: "immediateEnable", ok: false });
    expect([no.state.enabled, shown(no.effects)]).toEqual([false, ["notify 5"]]);
    const yes = nextDownload(rules, step.state, { kind: "immediateEnable", ok: true });
    expect([yes.state.enabled, yes.effects]).toEqual([true, [{ do: "adopt", iccid: "8946" }]]);
    expect(shown(nextDownload(rules, yes.state, { kind: "adopted" }).effects)).toEqual(["notify 5"]);
    const failed = nextDownload(rules, loading, { kind: "installation", facts: notInstalled, bytes: 9 });
    expect(shown(failed.effects)).toEqual(["tell download.failed", "notify 5"]);
  });

  /** The phase after `times` failures in that step, each from a fresh attempt, whatever else has failed before. */
  function stateAfter(times: number, step: DownloadPhase, code: ErrorCode): DownloadState {
    let state: DownloadState = { ...start, phase: "received" };
    for (let time = 0; time < times; time++) {
      const begun = nextDownload(without, state, { kind: "resumed", afterRestart: false });
      if (begun.state.phase !== "initiating") return begun.state;
      state = nextDownload(without, { ...begun.state, phase: step }, { kind: "failed", error: report(code) }).state;
    }
    return state;
  }

  test.each([
    ["preparing", "COAP_TIMEOUT", maxDownloadAttempts],
    ["preparing", "PORT_CLOSED", maxInterruptions + 1],
    ["preparing", "MODEM_ABSENT", maxInterruptions + 1],
    ["initiating", "COAP_TIMEOUT", maxDownloadAttempts],
    ["initiating", "PORT_CLOSED", maxUnbegun + 1],
    ["initiating", "DTLS_TIMEOUT", maxUnbegun + 1],
    ["initiating", "UDP_UNREACHABLE", maxUnbegun + 1],
  ] as const)("in %s %s is the end only at failure %i", (step, code, last) => {
    expect(stateAfter(last - 1, step, code).phase).toBe("received");
    expect(stateAfter(last, step, code).phase).toBe("failing");
  });

  test("what the module's absence ended takes nothing from the attempts that the order has", () => {
    const { attempts, interruptions } = stateAfter(5, "fetching", "PORT_CLOSED");
    expect([attempts, interruptions]).toEqual([0, 5]);
  });

  test("a step that the disk refused to hold is an interruption, a search that waits is none", () => {
    const resume = (phase: DownloadPhase) => nextDownload(without, { ...open, phase }, { kind: "resumed", afterRestart: false }).state;
    expect([resume("preparing").interruptions, resume("preparing").attempts]).toEqual([1, 0]);
    expect([resume("searching").interruptions, resume("searching").attempts]).toEqual([undefined, 1]);
  });

  test("whatever fails however often, it ends: no endless attempts", () => {
    const codes = fc.constantFrom<ErrorCode>(
      "COAP_TIMEOUT",
      "APDU_CHANNEL_LOST",
      "ESIPA_REFUSED",
      "ESIPA_STATUS",
      "APDU_STATUS",
      "AT_TIMEOUT",
      "PORT_CLOSED",
      "DTLS_TIMEOUT",
    );
    const most = maxDownloadAttempts + maxInterruptions + maxUnbegun + 1;
    const failAt = fc.array(fc.tuple(fc.integer({ min: 0, max: 7 }), codes), { minLength: 12, maxLength: most });
    const steps: readonly DownloadInput[] = [
      { kind: "initiated", transactionId: "01" },
      { kind: "serverAuthenticated", error: undefined },
      { kind: "clientAuthenticated" },
      { kind: "metadataAccepted", iccid: "8946" },
      { kind: "prepared", error: undefined },
      { kind: "fetched" },
    ];
    const answers: Readonly<Record<string, DownloadInput>> = {
      cancel: { kind: "cancelled" },
      search: { kind: "noInstallation", error: lost },
      reportFailure: { kind: "reported" },
    };
    fc.assert(
      fc.property(failAt, (plan) => {
        let attempt = 0;
        let step = nextDownload(without, start, { kind: "allowed" });
        let at = 0;
        for (let turns = 0; turns < 20 * most; turns++) {
          const act = step.effects.find((effect) => effect.do !== "tell");
          if (act?.do === "finish") return;
          if (act === undefined) {
            step = nextDownload(without, step.state, { kind: "resumed", afterRestart: false });
            continue;
          }
          if (act.do === "initiate") {
            attempt++;
            at = 0;
          }
          const [failing, code] = plan[attempt] ?? [0, "COAP_TIMEOUT"];
          const failed: DownloadInput =
            act.do === "load" ? { kind: "noInstallation", error: report(code) } : { kind: "failed", error: report(code) };
          const input = answers[act.do] ?? (at >= failing || steps[at] === undefined ? failed : steps[at]);
          at++;
          step = nextDownload(without, step.state, input ?? failed);
        }
        throw new Error("it never ended");
      }),
      { seed: 32, numRuns: 500 },
    );
  });
});
