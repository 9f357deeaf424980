// Whatever happens in whatever order: in the end nothing is left on the kernel or the module that nobody wants, and what is wanted is there.
import fc from "fast-check";
import { expect, test } from "vitest";
import { appearMs, retryMs } from "../../../agent/data-path/data-path.ts";
import { PathBench, session } from "./bench.ts";

const another = { ...session, address: "10.64.9.9" };

type Happening =
  | { readonly kind: "follow"; readonly which: "none" | "one" | "other" }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "refuse" | "allow"; readonly verb: string }
  | { readonly kind: "unplug" | "plug" | "replug" | "endPppd" };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ kind: fc.constant("follow" as const), which: fc.constantFrom("none" as const, "one" as const, "other" as const) }),
  fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 40_000 }) }),
  fc.record({
    kind: fc.constantFrom("refuse" as const, "allow" as const),
    verb: fc.constantFrom("link", "addr", "route", "resolv", "ppp"),
  }),
  fc.record({ kind: fc.constantFrom("unplug" as const, "plug" as const, "replug" as const, "endPppd" as const) }),
);

async function happen(bench: PathBench, one: Happening, follows: Promise<void>[]): Promise<void> {
  switch (one.kind) {
    case "follow":
      follows.push(bench.path.follow({ none: undefined, one: session, other: another }[one.which]));
      return;
    case "wait":
      return bench.clock.advance(one.ms);
    case "refuse":
      bench.refused.add(one.verb);
      return;
    case "allow":
      bench.refused.delete(one.verb);
      return;
    case "unplug":
      bench.interfaces.delete("wwan0");
      return;
    case "plug":
      if (!bench.interfaces.has("wwan0")) bench.interfaces.set("wwan0", { index: ++bench.nextIndex, addresses: [] });
      return;
    case "replug":
      bench.interfaces.set("wwan0", { index: ++bench.nextIndex, addresses: [] });
      return;
    case "endPppd":
      if (bench.interfaces.has("ppp0")) bench.endPppd("code 16");
  }
}

const count = (done: readonly string[], beginning: string): number => done.filter((one) => one.startsWith(beginning)).length;

test.each(["ecm", "ppp"])("%s: 300 stories of sessions, resets, refusals and ends of pppd", async (mode) => {
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { maxLength: 25 }), fc.boolean(), async (story, endsUp) => {
      const bench = new PathBench(`mode = "${mode}"`);
      const follows: Promise<void>[] = [];
      for (const one of story) await happen(bench, one, follows);
      // From here on nothing is in the way any more.
      bench.refused.clear();
      await happen(bench, { kind: "plug" }, follows);
      follows.push(bench.path.follow(endsUp ? session : undefined));
      await bench.clock.advance(appearMs + retryMs(20));
      await Promise.all(follows);
      expect(bench.path.carries(session)).toBe(endsUp);
      expect(bench.path.status.up).toBe(endsUp);
      expect(bench.problems.at(-1)).toBeUndefined();
      await bench.path.stop();
      // Each beginning has its end.
      expect(count(bench.done, "start ")).toBe(count(bench.done, "stop "));
      expect(count(bench.done, "dial ")).toBe(count(bench.done, "release"));
      expect(bench.interfaces.has("ppp0")).toBe(false);
      const last = (verb: string): string | undefined => bench.done.filter((one) => one.startsWith(verb)).at(-1);
      if (bench.done.some((one) => one.startsWith("resolv wwan0"))) expect(last("resolv wwan0")).toBe("resolv wwan0 ");
      if (bench.done.some((one) => one.startsWith("link wwan0"))) expect(last("link wwan0")).toBe("link wwan0 down");
    }),
    { numRuns: 300, seed: 4_005 },
  );
});
