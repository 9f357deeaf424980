// Checks that only the production line needs: the plan that ends the test state, and an APN for every market.
import { type Check, fail, pass, warn } from "../check.ts";
import type { DoctorContext } from "../context.ts";

export const factoryChecks: readonly Check<DoctorContext>[] = [
  {
    name: "test-state-plan",
    section: "policy",
    about:
      "For the production line: whether the test state has a cap, and a defined trigger that ends it and begins the production plan; an undefined one burns the test budget.",
    reach: "nothing",
    run: async ({ running, lifecycle }) => {
      const { first, operational_on, shipping_on, test_cap_bytes } = running.lifecycle;
      const { stage, next } = await lifecycle();
      const triggers = next.map(({ stage: to, trigger, words }) => `${to} on ${trigger} (${words})`);
      const data = {
        stage,
        triggers: next.map(({ stage: to, trigger }) => `${to}: ${trigger}`),
        ...(test_cap_bytes === undefined ? {} : { capBytes: test_cap_bytes }),
      };
      const isAutomatic = (text: string): boolean => !text.startsWith("command:") && text !== "token";
      if (first !== "factory_test" && stage !== "factory_test")
        return warn(
          `the vehicle does not begin in the test state: it is ${stage}`,
          'set lifecycle.first = "factory_test" before the first start of the daemon',
          { data },
        );
      if (![...operational_on, ...shipping_on].some(isAutomatic))
        return fail(
          "nothing but a command or a token ends the test state: the production plan does not start by itself on deployment",
          'set lifecycle.operational_on, such as ["ignition", "abroad"], and lifecycle.factory_country; try it with simward lifecycle test-trigger ignition',
          { data },
        );
      if (test_cap_bytes === undefined)
        return warn(`the test state has no cap; ${triggers.join(", ")}`, "set lifecycle.test_cap_bytes", { data });
      return pass(`cap ${test_cap_bytes} octets; ${triggers.join(", ")}`, data);
    },
  },
  {
    name: "apn-per-market",
    section: "path",
    about:
      "For the production line: whether every market, and the profile in use, has an APN; a missing one is the most common and most preventable failure in the field.",
    reach: "nothing",
    run: ({ running, ipa }) => {
      const hasDefault = running.apn.some(({ iccid_prefix, mcc }) => iccid_prefix === undefined && mcc === undefined);
      const countries = Object.entries(running.market);
      const { enabledIccid } = ipa();
      const isFor = (list: readonly { readonly iccid_prefix?: string | undefined }[]): boolean =>
        list.some(({ iccid_prefix }) => iccid_prefix === undefined || enabledIccid?.startsWith(iccid_prefix) === true);
      const missing = countries.filter(([, market]) => market.apn.length === 0 && !hasDefault).map(([iso]) => iso);
      const data = { markets: countries.map(([iso]) => iso), apns: running.apn.map(({ name }) => name), missing };
      const mend = "add [[apn]], or apn to the [market.XX] named; try one with simward net apn test NAME";
      if (missing.length > 0) return fail(`no APN for ${missing.join(", ")}`, mend, { data });
      if (running.apn.length === 0 && countries.length === 0)
        return warn("no APN is configured: the network's own is used everywhere", mend, { data });
      if (!hasDefault && enabledIccid !== undefined && !isFor(running.apn))
        return warn("no APN fits the profile that is enabled", mend, { data });
      return pass(
        countries.length === 0 ? `${data.apns.join(", ")} everywhere` : `${data.markets.join(", ")}, ${data.apns.join(", ")}`,
        data,
      );
    },
  },
];
