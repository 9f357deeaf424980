// simward notif drop: takes a notification from the eUICC undelivered, which only a person with a reason may want.
import { SimwardError } from "../../../base/errors.ts";
import type { NotificationDropped } from "../../api/card-types.ts";
import { asTyped, needReason, type Verb } from "../verb.ts";

export const notifDrop: Verb = {
  name: "notif drop",
  summary:
    "take a notification from the eUICC undelivered: the SM-DP+ will never know; needs --force and --reason; over the admin's socket",
  example: "simward notif drop 7 --force --yes --reason 'SM-DP+ is gone for good, ticket 123'",
  args: [{ name: "number", help: "as simward notif list shows it" }],
  options: [{ flags: "--force", help: "it is understood that the SM-DP+ may count the profile as lost, or as still there" }],
  danger: "the SM-DP+ will never hear what became of the profile, and may not give it out again",
  timeoutSeconds: 60,
  async run({ api, out }, input) {
    const [text = ""] = input.args;
    if (!/^\d{1,10}$/.test(text))
      throw new SimwardError("USAGE", { detail: `${asTyped(text)}: give the number that simward notif list shows` });
    if (input.options.force !== true)
      throw new SimwardError("USAGE", {
        detail: "an undelivered notification is not dropped without --force; simward notif deliver tries again",
      });
    const body = { seqNumber: Number(text), force: true, reason: needReason(input) };
    const done = await api("admin").call<NotificationDropped>("POST", "/v1/notifications/drop", body);
    out.result(
      done,
      () =>
        `${out.paint("yellow", "dropped")} ${done.seqNumber} (${done.event}) for ${done.receiver}; ${done.remaining} ${done.remaining === 1 ? "waits" : "wait"}`,
    );
    return undefined;
  },
};
