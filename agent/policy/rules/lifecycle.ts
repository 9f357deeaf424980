// The stage of the vehicle's life: a hard cap while it is tested, management only while it is suspended, and no profile enabled once it is retired.
import { parse, undefined_ } from "valibot";
import type { Verdict } from "../../../ipa/ports.ts";
import { type Decision, type Facts, type LifecycleFacts, type PolicyRule, pending, silent } from "../types.ts";

const id = "lifecycle";

export const lifecycle: PolicyRule<undefined> = {
  id,
  config: { parse: (value) => parse(undefined_(), value) },
  decide(facts) {
    const { lifecycle: life } = facts;
    if (life === undefined) return pending("the stage is not known yet");
    switch (life.stage) {
      case "factory_test":
        return capped(life);
      case "suspended":
        return refused("the vehicle is suspended: management traffic only");
      case "retired":
        return retired(facts);
      default:
        return silent(`the vehicle is ${life.stage}`);
    }
  },
};

function refused(reason: string, gates: Decision["gates"] = {}): Decision {
  return { gates: { data: { kind: "refuse", rule: id, reason, retryAt: undefined }, ...gates }, actions: [], explain: reason };
}

function capped({ usedBytes, capBytes }: LifecycleFacts): Decision {
  if (capBytes === undefined) return silent("in factory test, without a cap");
  if (usedBytes === undefined) {
    const reason = `in factory test: nothing here counts the traffic, so that the cap of ${capBytes} bytes cannot be kept`;
    return {
      gates: { data: { kind: "warn", rule: id, reason, retryAt: undefined } },
      actions: [{ kind: "alarm", reason, about: "uncounted" }],
      explain: reason,
    };
  }
  const words = `in factory test, ${usedBytes} of ${capBytes} bytes used`;
  if (usedBytes < capBytes) return silent(words);
  const reason = `in factory test, the cap of ${capBytes} bytes is used up`;
  return { ...refused(reason), actions: [{ kind: "alarm", reason, about: "cap" }] };
}

/** What would bring a vehicle back that is retired. What disables or deletes passes: that is how an eIM retires it. */
function retired({ euiccPackage, download, profileMetadata }: Facts): Decision {
  const reason = "the vehicle is retired: no profile is enabled or installed on it any more";
  const refuse: Verdict = { kind: "refuse", rule: id, reason, retryAt: undefined };
  const enables = euiccPackage?.operations.some(({ name }) => name === "enable") === true;
  return refused(reason, {
    ...(enables ? { euiccPackage: refuse } : {}),
    ...(download === undefined ? {} : { download: refuse }),
    ...(profileMetadata === undefined ? {} : { profileMetadata: refuse }),
  });
}
